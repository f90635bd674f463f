"""How far an integer rollout is from the float rollout, in standardised output units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VALID_LIMIT = 0.4  # error, in standard deviations, up to which a forecast counts as valid


@dataclass(frozen=True)
class RolloutError:
    """nrmse: RMS error over contexts, steps and features, each feature divided by the standard
    deviation of the float frames; nrmse_per_step: the same for each step; valid_horizon: steps, in
    the mean over contexts, before the error first exceeds VALID_LIMIT (Vlachas et al. 2018)."""

    nrmse: float
    nrmse_per_step: tuple[float, ...]
    valid_horizon: float


def rollout_error(float_frames: NDArray[np.floating], frames: NDArray[np.floating]) -> RolloutError:
    """The error of `frames` against `float_frames`, both real-valued (contexts, horizon, F)."""
    want = np.asarray(float_frames, np.float64)
    error = (np.asarray(frames, np.float64) - want) / frame_std(want)
    squared = error**2
    per_step = np.sqrt(squared.mean(axis=(0, 2)))
    beyond = np.sqrt(squared.mean(axis=2)) > VALID_LIMIT
    first = np.where(beyond.any(axis=1), beyond.argmax(axis=1), want.shape[1])
    return RolloutError(
        float(np.sqrt(squared.mean())), tuple(float(v) for v in per_step), float(first.mean())
    )


def frame_std(frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Standard deviation (F,) of each output over contexts and steps; 1 where it is constant."""
    std = np.asarray(frames, np.float64).std(axis=(0, 1))
    return np.where(std > 0.0, std, 1.0)
