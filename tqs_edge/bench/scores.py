"""What scoring costs, in batches, in a plain loop and in exact mode, and what it is worth."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tqs_edge.bench.plain_loop import probe_one_by_one
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.building import compile_within
from tqs_edge.pipeline.planning import Scores, measured_table, score_report
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.plan.budget import Budget
from tqs_edge.sensitivity.score import PROBES, SensitivityReport
from tqs_edge.sensitivity.sites import Site, list_sites

AVERAGE_BITS = 5.0
REPEATS = 3  # of what takes less than a second or so, which chance makes look longer
Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class ScoreTiming:
    """Seconds of wall clock for one model; of scores and exact mode, the least of a few runs.

    score_seconds: all sites in shared batches; half_sites_seconds, half_horizon_seconds: every
    other site, half the steps; plain_loop_seconds: the same probes one rollout after the other;
    speedup: of score over that loop; exact_seconds: every site really quantized at every width;
    exact_share: score_seconds / exact_seconds
    score_rollouts, exact_rollouts: rollouts of one context each, clean ones included
    compile_seconds: plan at 5 bits on average, lower and build; total_seconds: score and compile
    spearman: rank correlation of predicted with exact damage over sites and widths
    """

    model: str
    board: str
    sites: int
    probes: int
    contexts: int
    horizon: int
    seed: int
    score_seconds: float
    half_sites_seconds: float
    half_horizon_seconds: float
    plain_loop_seconds: float
    speedup: float
    exact_seconds: float
    exact_share: float
    score_rollouts: int
    exact_rollouts: int
    compile_seconds: float
    total_seconds: float
    spearman: float


@one_thread()
def time_scoring(
    prepared: Prepared,
    board: Board,
    toolchain: Toolchain,
    *,
    probes: int = PROBES,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> ScoreTiming:
    """Times score, plain loop, exact mode and the way from scores to firmware.

    A score of two steps goes before, so that none of them pays for the imports.
    """
    sites, horizon = list_sites(prepared.model.graph), prepared.horizon

    def scored(some: Sequence[Site], steps: int) -> tuple[SensitivityReport, float]:
        return _timed(lambda: _score(prepared, some, steps, probes, seed), REPEATS)

    scored(sites[:1], min(2, horizon))
    report, score_seconds = scored(sites, horizon)
    _, plain_loop_seconds = _timed(lambda: probe_one_by_one(prepared, report, progress))
    table, exact_seconds = _timed(lambda: measured_table(prepared, report), REPEATS)
    assert table.spearman is not None
    compile_seconds = _compile_seconds(prepared, Scores(report, None), board, toolchain)
    count = report.contexts
    return ScoreTiming(
        model=prepared.model.source,
        board=board.name,
        sites=len(sites),
        probes=probes,
        contexts=count,
        horizon=horizon,
        seed=seed,
        score_seconds=score_seconds,
        half_sites_seconds=scored(sites[::2], horizon)[1],
        half_horizon_seconds=scored(sites, max(1, horizon // 2))[1],
        plain_loop_seconds=plain_loop_seconds,
        speedup=plain_loop_seconds / score_seconds,
        exact_seconds=exact_seconds,
        exact_share=score_seconds / exact_seconds,
        score_rollouts=count + len(sites) * (probes + 1),
        exact_rollouts=count * (1 + len(table.damages)),
        compile_seconds=compile_seconds,
        total_seconds=score_seconds + compile_seconds,
        spearman=table.spearman,
    )


def _score(
    prepared: Prepared, sites: Sequence[Site], horizon: int, probes: int, seed: int
) -> SensitivityReport:
    short = replace(prepared, horizon=horizon)
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # as pipeline.planning.score_sites
        return score_report(short, sites=sites, probes=probes, seed=seed, executor=threads)


def _compile_seconds(
    prepared: Prepared, scores: Scores, board: Board, toolchain: Toolchain
) -> float:
    budget = Budget(avg_bits=AVERAGE_BITS)
    with tempfile.TemporaryDirectory(prefix="tqs-bench-") as folder:
        _, seconds = _timed(
            lambda: compile_within(prepared, scores, board, toolchain, budget, Path(folder))
        )
    return seconds


def _timed(work: Callable[[], T], repeats: int = 1) -> tuple[T, float]:
    """The result and the least of the times."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)
