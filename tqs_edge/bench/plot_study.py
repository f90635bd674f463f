"""Drawings of the planning study: error and valid horizon against bits, and ratios cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np

from tqs_edge.bench.plans import METHODS, Judgement, Role
from tqs_edge.bench.study_summary import (
    LEAST_NRMSE,
    PRODUCT,
    REFERENCE,
    errors_by_method,
    geometric_mean,
)
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

WIDTH, TOP = 1100, 64
COLUMNS, PANEL = 2, 240
LEGEND_COLUMNS = 5
STRIP, STRIP_LEFT = 46, 190
STYLES = ("series-1", "series-2", "series-3", "series-4", "series-5", "series-6")
FIXED_STYLES = {
    "uniform": "float",
    "random": "random",
    "tqs-knapsack": "ours-thin",
    "tqs": "ours",
    "exact": "ceiling",
}
Mean = Callable[[Sequence[float]], float]


def error_figure(judgements: Sequence[Judgement]) -> Figure:
    """The figure plot-study-error: nRMSE, geometric mean over seeds."""
    return Figure(
        id="plot-study-error",
        title="Rollout error against size",
        note="Normalised RMS difference of integer and float rollouts on windows that planning "
        "did not see, geometric mean over seeds; lower is better. The marks are budgets: at most "
        "that many bits per weight on average.",
        body=_panels(judgements, lambda j: max(j.nrmse, LEAST_NRMSE), geometric_mean, log_axis),
        absent="The study holds no records.",
        wide=True,
    )


def horizon_figure(judgements: Sequence[Judgement]) -> Figure:
    """The figure plot-study-horizon: valid horizon, mean over seeds."""
    return Figure(
        id="plot-study-horizon",
        title="Valid horizon against size",
        note="Steps until the error of a rollout first exceeds 0.4 standard deviations, mean over "
        "contexts and seeds; higher is better, and the whole horizon is the most.",
        body=_panels(
            judgements, lambda j: j.valid_horizon, lambda v: float(np.mean(v)), linear_axis
        ),
        absent="The study holds no records.",
        wide=True,
    )


def ratio_figure(judgements: Sequence[Judgement]) -> Figure:
    """The figure plot-study-ratio: every cell's error over uniform's and the best baseline's."""
    rows = _ratio_rows(judgements)
    return Figure(
        id="plot-study-ratio",
        title="Every cell: the error of tqs over that of others",
        note="One mark for each model, budget and seed. Left of the line tqs is better. Grey: over "
        "uniform; blue: over the best baseline of that very cell, whichever it is.",
        body=_strips(rows) if rows else None,
        absent=f"The ratios need the methods {PRODUCT} and {REFERENCE}.",
        wide=True,
    )


def style_of(method: str) -> str:
    """The class that draws a method."""
    if method in FIXED_STYLES:
        return FIXED_STYLES[method]
    return STYLES[[m for m in METHODS if m not in FIXED_STYLES].index(method) % len(STYLES)]


