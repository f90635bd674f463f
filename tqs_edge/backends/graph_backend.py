"""The graph as a back end: every tensor can be seen, and no weight is ever copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tqs_edge.backends.changed_rows import ChangedRows, merge_changes
from tqs_edge.backends.protocol import WeightChange
from tqs_edge.backends.step_calls import Tensors, prepare_calls
from tqs_edge.errors import InputError
from tqs_edge.graph.dense_views import expose_dense_inputs
from tqs_edge.graph.evaluate import Tap
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.time_loop import RolloutSizes, calls_of, run_free


@dataclass(frozen=True, eq=False)
class GraphBackend:
    """A `StepBackend` of a RolloutModel; pickles, so that tasks can leave the process.

    graph: of `model`, its dense nodes reading copies of their inputs (graph/dense_views.py)
    constants: tensors of `dtype` by path
    """

    model: RolloutModel
    graph: Graph
    constants: Mapping[str, torch.Tensor]
    dtype: torch.dtype
    name: str = "graph"

    @property
    def label(self) -> str:
        return self.model.name

    @property
    def features(self) -> int:
        return self.model.features

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """The matrices (rows, depth) of all dense nodes, in execution order."""
        paths = dict.fromkeys(node.weight for node in self.graph.dense_nodes() if node.weight)
        return {path: self.graph.constants[path] for path in paths}

    @property
    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        return self.graph.shapes

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(state.name for state in self.graph.states)

    def rollout(
        self,
        contexts: torch.Tensor,
        horizon: int,
        *,
        exog: torch.Tensor | None = None,
        changes: Sequence[WeightChange] = (),
        tap: Tap | None = None,
    ) -> torch.Tensor:
        """Frames (V, N, horizon, F); see `StepBackend.rollout`. Raises InputError for shapes."""
        check_inputs(self.model, contexts.shape, horizon, None if exog is None else exog.shape)
        graph, batch = self.graph, contexts.shape[:2]
        calls = prepare_calls(graph, self.constants)
        changed = self._changed(changes)

        def call(
            _number: int, x: torch.Tensor, row: torch.Tensor | None, state: Tensors
        ) -> tuple[torch.Tensor, Tensors]:
            given = {graph.input: x.reshape(*batch, *graph.shapes[graph.input]), **state}
            if graph.exog is not None and row is not None:
                given[graph.exog] = row.reshape(*batch, *graph.shapes[graph.exog])
            if tap is not None:
                given = {name: tap(name, value) for name, value in given.items()}
            tensors = {**self.constants, **given}
            for name, compute in calls:
                value = compute(tensors)
                for source, rows in changed.get(name, ()):
                    rows.add_to(value, tensors[source])
                tensors[name] = value if tap is None else tap(name, value)
            return tensors[graph.output], {s.name: tensors[s.update] for s in graph.states}

        start = contexts.to(self.dtype)
        known = None if exog is None else exog.to(self.dtype)
        state = {s.name: start.new_zeros(*batch, *s.shape) for s in graph.states}
        with torch.inference_mode():
            frames = run_free(self.model, call, state, start, horizon, known)
        return frames.to(contexts.dtype)

    def _changed(
        self, changes: Sequence[WeightChange]
    ) -> Mapping[str, Sequence[tuple[str, ChangedRows]]]:
        """Changes with the tensor that they multiply, by dense node."""
        merged = merge_changes(changes, self.dtype)
        return {
            node.name: [(node.inputs[0], rows) for rows in merged if rows.path == node.weight]
            for node in self.graph.dense_nodes()
        }


def graph_backend(model: RolloutModel, dtype: torch.dtype = torch.float64) -> GraphBackend:
    """A back end that computes in `dtype`."""
    graph, _ = expose_dense_inputs(model.graph)
    constants = {
        path: torch.from_numpy(np.ascontiguousarray(value)).to(dtype)
        for path, value in graph.constants.items()
    }
    plain = replace(model, graph=_without_proxies(model.graph))
    return GraphBackend(plain, _without_proxies(graph), constants, dtype)


def _without_proxies(graph: Graph) -> Graph:
    """The same graph in plain dicts: a mapping proxy does not pickle."""
    return replace(
        graph,
        nodes=tuple(replace(node, attrs=dict(node.attrs)) for node in graph.nodes),
        constants=dict(graph.constants),
        shapes=dict(graph.shapes),
    )


def check_inputs(
    model: RolloutSizes,
    contexts: Sequence[int],
    horizon: int,
    exog: Sequence[int] | None,
) -> None:
    """Raises InputError unless shapes (..., N, rows, F) and (..., N, calls, E) suit the model."""
    if horizon < 1:
        raise InputError(f"horizon is {horizon}; use 1 or more steps")
    if len(contexts) < 3 or contexts[-1] != model.features or 0 in contexts:
        raise InputError(
            f"contexts have shape {tuple(contexts[-3:])};"
            f" the model needs (contexts, rows, {model.features})"
        )
    count, rows = contexts[-3], contexts[-2]
    if rows < max(model.context_length, model.length):
        raise InputError(
            f"contexts have {rows} rows;"
            f" the model needs at least {max(model.context_length, model.length)}"
        )
    if model.exog == 0:
        return
    calls = calls_of(model, rows, horizon)
    if exog is None or exog[-3] != count or exog[-2] < calls or exog[-1] != model.exog:
        raise InputError(
            f"the model has {model.exog} exogenous inputs; give exog of shape"
            f" ({count}, {calls}, {model.exog})"
        )
