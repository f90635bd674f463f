"""score and plan tell a person what to do, on a narrow terminal as in a pipe."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tests.cli.conftest import Cli
from tqs_edge.artifacts import save
from tqs_edge.cli import console, show_plan, show_score
from tqs_edge.firmware.board import load_board
from tqs_edge.pipeline.planning import Scores, plan_widths, score_sites
from tqs_edge.pipeline.predictability import predictability_of
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.planner import PlanResult
from tqs_edge.sensitivity.needs import site_needs

GRU = "tests.cli.factories:small_gru"
SITES = 17


class Scored(NamedTuple):
    prepared: Prepared
    scores: Scores
    limit: str


@pytest.fixture(scope="module")
def scored() -> Scored:
    prepared = prepare(GRU, horizon=16)
    scores = score_sites(prepared, exact=False, probes=4)
    return Scored(prepared, scores, predictability_of(prepared).words())


@pytest.fixture(scope="module")
def planned(scored: Scored) -> PlanResult:
    board = load_board("mps2-an386")
    return plan_widths(scored.prepared, scored.scores, board, Budget(avg_bits=5.0))


Screen = Callable[[int], StringIO]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """screen(columns) -> where the command line prints from then on, as to a terminal."""

    def open_screen(columns: int) -> StringIO:
        file = StringIO()
        terminal = Console(file=file, width=columns, force_terminal=True, color_system=None)
        for module in (console, show_score, show_plan):
            monkeypatch.setattr(module, "out", terminal)
        return file

    return open_screen


def score_text(
    screen: Screen,
    scored: Scored,
    *,
    columns: int = 200,
    every: bool = False,
    tolerance: float = 0.05,
) -> str:
    file = screen(columns)
    prepared, scores, limit = scored
    needs = site_needs(scores.report, prepared.model.graph, prepared.ranges, tolerance)
    show_score.show_score(
        "small",
        scores,
        needs,
        origin=prepared.planning.origin,
        limit=limit,
        tolerance=tolerance,
        every=every,
    )
    return file.getvalue()


def plan_text(screen: Screen, scored: Scored, planned: PlanResult, columns: int = 200) -> str:
    file = screen(columns)
    limits = {"avg_bits": 5.0}
    show_plan.show_plan("small", scored.prepared, scored.scores, planned, limits)
    return file.getvalue()


def rows_of(text: str, header: str) -> list[list[str]]:
    """Cells of the table below the line that starts with `header`, up to an empty line."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(header))
    end = next(i for i, line in enumerate(lines) if i > start and not line.strip())
    return [line.split() for line in lines[start + 1 : end]]


def test_sites_are_sorted_by_need(screen: Screen, scored: Scored) -> None:
    text = score_text(screen, scored, every=True)
    rows = rows_of(text, "site ")
    assert len(rows) == SITES
    needs = [int(row[2]) for row in rows]
    assert needs == sorted(needs, reverse=True) and len(set(needs)) > 1
    assert "for a rollout error of 5 % in all" in text
    assert "17 sites, each may add 1.2 % of the signal by itself" in text


def test_neighbours_share_a_line_unless_all_are_asked_for(screen: Screen, scored: Scored) -> None:
    few, every = (rows_of(score_text(screen, scored, every=e), "site ") for e in (False, True))
    assert len(few) < len(every) == SITES
    ids = {entry.site.id for entry in scored.scores.report.sites}
    assert {row[0] for row in every} == ids


def test_a_wide_tolerance_needs_little(screen: Screen, scored: Scored) -> None:
    tight, loose = (
        [int(row[2]) for row in rows_of(score_text(screen, scored, tolerance=t), "site ")]
        for t in (0.01, 100.0)
    )
    assert max(loose) == 8 and min(loose) == 2 and max(tight) == 16


def test_verdicts_are_plain_words(screen: Screen, scored: Scored) -> None:
    text = score_text(screen, scored, tolerance=0.01)
    verdict = next(line for line in text.splitlines() if " of the signal and " in line)
    assert " bits: at " in verdict and " error alone is " in verdict
    assert verdict.endswith(("per 10 steps.", "stays level.", "in 10 steps."))
    assert "bits per weight on average, the predicted rollout error is" in text
    assert "Lyapunov exponent" in text
    beyond = score_text(screen, scored, tolerance=1e-9)
    assert "too sensitive for 16 bits: at 16 bits" in beyond and "> 16" in beyond


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_nothing_is_wider_than_the_terminal(
    screen: Screen, scored: Scored, planned: PlanResult, columns: int
) -> None:
    text = score_text(screen, scored, columns=columns, every=True)
    assert ("weight   " in text) == (columns >= 96)
    assert ("90 % interval" in text) == (columns >= 130)
    text += plan_text(screen, scored, planned, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text


def test_plan_says_what_was_spent_what_binds_and_why(
    screen: Screen, scored: Scored, planned: PlanResult
) -> None:
    text = plan_text(screen, scored, planned)
    assert "The best uniform plan that fits errs by" in text
    assert "What binds: the average width." in text
    assert "\nMore: " in text and "\nLess: " in text
    spent = {row[0]: row[1:] for row in rows_of(text, "weight ")}
    total = 0
    for path in ("cell.weight_ih", "cell.weight_hh"):
        rows = dict.fromkeys((2, 4, 8, 16), 0)
        for block in planned.plan.weights[path]:
            rows[block.bits] += block.end - block.begin
        assert spent[path][1:5] == [str(count) if count else "-" for count in rows.values()]
        assert spent[path][5] == f"{sum(b * n for b, n in rows.items()) / 24:.2f}"
        total += int(spent[path][0])
    assert int(spent["all"][0]) == total + int(spent["head.weight"][0])


def test_plan_with_room_to_spare_says_so(
    screen: Screen, scored: Scored, planned: PlanResult
) -> None:
    file = screen(200)
    limits = {"flash": 2 * planned.usage["flash"]}
    show_plan.show_plan("small", scored.prepared, scored.scores, planned, limits)
    assert "No limit is used up" in file.getvalue() and "50 % used" in file.getvalue()


def test_score_and_plan_are_drawn(cli: Cli, scored: Scored, tmp_path: Path) -> None:
    short = ("--horizon", "16")
    outcome = cli("score", GRU, *short, "--probes", "2", "--plot", tmp_path / "s.html")
    assert outcome.status == 0, outcome.err
    page = (tmp_path / "s.html").read_text()
    assert "plot-needs" in page and "table-needs" in page and "Lyapunov" in page
    assert max(map(len, outcome.out.splitlines()[3:20])) <= 160
    save(tmp_path / "tqs.json", scored.scores)
    outcome = cli(
        *("plan", GRU, "--board", "mps2-an386", *short, "--avg-bits", "5"),
        *("--scores", tmp_path / "tqs.json", "--plot", tmp_path / "p.svg"),
    )
    assert outcome.status == 0, outcome.err
    root = ElementTree.fromstring((tmp_path / "p.svg").read_text())
    assert "cell.weight_hh" in "".join(root.itertext())
