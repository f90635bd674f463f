"""Float and integer rollouts over each other, one panel for each context and feature."""

from __future__ import annotations

from tqs_edge.report.figure import Figure, Report, finite
from tqs_edge.report.svg import (
    drawing,
    legend,
    line,
    linear_axis,
    number,
    step_axis,
    text,
    x_axis,
    y_axis,
)

MOST_CONTEXTS, MOST_FEATURES = 3, 3
WIDTH, TOP = 1100, 34
PANEL, LONE_PANEL = 132, 230  # height of a row of panels: of several, of the only one
Rows = list[list[float]]


def rollout_figure(report: Report) -> Figure:
    """The figure plot-rollout."""
    rollout = report.get("rollout", {})
    floats, integers = rollout.get("float_frames"), rollout.get("integer_frames")
    body = _draw(floats, integers, rollout.get("truth")) if floats and integers else None
    return Figure(
        id="plot-rollout",
        title="The rollout: float model and integer firmware",
        note="Every step feeds on the one before it. The thin line is the integer rollout, the "
        "broad one behind it the float model; where only the thin one shows, they have parted.",
        body=body,
        absent="This report holds no frames of the rollout to draw.",
        wide=True,
    )


def _draw(floats: list[Rows], integers: list[Rows], truth: list[Rows] | None) -> str:
    contexts = range(min(len(floats), len(integers), MOST_CONTEXTS))
    features = range(min(len(floats[0][0]), MOST_FEATURES))
    width = WIDTH / len(contexts)
    height = PANEL if len(features) > 1 else LONE_PANEL
    parts = []
    for column in contexts:
        left, right = column * width + 52, (column + 1) * width - 12
        for row in features:
            series = [
                ("truth", _feature(truth[column], row) if truth and column < len(truth) else []),
                ("float", _feature(floats[column], row)),
                ("integer", _feature(integers[column], row)),
            ]
            name = f"context {column + 1}" + (f", output {row + 1}" if len(features) > 1 else "")
            last = row == len(features) - 1
            top = TOP + row * height
            place = (left, right, top, top + height - 34)
            parts.append(_panel(series, place, name, label=last))
    entries = [("line", "float", "float model"), ("line", "integer", "integers")]
    if truth:
        entries.append(("line", "truth", "true series"))
    parts.append(legend(entries, 52, 14))
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=TOP + len(features) * height + 6,
        title="Float and integer rollouts over the horizon",
        description=f"{len(contexts)} contexts, {len(features)} outputs each, "
        f"{len(floats[0])} steps; model output in standardised units against the step.",
    )


def _feature(frames: Rows, feature: int) -> list[float | None]:
    return [finite(frame[feature]) for frame in frames]


def _panel(
    series: list[tuple[str, list[float | None]]],
    place: tuple[float, float, float, float],
    name: str,
    *,
    label: bool,
) -> str:
    left, right, top, bottom = place
    values = [v for _, points in series for v in points if v is not None]
    steps = max(len(points) for _, points in series)
    x = step_axis(steps, left, right, ticks=4)
    y = linear_axis(values or [0, 1], bottom, top + 14, ticks=3)
    parts = [x_axis(x, top + 14, bottom, "step" if label else ""), y_axis(y, left, right)]
    for class_, points in series:
        drawn = [(x(t), y(v)) for t, v in enumerate(points) if v is not None]
        if drawn:
            parts.append(line(drawn, class_))
        if len(drawn) < len(points):
            parts.append(text(left, top + 26, f"{class_}: some values are not finite"))
    return "".join(parts) + text(left, top + 6, name, class_="panel")


def frames_summary(report: Report) -> str:
    """The mean errors against the true series, in words; empty when the report lacks them."""
    rollout = report.get("rollout", {})
    float_mae, integer_mae = finite(rollout.get("float_mae")), finite(rollout.get("integer_mae"))
    if float_mae is None or integer_mae is None:
        return ""
    return f"float {number(float_mae)}, integers {number(integer_mae)}"
