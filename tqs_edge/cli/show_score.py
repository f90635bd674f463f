"""Scores for a person: which sites need how many bits, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from tqs_edge.cli.console import out, show, table, tell
from tqs_edge.pipeline.planning import Scores
from tqs_edge.report.words import percent, shorten_middle, ten_steps
from tqs_edge.sensitivity.needs import (
    Need,
    equal_share,
    merge_needs,
    needed_bits,
    needed_error,
)
from tqs_edge.sensitivity.score import SiteScore

SHOWN_ROWS = 20
VERDICTS = 4
WIDE, WIDEST = 96, 130  # columns from which there is room for the kind, and for gains
SHOWN_WIDTHS = (2, 4, 8, 16)
REST, KIND, GAIN = 58, 12, 40  # columns of the numbers, of the kind and of the gain


def show_score(
    title: str,
    scores: Scores,
    needs: Sequence[Need],
    *,
    origin: str,
    limit: str,
    tolerance: float,
    every: bool,
) -> tuple[Need, ...]:
    """Prints the table of needs and the verdicts; returns the rows shown, the neediest first.

    needs: of every site, for `tolerance`; origin: where the contexts came from; limit: a sentence
    on how far the model can be followed; every: one row for each site, else neighbouring blocks of
    the same need share one.
    """
    report = scores.report
    rows = tuple(needs) if every else merge_needs(needs)
    share = equal_share(tolerance, len(needs))
    tell(f"{title}: bits that each site needs for a rollout error of {100 * tolerance:g} % in all")
    tell(
        f"horizon {report.horizon}, {report.contexts} contexts ({origin}); "
        f"{len(needs)} sites, each may add {percent(share)} of the signal by itself"
    )
    show("")
    _show_rows(rows, {s.site.id: s for s in report.sites}, every)
    for need in _verdicts(rows):
        tell(verdict(need))
    show("")
    tell(
        f"At these widths, {needed_bits(needs):.2f} bits per weight on average, the predicted "
        f"rollout error is {percent(needed_error(needs))}; `tqs-edge plan` finds the best widths "
        "for a budget."
    )
    if report.saturated:
        tell(
            f"Disturbances reach the size of the signal after {report.steps} steps; the scores "
            "are averages up to there."
        )
    tell(limit)
    if scores.table is not None and scores.table.spearman is not None:
        show(f"Rank correlation of predicted with measured damage: {scores.table.spearman:.3f}")
    return rows


def verdict(need: Need) -> str:
    """One line in plain words: "w[0:4] needs 8 bits: at 4 bits its error alone is 12 % ..."."""
    plural = len(need.sites) > 1
    whose = "their" if plural else "its"
    if need.narrower is None:
        return f"{need.label} {'get' if plural else 'gets'} by with {need.bits} bits."
    wants = (
        f"{'need' if plural else 'needs'} {need.bits} bits"
        if need.bits is not None
        else f"{'are' if plural else 'is'} too sensitive for {need.narrower} bits"
    )
    text = (
        f"{need.label} {wants}: at {need.narrower} bits {whose} error alone is "
        f"{percent(need.errors[need.narrower])} of the signal"
    )
    return f"{text} and {ten_steps(need.growth)}." if need.growth is not None else f"{text}."


def _verdicts(rows: Sequence[Need]) -> list[Need]:
    """The neediest row of each of the first few tensors."""
    first: dict[tuple[str, str], Need] = {}
    for need in rows:
        first.setdefault((need.kind, need.tensor), need)
    return [need for need in first.values() if need.narrower is not None][:VERDICTS]


def _show_rows(rows: Sequence[Need], scores: Mapping[str, SiteScore], every: bool) -> None:
    with_kind, with_gain = out.width >= WIDE, every and out.width >= WIDEST
    headers = ["site", *(["<kind"] if with_kind else []), "needs"]
    headers += [f"{bits} bits" for bits in SHOWN_WIDTHS]
    headers += ["x in 10 steps", *(["gain", "90 % interval", "rank"] if with_gain else [])]
    shown = table("", *headers)
    shown.title = None
    for column in shown.columns:
        column.no_wrap = True
    room = max(20, out.width - REST - KIND * with_kind - GAIN * with_gain)
    labels = [shorten_middle(need.label, room) for need in rows]
    most = len(rows) if every else SHOWN_ROWS
    for label, need in zip(labels[:most], rows, strict=False):
        cells: list[str | Text] = [label, *([str(need.kind)] if with_kind else [])]
        cells.append(f"> {max(need.widths)}" if need.bits is None else f"{need.bits}")
        cells += [_error(need, bits) for bits in SHOWN_WIDTHS]
        cells.append("-" if need.growth is None else f"{need.growth**10:.2f}")
        if with_gain:
            score = scores[need.sites[0].id]
            cells += [f"{score.gain:.3g}", f"{score.gain_low:.3g} .. {score.gain_high:.3g}"]
            cells.append(f"{score.rank_low} .. {score.rank_high}")
        shown.add_row(*cells)
    before = max(map(len, labels[:most])) + KIND * with_kind + len("needs") + 6
    show(" " * before + "predicted rollout error of these alone, with")
    show(shown)
    if len(rows) > most:
        tell(f"... and {len(rows) - most} less needy; --all shows every site, -o saves them")
    show("")


def _error(need: Need, bits: int) -> Text:
    """The error at a width, bold where it is the width needed."""
    if bits not in need.errors:
        return Text("-")
    return Text(percent(need.errors[bits]), style="bold" if bits == need.bits else "")
