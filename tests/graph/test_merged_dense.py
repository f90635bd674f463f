"""Decompositions cost nothing: two dense layers of linear maps of one tensor become one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.graph.windowed_graphs import Step
from tqs_edge.frontend.load import load_model
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.graph import Graph, Op
from tqs_edge.graph.merged_dense import merge_dense
from tqs_edge.graph.rollout import float_constants

LENGTH = 12


class Decomposed(nn.Module):
    """DLinear's form, with the average as a function of the window with channels before time."""

    def __init__(
        self, average: Callable[[torch.Tensor], torch.Tensor], block: int = 2, terms: int = 2
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.average = average
        self.layers = nn.ModuleList(nn.Linear(LENGTH, block) for _ in range(terms))

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = window.transpose(1, 2)
        trend = self.average(x)
        rows = self.layers[0](x - trend) + self.layers[1](trend)
        for layer in self.layers[2:]:
            rows = rows + layer(x)
        return rows.transpose(1, 2)


def moving_average(x: torch.Tensor) -> torch.Tensor:
    padded = nn.functional.pad(x, (2, 2), mode="replicate")
    return nn.functional.avg_pool1d(padded, 5, stride=1)


def graph_of(module: nn.Module, features: int) -> Graph:
    """The imported graph, which `load_model` has compared with the module's own outputs."""
    inputs = (torch.zeros(1, LENGTH, features),)
    return load_model(module.eval(), example_inputs=inputs).model.graph


@pytest.mark.parametrize("features", [1, 3])
def test_moving_average_becomes_part_of_the_weights(features: int):
    graph = graph_of(Decomposed(moving_average), features)
    (dense,) = graph.dense_nodes()
    assert dense.weight == "layers.0.weight+layers.1.weight"
    assert graph.constants[dense.weight].shape == (2, LENGTH)
    assert {node.op for node in graph.nodes} <= {Op.DENSE, Op.RESHAPE, Op.TRANSPOSE}


def test_sum_of_three_layers_is_one():
    (dense,) = graph_of(Decomposed(moving_average, terms=3), 1).dense_nodes()
    assert dense.weight == "layers.0.weight+layers.1.weight+layers.2.weight"


def test_constant_level_becomes_part_of_the_bias():
    level = torch.linspace(-1.0, 1.0, LENGTH)
    graph = graph_of(Decomposed(lambda x: 0.5 * x + level), 2)
    (dense,) = graph.dense_nodes()
    assert dense.bias is not None
    assert np.abs(graph.constants[dense.bias]).max() > 0.0


@pytest.mark.parametrize(
    "average",
    [
        torch.tanh,
        lambda x: x * x.mean(dim=-1, keepdim=True),
        lambda x: x.mean(dim=1, keepdim=True).expand_as(x),
        lambda x: x * torch.tensor([[0.5], [2.0]]),
    ],
    ids=["not linear", "product of tensors", "mixes channels", "differs by channel"],
)
def test_other_maps_stay(average: Callable[[torch.Tensor], torch.Tensor]):
    assert len(graph_of(Decomposed(average), 2).dense_nodes()) == 2


def test_layers_that_something_else_reads_stay():
    built = Step(LENGTH, 1)
    x = built.op(Op.RESHAPE, ("x",), (1, LENGTH))
    a, b = built.dense(x, 2), built.dense(x, 2)
    total = built.same(Op.ADD, a, b)
    graph = built.model(built.op(Op.RESHAPE, (built.same(Op.MUL, total, a),), (1, 2, 1))).graph
    assert merge_dense(graph) is graph


def test_layers_that_are_shared_may_be_merged_for_several_maps():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(LENGTH, 1), nn.Linear(LENGTH, 1)

        def split(self, x: torch.Tensor, scale: float) -> torch.Tensor:
            trend = scale * moving_average(x)
            rows: torch.Tensor = self.a(x - trend) + self.b(trend)
            return rows

        def forward(self, window: torch.Tensor) -> torch.Tensor:
            x = window.transpose(1, 2)
            once, twice = self.split(x, 1.0), self.split(x, 2.0)
            return torch.tanh(once) + torch.tanh(twice).sin()

    weights = {dense.weight for dense in graph_of(Shared(), 1).dense_nodes()}
    assert weights == {"a.weight+b.weight", "a.weight+b.weight.2"}


def test_pooled_windows_would_take_more_weights():
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(LENGTH // 4, 2), nn.Linear(LENGTH // 4, 2)

        def forward(self, window: torch.Tensor) -> torch.Tensor:
            parts = window.reshape(1, LENGTH // 4, 4)
            rows: torch.Tensor = self.a(parts.mean(dim=2)) + self.b(parts[:, :, 0])
            return rows.reshape(1, 2, 1)

    assert len(graph_of(Pooled(), 1).dense_nodes()) == 2


@given(st.data(), st.integers(0, 2**16))
def test_merged_layer_computes_the_same(data: st.DataObject, seed: int):
    features = data.draw(st.integers(1, 3))
    built = Step(LENGTH, features, seed)
    turned = built.op(Op.TRANSPOSE, ("x",), (1, features, LENGTH), axes=(-3, -1, -2))
    tensors = [turned]
    for _ in range(data.draw(st.integers(0, 4))):
        a, b = (data.draw(st.sampled_from(tensors)) for _ in range(2))
        tensors.append(data.draw(st.sampled_from([_mean, _shift, _sum, _scaled]))(built, a, b))
    chosen = [data.draw(st.sampled_from(tensors)) for _ in range(2)]
    total = built.same(Op.ADD, *(built.dense(tensor, 2) for tensor in chosen))
    graph = built.model(built.op(Op.TRANSPOSE, (total,), (1, 2, features), axes=(-3, -1, -2))).graph
    merged = merge_dense(graph)
    assert len(merged.dense_nodes()) == 1
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, LENGTH, features))).float()
    got, want = (step(g, {"x": x}, weight=float_constants(g))[g.output] for g in (merged, graph))
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def _mean(built: Step, a: str, b: str) -> str:
    mean = built.op(Op.MEAN, (a,), (*built.shapes[a][:-1], 1), axis=-1)
    return built.same(Op.SUB, b, mean)


def _shift(built: Step, a: str, _b: str) -> str:
    shape = built.shapes[a]
    spans = ((0, 1), (0, shape[-1] - 1))
    parts = [
        built.op(Op.SLICE, (a,), (*shape[:-1], end - begin), axis=-1, begin=begin, end=end)
        for begin, end in spans
    ]
    return built.op(Op.CONCAT, tuple(parts), shape, axis=-1)


def _sum(built: Step, a: str, b: str) -> str:
    return built.same(Op.ADD, a, b)


def _scaled(built: Step, a: str, _b: str) -> str:
    return built.same(Op.AFFINE, a, scale=-0.75, offset=0.125)
