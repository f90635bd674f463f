"""Summaries of squared divergences delta^2 (sites, probes, T)."""

from __future__ import annotations

from math import pi, sqrt, tan
from statistics import NormalDist

import numpy as np

# Two unrelated points of an attractor are sqrt(2) standard deviations apart (RMS over features);
# from about a third of that on, a disturbance grows more slowly than its linearisation.
SATURATION = 0.5
COVERAGE = 0.90
RESAMPLES = 200


def saturation_steps(squares: np.ndarray) -> np.ndarray:
    """Steps (sites,), 1 at least, before the RMS divergence over probes reaches SATURATION."""
    with np.errstate(invalid="ignore", over="ignore"):
        over = ~(squares.mean(axis=1) < SATURATION**2)
    first = np.maximum(over.argmax(axis=1), 1)
    return np.asarray(np.where(over.any(axis=1), first, over.shape[1]))


def mean_until(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Means (sites,) of values (sites, T) over the first `steps` (sites,)."""
    kept = np.arange(values.shape[1]) < steps[:, None]
    return np.asarray(np.where(kept, values, 0.0).sum(axis=1) / steps)


def growth_rates(relative: np.ndarray) -> list[float | None]:
    """(1/T) E[ln(delta_T / ||Delta||)] of delta^2 / ||Delta||^2 (sites, probes, T).

    None where a probe does not reach the output.
    """
    last = relative[:, :, -1]
    with np.errstate(divide="ignore"):
        rates = 0.5 * np.log(last).mean(axis=1) / relative.shape[-1]
    return [float(rate) if np.isfinite(rate) else None for rate in rates]


def gain_intervals(gains: np.ndarray) -> np.ndarray:
    """90 % intervals (sites, 2) of mean gains (sites, probes).

    Every gain comes from a probe and a context of its own. Student's t for the logarithm of the
    mean, whose deviation is s / (mean sqrt(probes)): gains are positive and skewed. A percentile
    bootstrap of four such values covers 65 %, this 85 to 90 %
    (tests/sensitivity/test_statistics.py).
    """
    means = gains.mean(axis=1)
    deviations = gains.std(axis=1, ddof=1) / np.sqrt(gains.shape[1])
    spread = np.exp(
        student_quantile(gains.shape[1]) * deviations / np.where(means > 0.0, means, 1.0)
    )
    return np.stack([means / spread, means * spread], axis=1)


def rank_intervals(gains: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """90 % intervals (sites, 2) of the ranks of mean gains (sites, probes), 1 the largest.

    Bootstrap over probe numbers, the same for all sites: what a context does to all sites alike
    cancels. Deviations are stretched on the logarithmic scale to Student's t, as few resampled
    values scatter too little.
    """
    probes = gains.shape[1]
    drawn = rng.multinomial(probes, np.full(probes, 1.0 / probes), RESAMPLES) / probes
    tiny = np.finfo(np.float64).tiny
    means = np.log(gains.mean(axis=1)[:, None] + tiny)
    stretch = student_quantile(probes) / student_quantile(10**6) * np.sqrt(probes / (probes - 1))
    resampled = means + stretch * (np.log(gains @ drawn.T + tiny) - means)
    ranks = 1 + (-resampled).argsort(axis=0).argsort(axis=0)
    tail = 100.0 * (1.0 - COVERAGE) / 2.0
    interval = np.percentile(ranks, (tail, 100.0 - tail), axis=1, method="nearest")
    return np.asarray(interval.T)


def student_quantile(count: int) -> float:
    """Half-width, in deviations, of a COVERAGE interval of the mean of `count` normal values.

    Exact for 2 and 3 values, else Fisher's expansion in 1 / (count - 1), within 0.1 %: importing
    scipy.special would take longer than the score of a small model.
    """
    p, n = 1.0 - (1.0 - COVERAGE) / 2.0, count - 1
    if n == 1:
        return tan(pi * (p - 0.5))
    if n == 2:
        return (2.0 * p - 1.0) / sqrt(2.0 * p * (1.0 - p))
    z = NormalDist().inv_cdf(p)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / n**power for power, term in enumerate(terms)))
