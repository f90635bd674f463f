"""What each site would cost at each width, and the width it needs: the score as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import sqrt

from tqs_edge.report.figure import Figure
from tqs_edge.report.svg import (
    Axis,
    drawing,
    element,
    legend,
    line,
    log_axis,
    number,
    shorten,
    text,
    x_axis,
)
from tqs_edge.report.tables import Cell, card, table
from tqs_edge.report.words import percent, ten_steps
from tqs_edge.sensitivity.needs import Need

MOST_ROWS = 40
WIDTH, ROW, TOP = 1100, 24, 52
LEFT, RIGHT, BITS = 230, 960, 980
LEAST, MOST = 1e-6, 10.0  # errors beyond are drawn at the edge
WIDTHS = (2, 4, 8, 16)


def needs_figure(rows: Sequence[Need], share: float) -> Figure:
    """The figure plot-needs: rows in their order, `share` the error each site may add."""
    left_out = max(0, len(rows) - MOST_ROWS)
    more = f" {left_out} less needy ones are left out." if left_out else ""
    return Figure(
        id="plot-needs",
        title="The bits each site needs",
        note="Predicted rollout error with one site alone at each width, in per cent of the "
        "signal. The first dot left of the dashed line is the width needed. Blocks that share a "
        f"line are drawn at the root mean square of their errors.{more}",
        body=_draw(rows[:MOST_ROWS], share) if rows else None,
        absent="There are no sites.",
        wide=True,
    )


def needs_card(rows: Sequence[Need]) -> str:
    """The same as a table, every row of it."""
    body: list[list[Cell]] = [
        [
            (need.label, ""),
            (str(need.kind), ""),
            (_bits(need), "n"),
            *((percent(need.errors[b]) if b in need.errors else "-", "n") for b in WIDTHS),
            ("-" if need.growth is None else ten_steps(need.growth), ""),
        ]
        for need in rows
    ]
    head = ["site", "kind", "needs", *(f"at {b} bits" for b in WIDTHS), "a disturbance there"]
    caption = "Predicted rollout error of these sites alone, as a part of the signal"
    return card("All sites", table(caption, head, body), id="table-needs", wide=True)


def _draw(rows: Sequence[Need], share: float) -> str:
    bottom = TOP + len(rows) * ROW
    shown = [100 * _error(need, bits) for need in rows for bits in need.errors]
    axis = log_axis([*shown, 100 * share], LEFT, RIGHT)
    parts = [x_axis(axis, TOP - 4, bottom, "predicted rollout error, % of the signal")]
    at = axis(100 * share)
    parts.append(line([(at, TOP - 8), (at, bottom)], "rule"))
    near_end = at > (LEFT + RIGHT) / 2
    allowed = text(at, TOP - 14, f"{percent(share)} for each site", anchor=_anchor(near_end))
    parts += [allowed, text(BITS, TOP - 14, "needs", class_="panel")]
    for index, need in enumerate(rows):
        parts.append(_row(need, axis, TOP + index * ROW + ROW / 2))
    widths = sorted({bits for need in rows for bits in need.errors})
    parts.append(legend([("box", f"w{b}", f"{b} bits") for b in widths], LEFT, 16))
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=bottom + 44,
        title="Predicted rollout error of each site at each width, logarithmic",
        description="; ".join(f"{need.label} needs {_bits(need)} bits" for need in rows[:8]),
    )


def _row(need: Need, axis: Axis, y: float) -> str:
    parts = [text(LEFT - 12, y + 4, shorten(need.label, LEFT - 20), anchor="end")]
    dots = [(bits, axis(100 * _error(need, bits))) for bits in sorted(need.errors)]
    parts.append(line([(x, y) for _, x in dots], "grid"))
    for bits, x in dots:
        hint = f"{need.label} at {bits} bits: {percent(need.errors[bits])}"
        radius = 7 if bits == need.bits else 4.5
        title = element("title", escape(hint))
        parts.append(element("circle", title, cx=x, cy=y, r=radius, class_=f"dot w{bits}"))
    parts.append(text(BITS, y + 4, f"{_bits(need)} bits"))
    return "".join(parts)


def _error(need: Need, bits: int) -> float:
    """Root mean square over the sites of a row, kept within the drawing."""
    return min(max(need.errors[bits] / sqrt(len(need.sites)), LEAST), MOST)


def _bits(need: Need) -> str:
    return number(need.bits) if need.bits is not None else f"> {max(need.widths)}"


def _anchor(near_end: bool) -> str:
    return "end" if near_end else "start"
