"""The graph back end against the evaluator, changed rows against changed weights."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphs import every_operation, gru_graph
from tqs_edge.backends.changed_rows import merge_changes
from tqs_edge.backends.graph_backend import GraphBackend, graph_backend
from tqs_edge.backends.protocol import WeightChange
from tqs_edge.backends.step_calls import prepare_calls
from tqs_edge.errors import InputError
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel

STEPS = 6


MODELS = {"gru": gru_graph(0, hidden=8), "windowed": every_operation()}


def inputs(model: RolloutModel, *batch: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(1)
    contexts = torch.randn(*batch, 7, model.features, generator=generator).double()
    known = torch.randn(*batch, STEPS + 6, model.exog, generator=generator).double()
    return contexts, known if model.exog else None


def plain_frames(model: RolloutModel, changes: Sequence[WeightChange], variants: int) -> np.ndarray:
    """Frames (V, N, T, F) of one rollout after the other with copies of the changed weights."""
    contexts, exog = inputs(model, variants, 2)
    constants = {k: torch.from_numpy(v).double() for k, v in model.graph.constants.items()}
    frames = []
    for v in range(variants):
        own = {path: value.clone() for path, value in constants.items()}
        for c in changes:
            if c.first <= v < c.first + len(c.delta):
                own[c.path][c.begin : c.begin + c.delta.shape[1]] += c.delta[v - c.first]
        known = None if exog is None else exog[v]
        frames.append(rollout(model, contexts[v], STEPS, exog=known, weight=own.__getitem__))
    return torch.stack(frames).numpy()


def found_frames(
    backend: GraphBackend, changes: Sequence[WeightChange], variants: int
) -> np.ndarray:
    contexts, exog = inputs(backend.model, variants, 2)
    return backend.rollout(contexts, STEPS, exog=exog, changes=changes).numpy()


@pytest.mark.parametrize("name", MODELS)
def test_calls_compute_what_the_evaluator_computes(name: str) -> None:
    graph = MODELS[name].graph
    constants = {k: torch.from_numpy(v).double() for k, v in graph.constants.items()}
    generator = torch.Generator().manual_seed(0)
    names = [graph.input, *([graph.exog] if graph.exog else []), *(s.name for s in graph.states)]
    given = {n: torch.randn(3, 2, *graph.shapes[n], generator=generator).double() for n in names}
    want = step(graph, given, weight=constants.__getitem__)
    tensors = {**constants, **given}
    for node, call in prepare_calls(graph, constants):
        tensors[node] = call(tensors)
        torch.testing.assert_close(tensors[node], want[node], rtol=1e-13, atol=1e-15)


@st.composite
def random_changes(draw: st.DrawFn, model: RolloutModel) -> tuple[list[WeightChange], int]:
    """Runs of equal blocks and single ones, in any order, and how many variants there are."""
    changes: list[WeightChange] = []
    first = draw(st.integers(0, 2))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([n.weight for n in model.graph.dense_nodes() if n.weight]))
        rows, depth = model.graph.constants[path].shape
        size, each = draw(st.integers(1, rows)), draw(st.integers(1, 2))
        begin, stride = draw(st.integers(0, rows - size)), draw(st.integers(-2, 2 * size))
        while 0 <= begin <= rows - size:
            rng = np.random.default_rng(len(changes))
            delta = torch.from_numpy(0.1 * rng.standard_normal((each, size, depth)))
            changes.append(WeightChange(path, begin, first, delta))
            begin, first = begin + stride, first + each
            if first > 10 or not draw(st.booleans()):
                break
    return changes, first + draw(st.integers(0, 1))


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_changed_rows_are_changed_weights(name: str, data: st.DataObject) -> None:
    model = MODELS[name]
    changes, variants = data.draw(random_changes(model))
    np.testing.assert_allclose(
        found_frames(graph_backend(model), changes, variants),
        plain_frames(model, changes, variants),
        rtol=1e-11,
        atol=1e-13,
    )


@pytest.mark.parametrize("stride", [2, 3, -1, 0])
def test_evenly_spaced_blocks_become_one_product(stride: int) -> None:
    delta = torch.ones(3, 2, 5)
    blocks = [WeightChange("w", 7 + stride * i, 10 + 3 * i, delta) for i in range(4)]
    other = [WeightChange("w", 8, 22, delta[:, :1]), WeightChange("v", 0, 25, delta)]
    merged = merge_changes([*blocks, *other], torch.float64)
    assert [(m.path, m.begin, m.stride, m.first, m.blocks) for m in merged] == [
        ("w", 7, stride, 10, 4),
        ("w", 8, 0, 22, 1),
        ("v", 0, 0, 25, 1),
    ]


def test_taps_see_every_tensor_and_what_they_return_is_read() -> None:
    model = MODELS["gru"]
    backend = graph_backend(model)
    seen: set[str] = set()

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        seen.add(name)
        assert value.shape[2:] == backend.tensors[name]
        return torch.zeros_like(value) if name == "h__dense_view" else value

    contexts, _ = inputs(model, 1, 2)
    frames = backend.rollout(contexts, STEPS, tap=tap)
    assert seen == set(backend.tensors)
    silent = dict(model.graph.constants)
    silent["cell.weight_hh"] = np.zeros_like(silent["cell.weight_hh"])
    other = graph_backend(replace(model, graph=replace(model.graph, constants=silent)))
    torch.testing.assert_close(frames, other.rollout(contexts, STEPS))


def test_back_ends_pickle_and_answer_in_the_precision_asked_for() -> None:
    single = pickle.loads(pickle.dumps(graph_backend(MODELS["gru"], torch.float32)))
    contexts, _ = inputs(single.model, 2, 2)
    found = single.rollout(contexts, STEPS)
    exact = graph_backend(MODELS["gru"]).rollout(contexts, STEPS)
    assert found.dtype == torch.float64
    assert 0.0 < float((found - exact).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "horizon is 0"),
        ({"contexts": torch.zeros(1, 2, 7, 4)}, r"the model needs \(contexts, rows, 3\)"),
        ({"contexts": torch.zeros(1, 2, 4, 3)}, "the model needs at least 5"),
        ({"exog": None}, r"give exog of shape \(2, 6, 2\)"),
        ({"exog": torch.zeros(1, 2, 5, 2)}, r"give exog of shape \(2, 6, 2\)"),
    ],
)
def test_wrong_shapes_are_refused(change: dict, message: str) -> None:
    contexts, exog = inputs(MODELS["windowed"], 1, 2)
    given = {"contexts": contexts, "horizon": STEPS, "exog": exog} | change
    with pytest.raises(InputError, match=message):
        graph_backend(MODELS["windowed"]).rollout(**given)
