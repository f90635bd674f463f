"""How long scoring takes, in batches and in plain loops, and what the scores are worth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.planning import Scores, compile_within, score_sites
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.plan.budget import Budget
from tqs_edge.sensitivity.batch import CleanRollouts, clean_rollouts
from tqs_edge.sensitivity.exact import measure_damage
from tqs_edge.sensitivity.linear_range import linear_range
from tqs_edge.sensitivity.probes import probe_noise, probe_weights
from tqs_edge.sensitivity.residual import noise_energy
from tqs_edge.sensitivity.score import SiteScore
from tqs_edge.sensitivity.sites import SiteKind

AVERAGE_BITS = 5.0
Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class ScoreTiming:
    """Seconds of wall clock for one model.

    score_seconds: all sites in shared batches; site_loop_seconds: the same work one site after the
    other, equal to the last digits; plain_loop_seconds: one rollout after the other, and only the
    final probes, without the search for the linear range; exact_seconds: every site really
    quantized at every width; compile_seconds: plan at 5 bits on average, lower and build;
    total_seconds: score and compile
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
    site_loop_seconds: float
    plain_loop_seconds: float
    exact_seconds: float
    compile_seconds: float
    total_seconds: float
    spearman: float


@one_thread()
def time_scoring(
    prepared: Prepared,
    board: Board,
    toolchain: Toolchain,
    *,
    probes: int = 16,
    seed: int = 0,
    progress: Progress | None = None,
) -> ScoreTiming:
    """Times score, loops, exact mode and the way from scores to firmware, once each."""
    trials, model = prepared.planning, prepared.model
    scores, score_seconds = _timed(
        lambda: score_sites(prepared, exact=False, probes=probes, seed=seed)
    )
    report = scores.report
    _, site_loop_seconds = _timed(lambda: score_site_by_site(prepared, scores))
    _, plain_loop_seconds = _timed(lambda: probe_one_by_one(prepared, scores, progress))
    table, exact_seconds = _timed(
        lambda: measure_damage(
            model,
            trials.contexts,
            prepared.horizon,
            trials.exog,
            report=report,
            ranges=prepared.ranges,
        )
    )
    if table.spearman is None:
        raise InputError("no rank correlation without predictions")
    with tempfile.TemporaryDirectory(prefix="tqs-bench-") as folder:
        budget = Budget(avg_bits=AVERAGE_BITS)
        _, compile_seconds = _timed(
            lambda: compile_within(prepared, scores, board, toolchain, budget, Path(folder))
        )
    return ScoreTiming(
        model=model.source,
        board=board.name,
        sites=len(report.sites),
        probes=probes,
        contexts=report.contexts,
        horizon=report.horizon,
        seed=seed,
        score_seconds=score_seconds,
        site_loop_seconds=site_loop_seconds,
        plain_loop_seconds=plain_loop_seconds,
        exact_seconds=exact_seconds,
        compile_seconds=compile_seconds,
        total_seconds=score_seconds + compile_seconds,
        spearman=table.spearman,
    )


def score_site_by_site(prepared: Prepared, scores: Scores) -> tuple[float, ...]:
    """The gain of every scored site, found without sharing batches between sites."""
    report = scores.report
    clean = _clean(prepared)
    gains = []
    for entry in report.sites:
        (found,) = linear_range(
            clean, (entry.site,), prepared.ranges, report.probes, report.seed, lambda a, b: None
        )
        gains.append(float(found.divergence[:, :, : report.steps].mean() / found.energy))
    return tuple(gains)


def probe_one_by_one(
    prepared: Prepared, scores: Scores, progress: Progress | None = None
) -> tuple[float, ...]:
    """The gain of every scored site from probes of the size that the score settled on, each rolled
    out on its own; the random numbers are others than the score's."""
    report = scores.report
    clean = _clean(prepared)
    gains = []
    for done, entry in enumerate(report.sites):
        found = [
            _probe(clean, entry, prepared.ranges, report.seed + number)[:, :, : report.steps]
            for number in range(report.probes)
        ]
        gains.append(float(np.mean(found)))
        if progress:
            progress(done + 1, len(report.sites))
    return tuple(gains)


def _probe(
    clean: CleanRollouts, entry: SiteScore, ranges: Mapping[str, float], seed: int
) -> np.ndarray:
    """delta^2 / ||Delta||^2 (1, N, T) of one rollout with `entry.site` disturbed."""
    site = entry.site
    if site.kind is SiteKind.WEIGHT:
        block = clean.constants[site.tensor][site.begin : site.end]
        norm = entry.size * (float(block.square().sum().sqrt()) or site.elements**0.5)
        found, energy = probe_weights(clean, (site,), (norm,), 1, seed), norm**2
    else:
        lsb = entry.size * (ranges[site.tensor] or 1.0)
        found = probe_noise(clean, (site,), (lsb,), 1, seed)
        energy = noise_energy(lsb, site.elements)
    relative: np.ndarray = found[0] / energy
    return relative


def _clean(prepared: Prepared) -> CleanRollouts:
    trials = prepared.planning
    return clean_rollouts(
        prepared.model, trials.contexts, prepared.horizon, trials.exog, double=True
    )


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start
