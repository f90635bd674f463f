"""Free-running float rollouts: the only time loop over float steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.graph.evaluate import Tap, Weight, step
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel

if TYPE_CHECKING:
    import torch

OnStep = Callable[[int, Mapping[str, "torch.Tensor"]], None]


def float_constants(graph: Graph) -> Weight:
    """A `weight` callable for `step` that returns the graph's own constants as tensors."""
    import torch

    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in graph.constants.items()}
    return tensors.__getitem__


def calls_of(model: RolloutModel, context_rows: int, horizon: int) -> int:
    """Number of steps that a rollout of `horizon` frames executes."""
    if model.form is RolloutForm.WINDOWED:
        return -(-horizon // model.block)
    return context_rows + horizon - 1


def rollout(
    model: RolloutModel,
    contexts: torch.Tensor,
    horizon: int,
    *,
    exog: torch.Tensor | None = None,
    weight: Weight | None = None,
    tap: Tap | None = None,
    on_step: OnStep | None = None,
) -> torch.Tensor:
    """Frames (*batch, horizon, F) of free-running rollouts from contexts (*batch, L, F).

    Recurrent and map models take the context rows one per call from zero state, and the last of
    those outputs is frame 0; a windowed model takes the last `model.length` rows at once. exog has
    one row per call, (*batch, calls, E). `weight` and `tap` as in `graph.evaluate.step`; `on_step`
    sees (call, tensors) after each call.
    """
    import torch

    graph = model.graph
    weight = weight or float_constants(graph)
    batch = contexts.shape[:-2]
    rows = contexts.shape[-2]
    windowed = model.form is RolloutForm.WINDOWED
    state = {s.name: contexts.new_zeros(*batch, *s.shape) for s in graph.states}
    window = contexts[..., -model.length :, :] if windowed else contexts[..., :1, :]
    frames: list[torch.Tensor] = []
    for call in range(calls_of(model, rows, horizon)):
        values = {graph.input: window.reshape(*batch, *graph.shapes[graph.input]), **state}
        if graph.exog is not None:
            if exog is None:
                raise ValueError("the model has exogenous inputs; pass exog")
            values[graph.exog] = exog[..., call, :].reshape(*batch, *graph.shapes[graph.exog])
        tensors = step(graph, values, weight=weight, tap=tap)
        if on_step is not None:
            on_step(call, tensors)
        output = tensors[graph.output].reshape(*batch, model.block, model.features)
        state = {s.name: tensors[s.update] for s in graph.states}
        feeds_context = not windowed and call < rows - 1
        if not feeds_context:
            frames.append(output)
        row = contexts[..., call + 1 : call + 2, :] if feeds_context else output
        window = torch.cat([window, row], dim=-2)[..., -window.shape[-2] :, :]
    return torch.cat(frames, dim=-2)[..., :horizon, :]