def _panels(
    judgements: Sequence[Judgement],
    value: Callable[[Judgement], float],
    mean: Mean,
    axis: Callable[[Sequence[float], float, float], Axis],
) -> str | None:
    """One panel a model, lines over the budgets, a legend above all."""
    if not judgements:
        return None
    models = list(dict.fromkeys(j.model for j in judgements))
    methods = [name for name in METHODS if any(j.method == name for j in judgements)]
    columns = min(COLUMNS, len(models))
    width = WIDTH / columns
    parts = []
    for index, model in enumerate(models):
        cells: dict[tuple[str, float], list[float]] = {}
        for j in judgements:
            if j.model == model:
                cells.setdefault((j.method, j.avg_bits), []).append(value(j))
        left, top = index % columns * width, TOP + index // columns * PANEL
        place = (left + 52, left + width - 14, top + 18, top + PANEL - 52)
        means = {key: mean(found) for key, found in cells.items()}
        parts.append(_panel(means, methods, place, axis))
        parts.append(text(left + 52, top + 8, model, class_="panel"))
    return drawing(
        _legend(methods) + "".join(parts),
        width=WIDTH,
        height=TOP + -(-len(models) // columns) * PANEL,
        title="One panel for each model, average weight bits across",
        description=f"{len(models)} models, methods {', '.join(methods)}; the tables hold the "
        "numbers.",
    )


def _panel(
    means: Mapping[tuple[str, float], float],
    methods: Sequence[str],
    place: tuple[float, float, float, float],
    axis: Callable[[Sequence[float], float, float], Axis],
) -> str:
    left, right, top, bottom = place
    budgets = sorted({bits for _, bits in means})
    x = Axis(budgets[0] - 0.2, budgets[-1] + 0.2, left, right, tuple(budgets))
    y = axis(list(means.values()), bottom, top)
    parts = [x_axis(x, top, bottom, "average bits per weight"), y_axis(y, left, right)]
    # What matters is drawn last, over the rest.
    order = sorted(methods, key=lambda name: (METHODS[name].role is not Role.BASELINE, name))
    for name in order:
        points = [(x(b), y(means[name, b]), b) for b in budgets if (name, b) in means]
        parts.append(line([(px, py) for px, py, _ in points], style_of(name)))
        for px, py, bits in points:
            hint = f"{name}, {bits:g} bits: {number(means[name, bits])}"
            parts.append(_dot(px, py, style_of(name), hint))
    return "".join(parts)


def _dot(x: float, y: float, class_: str, hint: str) -> str:
    inside = element("title", escape(hint))
    return element("circle", inside, cx=x, cy=y, r=3.5, class_=f"dot {class_}")


def _legend(methods: Sequence[str]) -> str:
    """Rows of methods in columns of equal width."""
    width = (WIDTH - 52) / LEGEND_COLUMNS
    return "".join(
        legend(
            [("line", style_of(name), name)],
            52 + index % LEGEND_COLUMNS * width,
            14 + index // LEGEND_COLUMNS * 20,
        )
        for index, name in enumerate(methods)
    )


Row = tuple[str, list[tuple[float, str]], list[tuple[float, str]]]


def _ratio_rows(judgements: Sequence[Judgement]) -> list[Row]:
    """Model, and ratio with its hint in each cell: to uniform, to the best baseline."""
    errors = errors_by_method(judgements)
    if not {PRODUCT, REFERENCE} <= errors.keys():
        return []
    baselines = [name for name in errors if METHODS[name].role is Role.BASELINE]
    rows: dict[str, Row] = {}
    for cell, ours in errors[PRODUCT].items():
        model, bits, seed = cell
        row = rows.setdefault(model, (model, [], []))
        best, name = min((errors[b][cell], b) for b in baselines if cell in errors[b])
        where = f"{bits:g} bits, seed {seed}"
        uniform = ours / errors[REFERENCE][cell]
        row[1].append((uniform, f"{where}: {number(uniform)} x uniform"))
        row[2].append((ours / best, f"{where}: {number(ours / best)} x {name}"))
    return list(rows.values())


def _strips(rows: Sequence[Row]) -> str:
    values = [ratio for _, *both in rows for points in both for ratio, _ in points]
    x = log_axis([*values, 1.0], STRIP_LEFT, WIDTH - 20)
    bottom = 16 + len(rows) * STRIP
    parts = [x_axis(x, 8, bottom, "error of tqs / error of the other, logarithmic")]
    parts.append(line([(x(1.0), 8), (x(1.0), bottom)], "limit"))
    for index, (model, to_uniform, to_best) in enumerate(rows):
        y = 16 + index * STRIP
        parts.append(text(STRIP_LEFT - 12, y + 20, model, anchor="end"))
        parts += [_dot(x(ratio), y + 8, "float", hint) for ratio, hint in to_uniform]
        parts += [_dot(x(ratio), y + 26, "ours", hint) for ratio, hint in to_best]
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=bottom + 44,
        title="Ratios of rollout errors, one mark for each model, budget and seed",
        description=f"{sum(ratio < 1 for ratio in values)} of {len(values)} marks are below 1.",
    )
