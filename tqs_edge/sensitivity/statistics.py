"""Summaries of squared divergences delta^2 (probes, N, T)."""

from __future__ import annotations

import numpy as np

# Two unrelated points of an attractor are sqrt(2) standard deviations apart (RMS over features);
# from about a third of that on, a disturbance grows more slowly than its linearisation.
SATURATION = 0.5
RESAMPLES = 200
INTERVAL = (5.0, 95.0)


def saturation_step(divergence: np.ndarray) -> int:
    """Steps (1 at least) before the RMS divergence over probes and contexts reaches SATURATION."""
    level = divergence.mean(axis=(0, 1))
    over = np.flatnonzero(level >= SATURATION**2)
    return max(1, int(over[0])) if len(over) else len(level)


def growth_rate(relative: np.ndarray) -> float | None:
    """(1/T) E[ln(delta_T / ||Delta||)] from delta^2 / ||Delta||^2; None where nothing arrives."""
    last = relative[:, :, -1]
    if (last <= 0.0).any():
        return None
    return float(0.5 * np.log(last).mean() / relative.shape[-1])


def bootstrap_interval(gains: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """90 % interval of the mean of gains (probes, N), resampling probes and contexts alike."""
    probes, contexts = gains.shape
    by_probe = rng.multinomial(probes, np.full(probes, 1.0 / probes), RESAMPLES) / probes
    by_context = rng.multinomial(contexts, np.full(contexts, 1.0 / contexts), RESAMPLES) / contexts
    means = np.einsum("bp,pn,bn->b", by_probe, gains, by_context)
    low, high = np.percentile(means, INTERVAL)
    return float(low), float(high)
