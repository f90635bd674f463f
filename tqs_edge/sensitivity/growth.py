"""How fast a disturbance still grows late in the rollout, when its start no longer matters."""

from __future__ import annotations

import numpy as np

FEWEST_STEPS = 4  # a slope over fewer says nothing


def late_growth(squares: np.ndarray) -> float | None:
    """Factor per step of delta over the last half of delta^2 (..., T), T within linearity.

    exp of the least-squares slope of E[ln delta_t], over probes and contexts alike; None where the
    half is too short or a disturbance does not reach the output. A disturbance held in a loop that
    neither amplifies nor forgets grows like t, here by a factor of about 1 + 1.4 / T.
    """
    late = squares[..., squares.shape[-1] // 2 :]
    if late.shape[-1] < FEWEST_STEPS or not (late > 0.0).all() or not np.isfinite(late).all():
        return None
    logs = 0.5 * np.log(late).mean(axis=tuple(range(late.ndim - 1)))
    time = np.arange(len(logs)) - (len(logs) - 1) / 2
    return float(np.exp((time @ logs) / (time @ time)))
