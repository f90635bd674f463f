"""TQS: the growth rate and the gain of a disturbance at every site."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tqs_edge.backends.graph_backend import GraphBackend, graph_backend
from tqs_edge.backends.protocol import StepBackend
from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.threads import one_thread
from tqs_edge.sensitivity.growth import late_growth
from tqs_edge.sensitivity.linear_range import Disturbances, linear_range
from tqs_edge.sensitivity.memory import check_memory
from tqs_edge.sensitivity.sites import (
    BLOCK_ROWS,
    Site,
    SiteKind,
    list_backend_sites,
    list_sites,
)
from tqs_edge.sensitivity.statistics import gain_intervals, growth_rates, rank_intervals
from tqs_edge.sensitivity.sweep import Executor, open_store
from tqs_edge.sensitivity.tasks import Sweep, checked_clean

PROBES = 4
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SiteScore:
    """What a rollout makes of a disturbance at one site.

    rate: (1/T) E[ln(delta_T / ||Delta||)] per step; None when nothing reaches the output
    gain: E[(1/T) sum_t delta_t^2 / ||Delta||^2], with a 90 % interval
    size: the probe's size; ||Delta|| / ||W|| of a weight, LSB / range of anything else
    linear: whether the gain had stopped changing at that size
    rank_low, rank_high: 90 % interval of the rank of the gain, 1 the largest
    growth: factor per step by which delta grows late in the rollout; None where that is not known
    """

    site: Site
    rate: float | None
    gain: float
    gain_low: float
    gain_high: float
    size: float
    linear: bool
    growth: float | None
    rank_low: int
    rank_high: int


@dataclass(frozen=True)
class SensitivityReport:
    """Scores of all sites, in the order of `list_sites`.

    contexts: windows given; each of the `probes` disturbances of a site runs on one of them
    steps: steps that the averages cover; fewer than `horizon` when a disturbance had grown to the
    size of the attractor by then (`saturated`)
    """

    model: str
    horizon: int
    steps: int
    saturated: bool
    contexts: int
    probes: int
    seed: int
    sites: tuple[SiteScore, ...]

    def gains(self) -> Mapping[str, float]:
        """Gain by site id."""
        return {s.site.id: s.gain for s in self.sites}


def score(
    model: RolloutModel | StepBackend,
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None = None,
    probes: int = PROBES,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    block_rows: int = BLOCK_ROWS,
    sites: Sequence[Site] | None = None,
    ranges: Mapping[str, float] | None = None,
    executor: Executor | None = None,
    resume: Path | None = None,
) -> SensitivityReport:
    """TQS of every site from forward passes alone, of a model or of any back end.

    contexts (N, rows, F), exog (N, calls, E) or None, standardised units. A weight error is a
    random direction held for the whole rollout; an activation or state error is uniform noise of
    half an LSB, new at every step. delta_t is the RMS over outputs in units of their spread.
    Models run in float64, so that small probes stand clear of rounding.

    sites: by default all of them in blocks of `block_rows` rows; ranges: largest magnitudes of
    activations and states by tensor, by default observed first. executor: runs the passes, with
    concurrent.futures' `submit`; the result is the same bit for bit. resume: a folder that keeps
    finished passes, from which an interrupted sweep goes on. `progress` sees (done, all).
    Raises InputError for wrong shapes and for rollouts that do not fit in memory,
    NonFiniteRollout when the clean or every disturbed rollout of a site overflows. Source: arXiv
    2606.13300 for the rate; the gain is this project's.
    """
    if probes < 2:
        raise InputError(f"probes is {probes}; a score needs 2 or more")
    if contexts.ndim != 3:
        raise InputError(f"contexts have {contexts.ndim} axes; give (contexts, rows, features)")
    backend = graph_backend(model) if isinstance(model, RolloutModel) else model
    sites = tuple(sites) if sites else _all_sites(backend, block_rows)
    _check_sites(backend, sites)
    sweep = Sweep(backend, contexts, exog, horizon, probes, seed)
    check_memory(sweep, sites, parallel=executor is not None)
    with one_thread():
        found = linear_range(
            sweep,
            sites,
            ranges or _observed_ranges(sweep, sites),
            executor=executor,
            store=open_store(sweep, resume) if resume else None,
            tell=progress or (lambda done, total: None),
        )
    return _report(sweep, sites, found)


def _all_sites(backend: StepBackend, block_rows: int) -> tuple[Site, ...]:
    if isinstance(backend, GraphBackend):
        return list_sites(backend.model.graph, block_rows)
    return list_backend_sites(backend, block_rows)


def _check_sites(backend: StepBackend, sites: Sequence[Site]) -> None:
    for site in sites:
        weight = site.kind is SiteKind.WEIGHT
        known = backend.weights if weight else backend.tensors
        if site.tensor not in known or (weight and site.end > len(backend.weights[site.tensor])):
            raise InputError(
                f"site '{site.id}' is not in this {backend.name} model; it has"
                f" {', '.join(known) or 'none'}"
            )


def _observed_ranges(sweep: Sweep, sites: Sequence[Site]) -> dict[str, float]:
    """Largest magnitudes in the clean rollouts of the tensors that take noise.

    Raises as `checked_clean`, and NonFiniteRollout for a tensor.
    """
    peaks = {site.tensor: 0.0 for site in sites if site.kind is not SiteKind.WEIGHT}

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        if name in peaks:
            peaks[name] = float(np.maximum(peaks[name], float(value.abs().max())))  # keeps NaN
        return value

    exog = None if sweep.exog is None else torch.from_numpy(sweep.exog[None]).double()
    contexts = torch.from_numpy(sweep.contexts[None]).double()
    if peaks:
        frames = sweep.backend.rollout(contexts, sweep.horizon, exog=exog, tap=tap)
        checked_clean(np.asarray(frames[0]))
    for name, peak in peaks.items():
        if not np.isfinite(peak):
            raise NonFiniteRollout(
                f"the float rollout is not finite: tensor '{name}'; check the context windows or"
                " shorten the horizon"
            )
    return peaks


def _report(sweep: Sweep, sites: Sequence[Site], found: Disturbances) -> SensitivityReport:
    steps = int(found.steps.min())
    squares = found.squares[:, :, :steps]
    relative = squares / found.energies[:, None, None]
    gains = relative.mean(axis=-1)
    rates, intervals = growth_rates(relative), gain_intervals(gains)
    ranks = rank_intervals(gains, np.random.default_rng(sweep.seed))
    return SensitivityReport(
        model=sweep.backend.label,
        horizon=sweep.horizon,
        steps=steps,
        saturated=steps < sweep.horizon,
        contexts=len(sweep.contexts),
        probes=sweep.probes,
        seed=sweep.seed,
        sites=tuple(
            SiteScore(
                site=site,
                rate=rates[i],
                gain=float(gains[i].mean()),
                gain_low=float(intervals[i, 0]),
                gain_high=float(intervals[i, 1]),
                size=float(found.sizes[i]),
                linear=bool(found.linear[i]),
                growth=late_growth(squares[i, :, None]),
                rank_low=int(ranks[i, 0]),
                rank_high=int(ranks[i, 1]),
            )
            for i, site in enumerate(sites)
        ),
    )
