"""How far the integers are from the float model at each step of the rollout."""

from __future__ import annotations

from tqs_edge.report.figure import Figure, Report, finite, positive
from tqs_edge.report.svg import (
    drawing,
    line,
    log_axis,
    number,
    step_axis,
    text,
    x_axis,
    y_axis,
)

WIDTH, HEIGHT = 540, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 526, 16, 256


def error_figure(report: Report) -> Figure:
    """The figure plot-error."""
    rollout = report.get("rollout", {})
    errors = [positive(value) for value in rollout.get("nrmse_per_step") or []]
    drawable = any(value is not None for value in errors)
    exact = bool(errors) and all(finite(v) == 0 for v in rollout["nrmse_per_step"])
    return Figure(
        id="plot-error",
        title="Error at each step",
        note="Normalised RMS difference between integers and float over all judging contexts. "
        "A straight rise on this scale is exponential growth.",
        body=_draw(errors, finite(rollout.get("valid_horizon"))) if drawable else None,
        absent="The error is zero at every step."
        if exact
        else "This report holds no error per step.",
    )


def _draw(errors: list[float | None], valid_horizon: float | None) -> str:
    values = [value for value in errors if value is not None]
    x = step_axis(len(errors), LEFT, RIGHT)
    y = log_axis(values, BOTTOM, TOP)
    points = [(x(t), y(value)) for t, value in enumerate(errors) if value is not None]
    parts = [x_axis(x, TOP, BOTTOM, "step"), y_axis(y, LEFT, RIGHT)]
    if valid_horizon is not None and 0 < valid_horizon < len(errors):
        at = x(valid_horizon)
        near_end = at > (LEFT + RIGHT) / 2
        parts.append(line([(at, TOP), (at, BOTTOM)], "rule"))
        parts.append(
            text(
                at - 6 if near_end else at + 6,
                BOTTOM - 8,
                f"valid to step {number(valid_horizon)}",
                anchor="end" if near_end else "start",
                class_="muted",
            )
        )
    parts.append(line(points, "error"))
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=HEIGHT,
        title="Normalised RMS error at each step, logarithmic",
        description=f"From {number(values[0])} at the first step to {number(values[-1])} at the "
        f"last of {len(errors)} steps; the largest is {number(max(values))}.",
    )
