"""Context windows from the model itself, for users who have none."""

from __future__ import annotations

import numpy as np

from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel

SETTLING_STEPS = 200  # free-running steps before a window is taken


def own_contexts(model: RolloutModel, count: int = 16, seed: int = 0) -> np.ndarray:
    """Windows (count, context_length, F) float32 that free-running rollouts arrive at.

    The rollouts start from Gaussian noise in standardised units, so `count` windows spread over
    whatever the model does on its own. Raises InputError for a model with exogenous inputs, whose
    windows only the user knows, and NonFiniteRollout where the model runs away.
    """
    import torch

    if model.exog:
        raise InputError("the model has exogenous inputs; give context windows and exog")
    rows = max(model.context_length, model.length)
    noise = np.random.default_rng(seed).standard_normal((count, rows, model.features))
    with torch.no_grad():
        start = torch.from_numpy(noise.astype(np.float32))
        frames = rollout(model, start, SETTLING_STEPS + rows).numpy()
    if not np.isfinite(frames).all():
        raise NonFiniteRollout("the model's own rollouts are not finite; give context windows")
    return np.ascontiguousarray(frames[:, -rows:])
