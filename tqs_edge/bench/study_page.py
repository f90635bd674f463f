"""The planning study as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tqs_edge.bench.plans import METHODS
from tqs_edge.bench.plot_study import error_figure, horizon_figure, ratio_figure
from tqs_edge.bench.study import StudyPart
from tqs_edge.bench.study_summary import REFERENCE, StudySummary
from tqs_edge.bench.study_tables import MeanRow, mean_rows
from tqs_edge.report.document import document
from tqs_edge.report.svg import number
from tqs_edge.report.tables import Cell, card, table

TITLE = "Planned bit-widths against baselines"


def render_study(parts: Sequence[StudyPart], summary: StudySummary) -> str:
    """The page, the same text for the same parts."""
    judgements = [j for part in parts for j in part.judgements]
    rows = mean_rows(judgements)
    cards = [
        _goals(summary),
        error_figure(judgements).html(),
        ratio_figure(judgements).html(),
        _versus(summary),
        _agreement(summary),
        horizon_figure(judgements).html(),
        _means("Rollout error (nRMSE)", "Geometric mean over seeds; the least is bold", rows),
        _means(
            "Valid horizon",
            "Steps, mean over seeds; the longest is bold",
            mean_rows(judgements, valid_horizon=True),
        ),
        _methods(rows),
    ]
    models = len({j.model for j in judgements})
    budgets, seeds = (len({getattr(j, key) for j in judgements}) for key in ("avg_bits", "seed"))
    lead = (
        f"{models} models x {budgets} budgets x {seeds} seeds. Every method chooses widths for the "
        "same weight blocks within the same bytes; activations and states have 16 bits. A seed "
        "draws the probes and the windows; plans are made on some windows and judged on others, "
        "in the integer arithmetic of the firmware."
    )
    header = f'<header><h1>{TITLE}</h1><p class="lead">{escape(lead)}</p>{_tiles(summary)}</header>'
    return document(f"{TITLE}: tqs_edge", header, cards)


def _tiles(summary: StudySummary) -> str:
    """The numbers that people look for first."""
    found = [("Spearman, least", f"{min(a.least for a in summary.agreement):.3f}", "of a model")]
    against = next((v for v in summary.versus if v.method == REFERENCE), None)
    if against:
        count = f"{against.wins} / {against.ties} / {against.losses}"
        found = [
            ("Wins, ties, losses", count, "against uniform"),
            ("Error, mean", f"{number(against.ratio)} x", "uniform's"),
            ("Error, worst cell", f"{number(against.worst)} x", "uniform's"),
            *found,
        ]
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(unit)}</small></dd></div>"
        for name, value, unit in found
    )
    return f'<dl class="tiles">{tiles}</dl>'


def _goals(summary: StudySummary) -> str:
    rows: list[list[Cell]] = [
        [
            (goal.text, ""),
            (goal.found, ""),
            ("✓ reached", "n good") if goal.reached else ("✗ not reached", "n bad"),
        ]
        for goal in summary.goals
    ]
    shown = table("Of the method tqs, over all cells (model, budget, seed)", GOAL_HEAD, rows)
    return card("Goals", shown, id="table-goals", wide=True)


GOAL_HEAD = ("goal", "found", "result")


def _versus(summary: StudySummary) -> str:
    if not summary.versus:
        content = '<p class="absent">The comparison needs the method tqs.</p>'
        return card("tqs against each method", content, id="table-versus", wide=True)
    rows: list[list[Cell]] = [
        [
            (v.method, ""),
            *((str(count), "n") for count in (v.wins, v.ties, v.losses)),
            (number(v.ratio), "n"),
            (number(v.worst), "n"),
            ("-" if v.to_uniform is None else number(v.to_uniform), "n"),
        ]
        for v in summary.versus
    ]
    head = ("against", "wins", "ties", "losses", "error ratio", "worst ratio", "itself / uniform")
    caption = (
        "Cells that tqs wins, ties and loses; its error over the method's, geometric mean and "
        "worst; the method's own error over uniform's"
    )
    shown = f'<figure id="table-versus-scroll">{table(caption, head, rows)}</figure>'
    return card("tqs against each method", shown, id="table-versus", wide=True)


def _agreement(summary: StudySummary) -> str:
    rows: list[list[Cell]] = [
        [
            (a.model, ""),
            (f"{a.spearman:.3f}", "n"),
            (f"{a.least:.3f}", "n"),
            (f"{a.cost:.2g}", "n"),
        ]
        for a in summary.agreement
    ]
    head = ("model", "Spearman", "least seed", "time / exact mode's")
    caption = "Rank correlation of predicted with measured damage over all sites and widths"
    shown = table(caption, head, rows)
    return card("TQS against exact mode", shown, id="table-agreement", wide=True)


def _means(title: str, caption: str, rows: Sequence[MeanRow]) -> str:
    names = [name for name in METHODS if any(name in row.values for row in rows)]
    body: list[list[Cell]] = [
        [
            (row.model, ""),
            (f"{row.avg_bits:g}", "n"),
            *(_value(row, name) for name in names),
        ]
        for row in rows
    ]
    shown = table(caption, ("model", "bits", *names), body)
    anchor = "table-" + title.split(" (")[0].lower().replace(" ", "-")
    return card(title, f'<figure id="{anchor}-scroll">{shown}</figure>', id=anchor, wide=True)


def _value(row: MeanRow, name: str) -> Cell:
    if name not in row.values:
        return "-", "n"
    return number(row.values[name]), "n best" if name in row.best else "n"


def _methods(rows: Sequence[MeanRow]) -> str:
    body: list[list[Cell]] = [
        [(name, ""), (str(method.role), ""), (method.description, "")]
        for name, method in METHODS.items()
        if any(name in row.values for row in rows)
    ]
    shown = table("All plan over the same sites", ("method", "role", "plans by"), body)
    return card("Methods", shown, id="table-methods", wide=True)
