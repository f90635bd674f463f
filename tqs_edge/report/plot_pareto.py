"""Rollout error against what it costs: the planned front and the uniform plans beside it."""

from __future__ import annotations

from html import escape
from itertools import pairwise

from tqs_edge.plan.pareto import ParetoFront, ParetoPoint
from tqs_edge.report.figure import Figure
from tqs_edge.report.svg import (
    Axis,
    drawing,
    element,
    legend,
    line,
    linear_axis,
    log_axis,
    number,
    text,
    x_axis,
    y_axis,
)

WIDTH, HEIGHT = 1100, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 1060, 40, 370
LEAST_NRMSE = 1e-6  # less is drawn there: a logarithm needs more than zero
NAMES = {
    "flash": "flash, bytes",
    "insns": "instructions per step",
    "avg_bits": "average bits per weight",
}


def pareto_figure(front: ParetoFront) -> Figure:
    """The figure plot-pareto."""
    return Figure(
        id="plot-pareto",
        title=f"Rollout error against {NAMES[front.resource].split(',')[0]}",
        note="Each dot is a plan, its height the normalised RMS rollout error on the windows "
        "planned with. Each planned one errs less than all that take less; uniform plans are for "
        "comparison. Flash and instructions are estimates.",
        body=_draw(front) if front.points else None,
        absent="No plan keeps the limits.",
        wide=True,
    )


def _draw(front: ParetoFront) -> str:
    shown = [*front.points, *front.uniform]
    x = linear_axis([point.usage[front.resource] for point in shown], LEFT, RIGHT)
    y = log_axis([max(point.nrmse, LEAST_NRMSE) for point in shown], BOTTOM, TOP)
    path = _stairs([_place(point, front.resource, x, y) for point in front.points])
    parts = [
        x_axis(x, TOP, BOTTOM, NAMES[front.resource]),
        y_axis(y, LEFT, RIGHT),
        line(path, "ours"),
        *(_dot(point, front.resource, x, y, "ours") for point in front.points),
        *(_dot(point, front.resource, x, y, "float") for point in front.uniform),
        *(_name(point, front.resource, x, y) for point in front.uniform),
        legend([("line", "ours", "planned"), ("box", "w0", "uniform")], LEFT, 20),
    ]
    best = front.points[-1]
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=HEIGHT,
        title=f"Rollout error (nRMSE, logarithmic) against {NAMES[front.resource]}",
        description=f"{len(front.points)} plans; the best errs by {number(best.nrmse)} at "
        f"{number(best.usage[front.resource])}",
    )


def _place(point: ParetoPoint, resource: str, x: Axis, y: Axis) -> tuple[float, float]:
    return x(point.usage[resource]), y(max(point.nrmse, LEAST_NRMSE))


def _stairs(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners between places: until a better plan fits, the one before is the best."""
    corners = [(after[0], before[1]) for before, after in pairwise(places)]
    joined = [step for pair in zip(places, corners, strict=False) for step in pair]
    return [*joined, places[-1]]


def _dot(point: ParetoPoint, resource: str, x: Axis, y: Axis, class_: str) -> str:
    cx, cy = _place(point, resource, x, y)
    hint = f"{point.label}: nRMSE {number(point.nrmse)} at {number(point.usage[resource])}"
    title = element("title", escape(hint))
    return element("circle", title, cx=cx, cy=cy, r=5.0, class_=class_)


def _name(point: ParetoPoint, resource: str, x: Axis, y: Axis) -> str:
    cx, cy = _place(point, resource, x, y)
    near_end = cx > (LEFT + RIGHT) / 2
    step = -7 if near_end else 7
    return text(cx + step, cy - 8, point.label, anchor="end" if near_end else "start")
