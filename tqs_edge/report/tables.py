"""The parts of the report that are best read as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tqs_edge.report.figure import Report, finite, site_bits
from tqs_edge.report.svg import number

Cell = tuple[str, str]  # text, class


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table whose first column heads its rows; numbers carry the class n."""
    numeric = [any("n" in row[k][1].split() for row in rows) for k in range(len(head))]
    columns = "".join(
        f'<th scope="col"{" class=n" if right else ""}>{escape(name)}</th>'
        for name, right in zip(head, numeric, strict=True)
    )
    body = "".join(f"<tr>{_row(row)}</tr>" for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _row(cells: Sequence[Cell]) -> str:
    first = f'<th scope="row">{escape(cells[0][0])}</th>'
    return first + "".join(f'<td class="{c}">{escape(shown)}</td>' for shown, c in cells[1:])


def card(title: str, content: str, *, id: str, wide: bool = False) -> str:
    """A card of the page around a table."""
    return (
        f'<section class="card{" wide" if wide else ""}" id="{id}"><h2>{escape(title)}</h2>'
        f"{content}</section>"
    )


def chain_card(report: Report) -> str:
    """The links of the bit-exact chain, each passed or failed."""
    links = report.get("bit_exact", {})
    if not links:
        content = '<p class="absent">Nothing was verified bit for bit.</p>'
    else:
        reasons = report.get("mismatches", {})
        rows = [
            [(link, ""), ("✓ equal", "good") if equal else (_differs(reasons.get(link)), "bad")]
            for link, equal in links.items()
        ]
        content = table("Frames compared as integers, all of them", ["link", "result"], rows)
    return card("The bit-exact chain", content, id="table-chain")


def _differs(reason: object) -> str:
    return f"✗ differs: {reason}" if reason else "✗ differs"


def saturation_card(report: Report) -> str:
    """How often a value met the end of its range during the rollouts, by site."""
    counts = report.get("saturation")
    if counts is None:
        content = '<p class="absent">Saturation was not counted.</p>'
    elif not any(counts.values()):
        content = f'<p class="note">No value saturated at any of the {len(counts)} sites.</p>'
    else:
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        rows = [[(site, ""), (f"{count:,}", "n")] for site, count in ranked if count]
        silent = sum(not count for count in counts.values())
        caption = f"Values that met the end of their range; {silent} other sites never did"
        content = table(caption, ["site", "times"], rows)
    return card("Saturation", content, id="table-saturation")


def comparison_card(report: Report) -> str:
    """The rollout error of this plan and of uniform ones on the same contexts."""
    rows = report.get("comparison")
    if not rows:
        content = '<p class="absent">No other plans were tried.</p>'
    else:
        content = _comparison(rows)
    return card("Against uniform widths", content, id="table-comparison", wide=True)


def _comparison(rows: Sequence[Mapping[str, Any]]) -> str:
    keys = list(rows[0])[1:]
    body = [
        [(str(row["plan"]), ""), *((_shown(finite(row.get(key))), "n") for key in keys)]
        for row in rows
    ]
    caption = "Integer rollouts against float, on contexts that planning did not see"
    return table(caption, ["plan", *(key.replace("_", " ") for key in keys)], body)


def sites_card(report: Report) -> str:
    """Every site with its width, score and damage, folded away."""
    scores, plan = report.get("tqs", {}), report.get("plan", {})
    sites = sorted({*scores, *plan})
    if not sites:
        content = '<p class="absent">This report names no sites.</p>'
        return card("All sites", content, id="table-sites", wide=True)
    keys = ("needs", "rate", "growth", "gain", "predicted", "measured")
    rows = [
        [
            (site, ""),
            (str(plan.get(site, {}).get("kind", "")), ""),
            (str(site_bits(report, site) or "-"), "n"),
            *((_shown(finite(scores.get(site, {}).get(key))), "n") for key in keys),
        ]
        for site in sites
    ]
    caption = (
        "Bits given, bits needed for a rollout error of 5 %, growth rate, growth factor per step "
        "late in the rollout, gain, and damage foretold and measured"
    )
    shown = table(caption, ["site", "kind", "bits", *keys], rows)
    content = f"<details><summary>{len(sites)} sites</summary>{shown}</details>"
    return card("All sites", content, id="table-sites", wide=True)


def _shown(value: float | None) -> str:
    return "-" if value is None else number(value)
