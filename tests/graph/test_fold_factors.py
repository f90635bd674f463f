"""Constants beside dense layers become part of their weights; what they share stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.graph.windowed_graphs import Step
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.fold_factors import fold_factors
from tqs_edge.graph.graph import Graph, Op
from tqs_edge.graph.rollout import float_constants
from tqs_edge.integer.build import build_program
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.prepare import prepare
from tqs_edge.plan.uniform import uniform_plan

LENGTH, CHANNELS = 6, 4


class Built(Step):
    """A step of which constants can be parts."""

    def constant(self, values: np.ndarray, path: str = "") -> str:
        path = path or f"constant{len(self.constants)}"
        self.constants[path] = np.asarray(values, np.float32)
        return path

    def graph(self, output: str) -> Graph:
        return self.model(output).graph


def ramp(low: float, high: float, count: int = CHANNELS) -> np.ndarray:
    return np.linspace(low, high, count, dtype=np.float32)


def assert_same_values(before: Graph, after: Graph):
    x = torch.from_numpy(np.random.default_rng(3).standard_normal(before.shapes["x"])).float()
    want, got = (step(g, {"x": x}, weight=float_constants(g))[g.output] for g in (before, after))
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def assert_folds(before: Graph, operations: list[str]):
    """What is left are these operations, on the same values."""
    after = fold_factors(before)
    assert [str(node.op) for node in after.nodes] == operations
    assert after.output == before.output
    assert_same_values(before, after)
    assert fold_factors(after) is after


def test_factor_and_constant_behind_a_layer_become_rows_and_bias():
    built = Built(LENGTH, CHANNELS)
    scaled = built.same(Op.MUL, built.dense("x", CHANNELS), built.constant(ramp(-0.001, 900.0)))
    turned = built.op(Op.TRANSPOSE, (scaled,), (1, CHANNELS, LENGTH), axes=(-3, -1, -2))
    level = built.constant(ramp(-1.0, 1.0)[:, None])
    total = built.same(Op.ADD, turned, level)
    before = built.graph(built.same(Op.AFFINE, total, scale=-2.0, offset=0.5))
    assert_folds(before, ["dense", "transpose"])
    (layer,) = fold_factors(before).dense_nodes()
    factors = -2.0 * ramp(-0.001, 900.0)
    want = factors[:, None] * before.constants["dense0.weight"]
    np.testing.assert_allclose(fold_factors(before).constants[layer.weight], want, rtol=1e-6)


def test_gain_and_offset_of_a_norm_become_columns_and_bias():
    built = Built(LENGTH, CHANNELS)
    norm = built.same(Op.NORMALIZE, "x", eps=1e-5)
    gained = built.same(Op.MUL, norm, built.constant(ramp(0.01, 3.0)))
    shifted = built.same(Op.ADD, gained, built.constant(ramp(-1.0, 1.0)))
    both = (built.dense(shifted, 3), built.dense(shifted, 3))
    assert_folds(built.graph(built.same(Op.ADD, *both)), ["normalize", "dense", "dense", "add"])


def test_factor_reaches_columns_through_padding_and_patches():
    built = Built(LENGTH, CHANNELS)
    gained = built.same(Op.MUL, "x", built.constant(ramp(0.5, 1.5)))
    before = built.graph(built.conv(gained, 2, 3))
    assert_folds(before, ["concat", "unfold", "dense"])


def test_factors_reach_one_layer_along_several_ways():
    built = Built(LENGTH, CHANNELS)
    scaled = built.same(Op.MUL, "x", built.constant(ramp(1.0, 3.0)))
    columns = [
        built.op(Op.SLICE, (scaled,), (1, LENGTH, 1), axis=-1, begin=c, end=c + 1)
        for c in reversed(range(CHANNELS))
    ]
    turned = built.op(Op.CONCAT, tuple(columns), (1, LENGTH, CHANNELS), axis=-1)
    graph = built.graph(built.dense(turned, 3))
    assert_folds(graph, ["slice"] * CHANNELS + ["concat", "dense"])


def test_factor_of_two_halves_of_one_layer_becomes_all_its_rows():
    built = Built(LENGTH, CHANNELS)
    both = built.dense("x", 2 * CHANNELS)
    halves = [
        built.op(Op.SLICE, (both,), (1, LENGTH, CHANNELS), axis=-1, begin=b, end=b + CHANNELS)
        for b in (0, CHANNELS)
    ]
    total = built.same(Op.ADD, *halves)
    graph = built.graph(built.same(Op.MUL, total, built.constant(ramp(2.0, 5.0))))
    assert_folds(graph, ["dense", "slice", "slice", "add"])


def test_offset_does_not_cross_zero_padding():
    built = Built(LENGTH, CHANNELS)
    norm = built.same(Op.NORMALIZE, "x", eps=1e-5)
    shifted = built.same(Op.ADD, norm, built.constant(ramp(0.5, 1.5)))
    assert fold_factors(graph := built.graph(built.conv(shifted, 2, 3))) is graph


def test_scale_of_scores_becomes_part_of_the_queries():
    built = Built(LENGTH, CHANNELS)
    joint = built.dense("x", 3 * CHANNELS)
    q, k, v = (
        built.op(Op.SLICE, (joint,), (1, LENGTH, CHANNELS), axis=-1, begin=at, end=at + CHANNELS)
        for at in range(0, 3 * CHANNELS, CHANNELS)
    )
    turned = built.op(Op.TRANSPOSE, (k,), (1, CHANNELS, LENGTH), axes=(-3, -1, -2))
    scores = built.op(Op.MATMUL, (q, turned), (1, LENGTH, LENGTH))
    weights = built.same(Op.SOFTMAX, built.same(Op.AFFINE, scores, scale=0.5, offset=0.0))
    before = built.graph(built.op(Op.MATMUL, (weights, v), (1, LENGTH, CHANNELS)))
    left = ["dense", "slice", "slice", "slice", "transpose", "matmul", "softmax", "matmul"]
    assert_folds(before, left)


def test_batch_norm_behind_a_depthwise_convolution_becomes_its_weights():
    built = Built(LENGTH, CHANNELS)
    rows = built.op(Op.RESHAPE, ("x",), (1, 2, 3, CHANNELS))
    taps = built.same(Op.MUL, rows, built.constant(np.ones((3, CHANNELS))))
    total = built.op(Op.SUM, (taps,), (1, 2, 1, CHANNELS), axis=-2)
    out = built.op(Op.RESHAPE, (total,), (1, 2, CHANNELS))
    scaled = built.same(Op.MUL, built.same(Op.RELU, out), built.constant(ramp(0.1, 9.0)))
    assert_folds(built.graph(scaled), ["reshape", "mul", "sum", "reshape", "relu"])


def _read_twice(built: Built) -> str:
    layer = built.dense("x", CHANNELS)
    scaled = built.same(Op.MUL, layer, built.constant(ramp(1.0, 2.0)))
    return built.same(Op.ADD, scaled, layer)


def _along_other_rows(built: Built) -> str:
    position = built.constant(ramp(1.0, 2.0, LENGTH)[:, None])
    return built.same(Op.ADD, built.dense("x", CHANNELS), position)


def _shared_weight(built: Built) -> str:
    halves = built.dense(built.same(Op.AFFINE, "x", scale=0.5, offset=0.0), CHANNELS)
    layer = built.nodes[-1]
    fields = {"weight": layer.weight, "bias": layer.bias}
    again = built.op(Op.DENSE, ("x",), built.shapes[halves], **fields)
    return built.same(Op.ADD, halves, again)


def _before_another_function(built: Built) -> str:
    doubled = built.same(Op.AFFINE, "x", scale=2.0, offset=0.0)
    return built.same(Op.ADD, built.dense(doubled, CHANNELS), built.same(Op.TANH, doubled))


def _negative_before_relu(built: Built) -> str:
    layer = built.same(Op.RELU, built.dense("x", CHANNELS))
    return built.same(Op.MUL, layer, built.constant(ramp(-1.0, 1.0)))


def _raw_level(built: Built) -> str:
    return built.dense(built.same(Op.SUB, "x", built.constant(ramp(900.0, 990.0))), CHANNELS)


def _raw_units(built: Built) -> str:
    return built.dense(built.same(Op.MUL, "x", built.constant(ramp(0.001, 1.0))), CHANNELS)


@pytest.mark.parametrize(
    "output",
    [
        _read_twice,
        _along_other_rows,
        _shared_weight,
        _before_another_function,
        _negative_before_relu,
        _raw_level,
        _raw_units,
    ],
)
def test_others_stay(output):
    built = Built(LENGTH, CHANNELS)
    assert fold_factors(graph := built.graph(output(built))) is graph


class ExactAverage(nn.Module):
    """The exponential moving average of a window by products, a running sum and a division, as
    xPatch has it (Stitsyuk and Choi, AAAI 2025): factors from 2e-4 to 1 and back."""

    def __init__(self, alpha: float = 0.3, length: int = 24) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.alpha, self.length = alpha, length
        self.layer = nn.Linear(length, 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        decay = (1 - self.alpha) ** torch.arange(self.length - 1, -1, -1.0)
        weights = torch.cat([decay[:1], self.alpha * decay[1:]])
        x = window.transpose(1, 2)
        trend = torch.cumsum(x * weights, dim=2) / decay
        return (0.5 * torch.tanh(self.layer(x - trend)) + 0.9 * trend[:, :, -1:]).transpose(1, 2)


def test_moving_average_of_falling_factors_follows_the_float_rollout():
    made = prepare(ExactAverage().eval(), example_inputs=(torch.zeros(1, 24, 2),), horizon=40)
    assert not any(node.op is Op.MUL for node in made.model.graph.nodes)
    program = build_program(made.model.graph, uniform_plan(made.model.graph, "a16w16"), made.ranges)
    assert judge(program, made.model, made.judging, made.horizon).error.nrmse < 0.002


@given(st.data(), st.integers(0, 2**16))
def test_folded_steps_compute_the_same(data: st.DataObject, seed: int):
    built = Built(LENGTH, CHANNELS, seed)
    tensors = ["x"]
    for _ in range(data.draw(st.integers(1, 8))):
        operation = data.draw(
            st.sampled_from([_layer, _factor, _level, _affine, _norm, _relu, _sum])
        )
        tensors.append(operation(built, *(data.draw(st.sampled_from(tensors)) for _ in range(2))))
    before = built.graph(tensors[-1])
    assert_same_values(before, fold_factors(before))


def _layer(built: Built, a: str, _b: str) -> str:
    return built.dense(a, CHANNELS)


def _factor(built: Built, a: str, _b: str) -> str:
    return built.same(Op.MUL, a, built.constant(built.random.uniform(-2, 2, CHANNELS)))


def _level(built: Built, a: str, _b: str) -> str:
    return built.same(Op.ADD, a, built.constant(built.random.standard_normal(CHANNELS)))


def _affine(built: Built, a: str, _b: str) -> str:
    return built.same(Op.AFFINE, a, scale=-0.75, offset=0.125)


def _norm(built: Built, a: str, _b: str) -> str:
    return built.same(Op.NORMALIZE, a, eps=1e-3)


def _relu(built: Built, a: str, _b: str) -> str:
    return built.same(Op.RELU, a)


def _sum(built: Built, a: str, b: str) -> str:
    return built.same(Op.SUB, a, b)
