"""The gain of every site: how much of a disturbance there reaches the rollout."""

from __future__ import annotations

from tqs_edge.report.figure import Figure, Report, positive, site_bits
from tqs_edge.report.svg import (
    drawing,
    element,
    legend,
    log_axis,
    number,
    rect,
    shorten,
    text,
    x_axis,
)

MOST_SITES = 24
WIDTH, ROW, TOP = 540, 19, 30
LEFT, RIGHT = 190, 412


def tqs_figure(report: Report) -> Figure:
    """The figure plot-tqs."""
    gains = {site: positive(entry.get("gain")) for site, entry in report.get("tqs", {}).items()}
    ranked = sorted(
        ((site, gain) for site, gain in gains.items() if gain is not None),
        key=lambda pair: (-pair[1], pair[0]),
    )
    left_out = max(0, len(ranked) - MOST_SITES)
    more = f" The {left_out} sites with less are in the table of sites." if left_out else ""
    return Figure(
        id="plot-tqs",
        title="Sensitivity of each site",
        note="Gain: mean squared rollout error for each unit of squared disturbance held there. "
        "Sites on top deserve bits; the colour is the width they were given; the bits they need "
        f"for a rollout error of 5 % stand beside it where that is more.{more}",
        body=_draw(report, ranked[:MOST_SITES]) if ranked else None,
        absent="This report holds no sensitivity scores: the plan was made without them.",
    )


def _draw(report: Report, ranked: list[tuple[str, float]]) -> str:
    bottom = TOP + len(ranked) * ROW
    axis = log_axis([gain for _, gain in ranked], LEFT, RIGHT, most=6)
    parts = [x_axis(axis, TOP - 4, bottom, "gain")]
    for index, (site, gain) in enumerate(ranked):
        y, bits = TOP + index * ROW, site_bits(report, site)
        parts.append(element("g", text(LEFT - 8, y + 12, shorten(site, LEFT - 14), anchor="end")))
        width = max(axis(gain) - LEFT, 2)
        hint = f"{site}: gain {number(gain)}" + (f", {bits} bits" if bits else "")
        parts.append(rect(LEFT, y + 2, width, ROW - 5, f"w{bits}", hint=hint))
        shown = number(gain) + _short_of(report, site, bits)
        parts.append(text(LEFT + width + 5, y + 12, shown, class_="tick"))
    widths = sorted({site_bits(report, site) for site, _ in ranked})
    names = [("box", f"w{b}", f"{b} bits" if b else "no width") for b in widths]
    parts.append(legend(names, LEFT, 14))
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=bottom + 44,
        title="Gain of the sites, greatest first, logarithmic",
        description="; ".join(f"{site} {number(gain)}" for site, gain in ranked[:5]),
    )


def _short_of(report: Report, site: str, bits: int) -> str:
    """ ", needs 8 bits" where a site was given fewer than that; null is more than any width."""
    entry = report["tqs"][site]
    if "needs" not in entry or not bits or (entry["needs"] or bits + 1) <= bits:
        return ""
    return f", needs {entry['needs'] or '> 16'}"
