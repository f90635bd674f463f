"""The whole page: header with the verdict, tiles, figures, tables. No script, no request."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tqs_edge.errors import InputError
from tqs_edge.report.document import document
from tqs_edge.report.figure import Report, finite
from tqs_edge.report.plot_bits import bits_figure
from tqs_edge.report.plot_damage import damage_figure
from tqs_edge.report.plot_error import error_figure
from tqs_edge.report.plot_memory import memory_figure
from tqs_edge.report.plot_rollout import frames_summary, rollout_figure
from tqs_edge.report.plot_tqs import tqs_figure
from tqs_edge.report.svg import number
from tqs_edge.report.tables import chain_card, comparison_card, saturation_card, sites_card


def render_html(report: Mapping[str, Any]) -> str:
    """The report as one self-contained HTML page, the same bytes for the same report.

    Takes the dict of report.json; parts whose data is missing say so in words. Raises InputError
    when `board` or `horizon` is missing, without which nothing on the page has a meaning.
    """
    for key in ("board", "horizon"):
        if key not in report:
            raise InputError(f"report.json lacks '{key}'; write it anew with tqs-edge verify")
    title = f"{report.get('model', 'model')} on {report['board']}"
    cards = [
        rollout_figure(report).html(),
        error_figure(report).html(),
        memory_figure(report).html(),
        bits_figure(report).html(),
        tqs_figure(report).html(),
        damage_figure(report).html(),
        chain_card(report),
        saturation_card(report),
        comparison_card(report),
        sites_card(report),
    ]
    return document(f"{title}: tqs_edge report", _header(report, title), cards, _footer(report))


def _header(report: Report, title: str) -> str:
    parts = [
        f"{report['horizon']}-step rollout",
        f"core {report['core']}" if "core" in report else "",
    ]
    contexts = report.get("contexts")
    if contexts is not None:
        origin = f" ({report['contexts_origin']})" if report.get("contexts_origin") else ""
        parts.append(f"{contexts} context{'s' if contexts != 1 else ''}{origin}")
    if report.get("plan_method"):
        parts.append(f"plan: {report['plan_method']}")
    lead = " · ".join(escape(str(part)) for part in parts if part)
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(unit)}</small></dd></div>"
        for name, value, unit in _tiles(report)
    )
    words = report.get("predictability", {}).get("words")
    limit = f'<p class="note predictability">{escape(words)}</p>' if words else ""
    return (
        f'<header><h1>{escape(title)}</h1><p class="lead">{lead}</p>{_verdict(report)}{limit}'
        f'<dl class="tiles">{tiles}</dl></header>'
    )


def _verdict(report: Report) -> str:
    links = report.get("bit_exact", {})
    broken = [link for link, equal in links.items() if not equal]
    if not links:
        return '<p class="verdict unknown">Not verified yet</p>'
    if broken:
        return f'<p class="verdict bad">✗ Not bit-exact: {escape(", ".join(broken))}</p>'
    count = f"all {len(links)} links" if len(links) > 1 else "the one link checked"
    return f'<p class="verdict good">✓ Bit-exact over {count}</p>'


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """(name, value, unit) of the numbers that people look for first; only those known."""
    rollout, predictability = report.get("rollout", {}), report.get("predictability", {})
    found = [
        ("Rollout error (nRMSE)", finite(rollout.get("nrmse")), "integers to float"),
        ("Valid horizon", finite(rollout.get("valid_horizon")), f"of {report['horizon']} steps"),
        (
            "Predictable for",
            finite(predictability.get("limit_steps")),
            "steps: the model is chaotic",
        ),
        ("Bits per weight", finite(report.get("average_weight_bits")), "on average"),
        ("Flash", finite(report.get("flash_bytes")), _limit(report, "flash_limit")),
        ("RAM", finite(report.get("ram_bytes")), _limit(report, "ram_limit")),
        ("Stack", finite(report.get("stack_bytes")), _stack_bound(report)),
        (
            "Instructions per step",
            finite(report.get("instructions_per_step")),
            "on a simulator",
        ),
        (
            "Cycles per step",
            finite(report.get("on_board", {}).get("cycles_per_step")),
            "counted on the board",
        ),
    ]
    whole = {"Flash", "RAM", "Stack", "Instructions per step", "Cycles per step"}
    whole |= {"Valid horizon", "Predictable for"}
    return [
        (name, f"{value:,.0f}" if name in whole else number(value), unit)
        for name, value, unit in found
        if value is not None
    ]


def _stack_bound(report: Report) -> str:
    bound = finite(report.get("stack_bound_bytes"))
    return "B at its highest" + ("" if bound is None else f", never above {bound:,.0f} B")


def _limit(report: Report, key: str) -> str:
    limit = finite(report.get(key))
    return "B" if limit is None else f"of {limit:,.0f} B"


def _footer(report: Report) -> str:
    compilers = report.get("compilers", report.get("compiler"))
    if isinstance(compilers, list | tuple):
        compilers = ", ".join(map(str, compilers))
    notes = [f"Built with {compilers}." if compilers else ""]
    absolute = frames_summary(report)
    notes.append(f"Mean absolute error against the true series: {absolute}." if absolute else "")
    notes.append(
        "Instructions are counted on a simulator and exact; they are not cycles. "
        "Errors are in standardised units."
    )
    return escape(" ".join(note for note in notes if note))
