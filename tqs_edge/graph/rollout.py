"""Free-running rollouts of the float graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.graph.evaluate import Tap, Weight, step
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.time_loop import calls_of, run_free

if TYPE_CHECKING:
    import torch

__all__ = ["OnStep", "calls_of", "float_constants", "rollout"]

OnStep = Callable[[int, Mapping[str, "torch.Tensor"]], None]


def float_constants(graph: Graph) -> Weight:
    """A `weight` callable for `step` that returns the graph's own constants as tensors."""
    import torch

    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in graph.constants.items()}
    return tensors.__getitem__


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

    Starts from zero state; how calls are fed: `time_loop.run_free`. exog has one row per call,
    (*batch, calls, E). `weight` and `tap` as in `graph.evaluate.step`; `on_step`
    sees (call, tensors) after each call.
    """
    graph = model.graph
    weight = weight or float_constants(graph)
    batch = contexts.shape[:-2]

    def call(
        number: int, x: torch.Tensor, known: torch.Tensor | None, state: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        values = {graph.input: x.reshape(*batch, *graph.shapes[graph.input]), **state}
        if graph.exog is not None and known is not None:
            values[graph.exog] = known.reshape(*batch, *graph.shapes[graph.exog])
        tensors = step(graph, values, weight=weight, tap=tap)
        if on_step is not None:
            on_step(number, tensors)
        return tensors[graph.output], {s.name: tensors[s.update] for s in graph.states}

    state = {s.name: contexts.new_zeros(*batch, *s.shape) for s in graph.states}
    return run_free(model, call, state, contexts, horizon, exog)
