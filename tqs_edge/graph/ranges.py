"""How large every tensor of the step gets while the model runs free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.errors import NonFiniteRollout
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel

if TYPE_CHECKING:
    import torch

RANGE_HEADROOM = 1.25  # rollouts of the integer model wander a little beyond the float ones


def observe_ranges(
    model: RolloutModel,
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None = None,
) -> dict[str, float]:
    """Largest magnitude of every tensor, by name, over the free-running float rollouts.

    contexts (N, rows, F), exog (N, calls, E) or None, standardised units. Inputs and states are
    included; headroom is not. Raises NonFiniteRollout naming the first tensor and call.
    """
    import torch

    largest: dict[str, torch.Tensor] = {}

    def on_step(call: int, tensors: Mapping[str, torch.Tensor]) -> None:
        for name, value in tensors.items():
            peak = value.abs().amax()
            if not torch.isfinite(peak):
                raise NonFiniteRollout(
                    f"the float rollout is not finite: tensor '{name}' at call {call};"
                    " check the context windows or shorten the horizon"
                )
            largest[name] = torch.maximum(largest[name], peak) if name in largest else peak

    with torch.no_grad():
        rollout(
            model,
            torch.as_tensor(contexts, dtype=torch.float32),
            horizon,
            exog=None if exog is None else torch.as_tensor(exog, dtype=torch.float32),
            on_step=on_step,
        )
    return {name: float(peak) for name, peak in largest.items()}
