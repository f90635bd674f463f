"""TQS: the growth rate and the gain of a disturbance at every site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.linear_range import Disturbance, linear_range
from tqs_edge.sensitivity.sites import BLOCK_ROWS, Site, list_sites
from tqs_edge.sensitivity.statistics import bootstrap_interval, growth_rate, saturation_step

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SiteScore:
    """What a rollout makes of a disturbance at one site.

    rate: (1/T) E[ln(delta_T / ||Delta||)] per step; None when nothing reaches the output
    gain: E[(1/T) sum_t delta_t^2 / ||Delta||^2], with a 90 % bootstrap interval
    size: the probe's size; ||Delta|| / ||W|| of a weight, LSB / range of anything else
    linear: whether the gain had stopped changing at that size
    """

    site: Site
    rate: float | None
    gain: float
    gain_low: float
    gain_high: float
    size: float
    linear: bool


@dataclass(frozen=True)
class SensitivityReport:
    """Scores of all sites, in the order of `list_sites`.

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
    model: RolloutModel,
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None = None,
    probes: int = 16,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    block_rows: int = BLOCK_ROWS,
) -> SensitivityReport:
    """TQS of every site from forward passes alone.

    contexts (N, rows, F), exog (N, calls, E) or None, standardised units. A weight error is
    Gaussian noise held for the whole rollout; an activation or state error is uniform noise of
    half an LSB, new at every step. delta_t is the RMS over outputs in units of their spread.
    Runs in float64, so that small probes stand clear of rounding. `progress` sees (done, all).
    Raises InputError for wrong shapes, NonFiniteRollout when the clean or every disturbed rollout
    of a site overflows. Source: arXiv 2606.13300 for the rate; the gain is this project's.
    """
    if probes < 2:
        raise InputError(f"probes is {probes}; a score needs 2 or more")
    sites = list_sites(model.graph, block_rows)
    clean = clean_rollouts(model, contexts, horizon, exog, double=True)
    ranges = observe_ranges(model, contexts, horizon, exog)
    tell = progress or (lambda done, total: None)
    found = linear_range(clean, sites, ranges, probes, seed, tell)
    steps = min(saturation_step(d.divergence) for d in found)
    return SensitivityReport(
        model=model.name,
        horizon=horizon,
        steps=steps,
        saturated=steps < horizon,
        contexts=len(contexts),
        probes=probes,
        seed=seed,
        sites=tuple(
            _site_score(site, d, steps, seed) for site, d in zip(sites, found, strict=True)
        ),
    )


def _site_score(site: Site, disturbance: Disturbance, steps: int, seed: int) -> SiteScore:
    relative = disturbance.divergence[:, :, :steps] / disturbance.energy
    gains = relative.mean(axis=-1)
    low, high = bootstrap_interval(gains, np.random.default_rng(seed))
    return SiteScore(
        site=site,
        rate=growth_rate(relative),
        gain=float(gains.mean()),
        gain_low=low,
        gain_high=high,
        size=disturbance.size,
        linear=disturbance.linear,
    )
