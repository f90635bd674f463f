"""Many disturbed rollouts at once, compared with the clean one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.graph.dense_views import expose_dense_inputs
from tqs_edge.graph.evaluate import Tap
from tqs_edge.graph.rollout import calls_of, rollout
from tqs_edge.graph.rollout_model import RolloutModel

if TYPE_CHECKING:
    import torch

BATCH_BYTES = 1 << 23  # step tensors and frames of one batch; larger ones fall out of the caches


@dataclass(frozen=True, eq=False)
class CleanRollouts:
    """The undisturbed rollouts and what it takes to repeat them with something changed.

    model:    its dense nodes read copies of their inputs (graph/dense_views.py), `views` by tensor
    contexts: (N, rows, F); exog: (N, calls, E) or None; constants: tensors by path
    frames:   (N, T, F); std: (F,) over contexts and steps
    """

    model: RolloutModel
    views: Mapping[str, str]
    contexts: torch.Tensor
    exog: torch.Tensor | None
    horizon: int
    constants: Mapping[str, torch.Tensor]
    frames: torch.Tensor
    std: torch.Tensor

    @property
    def batch_variants(self) -> int:
        """Disturbed rollouts that fit one batch of bounded memory."""
        per_context = sum(prod(s) for s in self.model.graph.shapes.values())
        per_context += prod(self.frames.shape[1:])
        size = self.frames.shape[0] * per_context * self.frames.element_size()
        return max(1, BATCH_BYTES // size)


def clean_rollouts(
    model: RolloutModel,
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None = None,
    *,
    double: bool = False,
) -> CleanRollouts:
    """The clean rollouts from contexts (N, rows, F), in float64 if `double`.

    Raises InputError for wrong shapes or a constant output feature, NonFiniteRollout for NaN.
    """
    import torch

    _check_inputs(model, contexts, horizon, exog)
    dtype = torch.float64 if double else torch.float32
    graph, views = expose_dense_inputs(model.graph)
    exposed = replace(model, graph=graph)
    constants = {
        k: torch.from_numpy(np.ascontiguousarray(v)).to(dtype) for k, v in graph.constants.items()
    }
    start = torch.as_tensor(contexts, dtype=dtype)
    known = None if exog is None else torch.as_tensor(exog, dtype=dtype)
    with torch.no_grad():
        frames = rollout(exposed, start, horizon, exog=known, weight=constants.__getitem__)
    finite = torch.isfinite(frames).all(dim=-1).all(dim=0)
    if not finite.all():
        step = int((~finite).nonzero()[0, 0])
        raise NonFiniteRollout(
            f"the float rollout is not finite at step {step}; check the context windows"
            " or shorten the horizon"
        )
    std = frames.reshape(-1, model.features).std(dim=0, unbiased=False)
    constant = [i for i, s in enumerate(std.tolist()) if s <= 1e-9]
    if constant:
        raise InputError(
            f"output feature {constant[0]} does not vary over the clean rollouts, so errors cannot"
            " be put in units of its spread; give more or more varied context windows"
        )
    return CleanRollouts(exposed, views, start, known, horizon, constants, frames, std)


def _check_inputs(
    model: RolloutModel, contexts: np.ndarray, horizon: int, exog: np.ndarray | None
) -> None:
    if horizon < 1:
        raise InputError(f"horizon is {horizon}; use 1 or more steps")
    if contexts.ndim != 3 or contexts.shape[2] != model.features or 0 in contexts.shape:
        raise InputError(
            f"contexts have shape {tuple(contexts.shape)};"
            f" the model needs (contexts, rows, {model.features})"
        )
    if contexts.shape[1] < max(model.context_length, model.length):
        raise InputError(
            f"contexts have {contexts.shape[1]} rows;"
            f" the model needs at least {max(model.context_length, model.length)}"
        )
    if model.exog == 0:
        return
    calls = calls_of(model, contexts.shape[1], horizon)
    if exog is None or exog.shape[0] != len(contexts) or exog.shape[1] < calls:
        raise InputError(
            f"the model has {model.exog} exogenous inputs; give exog of shape"
            f" ({len(contexts)}, {calls}, {model.exog})"
        )


def divergence(
    clean: CleanRollouts,
    variants: int,
    weights: Mapping[str, torch.Tensor],
    tap: Tap | None = None,
) -> torch.Tensor:
    """Standardised differences (variants, N, T, F) of disturbed rollouts from the clean ones.

    weights: replaced constants by path, (rows, depth) or (variants, rows, depth). NaN and infinity
    pass through: what they mean is the caller's business.
    """
    import torch

    def expand(value: torch.Tensor) -> torch.Tensor:
        return value.expand(variants, *value.shape)

    def weight(path: str) -> torch.Tensor:
        return weights[path] if path in weights else clean.constants[path]

    with torch.no_grad():
        frames = rollout(
            clean.model,
            expand(clean.contexts),
            clean.horizon,
            exog=None if clean.exog is None else expand(clean.exog),
            weight=weight,
            tap=tap,
        )
        return (frames - clean.frames) / clean.std
