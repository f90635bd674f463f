"""Whether the score foretold the damage: predicted against measured, site by site."""

from __future__ import annotations

from tqs_edge.report.figure import Figure, Report, finite, positive, site_bits
from tqs_edge.report.svg import drawing, element, line, log_axis, number, text, x_axis, y_axis

WIDTH, HEIGHT = 540, 470
LEFT, RIGHT, TOP, BOTTOM = 60, 524, 30, 420


def damage_figure(report: Report) -> Figure:
    """The figure plot-damage."""
    pairs = []
    for site, entry in sorted(report.get("tqs", {}).items()):
        predicted, measured = positive(entry.get("predicted")), positive(entry.get("measured"))
        if predicted is not None and measured is not None:
            pairs.append((site, predicted, measured))
    return Figure(
        id="plot-damage",
        title="Predicted against measured damage",
        note="Squared rollout error of quantizing one site alone: what the score foretold and "
        "what was then measured. On the dashed line the two agree.",
        body=_draw(report, pairs) if pairs else None,
        absent="No damage was measured site by site, so there is nothing to compare with.",
    )


def _draw(report: Report, pairs: list[tuple[str, float, float]]) -> str:
    values = [value for _, *both in pairs for value in both]
    x, y = log_axis(values, LEFT, RIGHT), log_axis(values, BOTTOM, TOP)
    parts = [x_axis(x, TOP, BOTTOM, "predicted"), y_axis(y, LEFT, RIGHT)]
    parts.append(line([(LEFT, BOTTOM), (RIGHT, TOP)], "rule"))
    for site, predicted, measured in pairs:
        bits = site_bits(report, site)
        hint = f"{site}: predicted {number(predicted)}, measured {number(measured)}"
        title = element("title", hint.replace("&", "&amp;").replace("<", "&lt;"))
        parts.append(
            element("circle", title, cx=x(predicted), cy=y(measured), r=5, class_=f"dot w{bits}")
        )
    parts.append(text(LEFT, 14, "measured", class_="axis"))
    spearman = finite(report.get("spearman"))
    told = "rank correlation not computed"
    if spearman is not None:
        told = f"Spearman rank correlation {spearman:.2f}"
    parts.append(text(RIGHT, 14, f"{told}, {len(pairs)} sites", anchor="end", class_="panel"))
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=HEIGHT,
        title="Predicted and measured damage of each site, both logarithmic",
        description=f"{len(pairs)} sites; {told}.",
    )
