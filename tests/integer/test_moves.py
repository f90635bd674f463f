"""Operations that move, compare or add up numbers follow the float graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tqs_edge.graph.evaluate import step
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.integer.build import build_program
from tqs_edge.integer.chosen_scales import finest_scale
from tqs_edge.integer.moves import sum_factor
from tqs_edge.integer.program import AffineOp, IntegerProgram, QTensor
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.quant.scheme import quantize
from tqs_edge.verify.reference import run_step

SHAPE = (1, 6, 4)


def built(
    *nodes: Node,
    constants: Mapping[str, np.ndarray] | None = None,
    act_bits: int = 16,
    ranges: Mapping[str, float] | None = None,
) -> tuple[IntegerProgram, np.ndarray, np.ndarray, dict[str, int]]:
    """The program of nodes that end in "y", its y and the float one, both real (N, *shape), and
    how many values of each tensor were clipped.

    ranges: take the place of those observed.
    """
    shapes = {"x": SHAPE, **{n.name: n.shape for n in nodes}}
    graph = Graph("x", None, (), "y", nodes, constants or {}, shapes)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, *SHAPE)).astype(np.float32) * np.float32([0.1, 0.5, 1, 2])
    tensors = step(
        graph,
        {"x": torch.from_numpy(x)},
        weight=lambda path: torch.from_numpy(np.asarray(graph.constants[path])),
    )
    observed = {name: float(value.abs().amax()) for name, value in tensors.items()}
    weights = {n.weight: (RowBlock(0, n.shape[-1], 16),) for n in graph.dense_nodes() if n.weight}
    acts = {n.inputs[0]: act_bits for n in graph.dense_nodes()}
    program = build_program(
        graph, BitPlan(weights, acts, {}, "test"), {**observed, **(ranges or {})}
    )
    counts = dict.fromkeys(program.tensors, 0)
    q = quantize(x, program.tensors["x"].scale, 16)
    values = run_step(program, {"x": q}, counts)
    y = values[program.output] * program.tensors[program.output].scale
    return program, y, tensors["y"].numpy(), counts


def node(name: str, op: Op, source: str, shape: tuple[int, ...] = SHAPE, **attrs: object) -> Node:
    return Node(name, op, (source,), shape, attrs)


GAIN = np.array([3.0, 0.01, -0.5, 0.2], np.float32)
CASES = {
    "mean over time": (node("y", Op.MEAN, "x", (1, 1, 4), axis=-2),),
    "mean over channels": (node("y", Op.MEAN, "x", (1, 6, 1), axis=-1),),
    "moving mean over time": (
        node("y", Op.MOVING_SUM, "x", axis=-2, kernel=3, before=1, after=1, gain=1 / 3),
    ),
    "moving sum over channels": (
        node("y", Op.MOVING_SUM, "x", (1, 6, 3), axis=-1, kernel=2, before=0, after=0, gain=1.5),
    ),
    "sum over time": (node("y", Op.SUM, "x", (1, 1, 4), axis=-2),),
    "largest over time": (node("y", Op.MAX, "x", (1, 1, 4), axis=-2),),
    "transposed": (node("y", Op.TRANSPOSE, "x", (4, 1, 6), axes=(-1, -3, -2)),),
    "unfolded": (node("y", Op.UNFOLD, "x", (1, 2, 8), kernel=2, dilation=2, stride=2),),
    "clamped": (node("y", Op.CLAMP, "x", low=-0.5, high=0.75),),
    "clamped below only": (node("y", Op.CLAMP, "x", low=0.25, high=np.inf),),
    "clamped beyond all inputs": (node("y", Op.CLAMP, "x", low=20.0, high=30.0),),
    "clamped with crossing bounds": (node("y", Op.CLAMP, "x", low=2.0, high=-1.0),),
    "larger of row and constant": (Node("y", Op.MAXIMUM, ("x", "gain"), SHAPE),),
    "smaller of constant and row": (Node("y", Op.MINIMUM, ("gain", "x"), SHAPE),),
    "larger of coarse and fine": (
        node("big", Op.AFFINE, "x", scale=1000.0, offset=-5000.0),
        Node("y", Op.MAXIMUM, ("big", "x"), SHAPE),
    ),
    "padded": (Node("y", Op.CONCAT, ("pad", "x", "ramp"), (1, 10, 4), {"axis": -2}),),
}
CONSTANTS = {
    "gain": GAIN,
    "pad": np.zeros((1, 3, 4), np.float32),
    "ramp": np.linspace(-3, 3, 4, dtype=np.float32).reshape(1, 1, 4),
}


@pytest.mark.parametrize("nodes", CASES.values(), ids=CASES)
def test_every_operation_follows_float(nodes: tuple[Node, ...]) -> None:
    program, y, want, counts = built(*nodes, constants=CONSTANTS)
    lsb = program.tensors[program.output].scale
    assert np.abs(y - want).max() <= 4 * lsb
    assert not any(counts.values())


def test_a_quiet_mean_of_loud_numbers_keeps_their_resolution() -> None:
    balance = np.float32([1, -1] * 3).reshape(1, 6, 1) * 8
    nodes = (
        Node("loud", Op.ADD, ("x", "balance"), SHAPE),
        node("mean", Op.MEAN, "loud", (1, 1, 4), axis=-2),
        node("y", Op.AFFINE, "mean", (1, 1, 4), scale=1.0, offset=0.0),
    )
    program, y, want, _ = built(*nodes, constants={"balance": balance})
    loud, mean = program.tensors["loud"], program.tensors["mean"]
    assert mean.scale <= 1.001 * loud.scale
    assert np.abs(y - want).max() <= loud.scale


def test_a_sum_that_cancels_is_coarse_enough_to_be_proven() -> None:
    nodes = (
        node("loud", Op.AFFINE, "x", scale=2.0**20, offset=0.0),
        node("negative", Op.AFFINE, "loud", scale=-1.0, offset=0.0),
        Node("both", Op.CONCAT, ("loud", "negative"), (1, 12, 4), {"axis": -2}),
        node("y", Op.SUM, "both", (1, 1, 4), axis=-2),
    )
    program, y, want, _ = built(*nodes)
    assert np.abs(y - want).max() <= 12 * program.tensors["loud"].scale


def test_a_clamp_keeps_the_scale_of_what_it_clamps() -> None:
    bounded = node("bounded", Op.CLAMP, "x", low=-0.5, high=0.5)
    y = node("y", Op.AFFINE, "bounded", scale=1.0, offset=0.0)
    program, *_ = built(bounded, y)
    assert program.tensors["bounded"].scale == program.tensors["x"].scale


def test_bounds_far_within_what_is_clamped_are_not_rounded_to_its_scale() -> None:
    loud = node("loud", Op.AFFINE, "x", scale=1000.0, offset=0.0)
    bounded = node("bounded", Op.CLAMP, "loud", low=-1.0, high=1.0)
    y = node("y", Op.AFFINE, "bounded", scale=1.0, offset=0.0)
    program, got, want, counts = built(loud, bounded, y)
    lsb = program.tensors["bounded"].scale
    assert 100 * lsb < program.tensors["loud"].scale
    far = np.abs(want) == 1.0
    assert far.any() and np.abs(got - want)[far].max() <= lsb
    assert not any(counts.values())  # what the copy cuts off lies beyond the bounds


def test_a_table_reads_a_power_of_two_through_a_transpose() -> None:
    nodes = (
        node("wide", Op.AFFINE, "x", scale=1.5, offset=0.0),
        node("turned", Op.TRANSPOSE, "wide", (1, 4, 6), axes=(-3, -1, -2)),
        node("y", Op.TANH, "turned", (1, 4, 6)),
    )
    program, *_ = built(*nodes)
    assert np.log2(program.tensors["turned"].scale) % 1 == 0
    assert [type(op).__name__ for op in program.ops[:3]] == ["AffineOp", "TransposeOp", "LutOp"]


@pytest.mark.parametrize("source", ["x", "made"])
def test_rows_are_narrowed_before_they_are_repeated(source: str) -> None:
    weights = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    nodes = (
        node("made", Op.RELU, "x"),
        node("rows", Op.UNFOLD, source, (1, 5, 8), kernel=2, dilation=1, stride=1),
        Node("y", Op.DENSE, ("rows",), (1, 5, 3), {}, "w"),
    )
    program, *_ = built(*nodes, constants={"w": weights}, act_bits=8)
    assert program.tensors["rows"].bits == 8
    narrowed = [op for op in program.ops if isinstance(op, AffineOp) and op.output != "y_out"]
    assert [program.tensors[op.output].shape for op in narrowed] == [SHAPE] * len(narrowed)


def test_a_tensor_that_others_read_too_stays_wide() -> None:
    weights = np.ones((3, 8), np.float32)
    nodes = (
        node("made", Op.RELU, "x"),
        node("rows", Op.UNFOLD, "made", (1, 5, 8), kernel=2, dilation=1, stride=1),
        Node("seen", Op.DENSE, ("rows",), (1, 5, 3), {}, "w"),
        node("level", Op.MAX, "made", (1, 1, 4), axis=-2),
        node("first", Op.SLICE, "level", (1, 1, 3), axis=-1, begin=0, end=3),
        Node("y", Op.ADD, ("seen", "first"), (1, 5, 3)),
    )
    program, y, want, _ = built(*nodes, constants={"w": weights}, act_bits=8)
    assert program.tensors["made"].bits == 16
    assert program.tensors["rows"].bits == 8
    assert np.abs(y - want).max() <= 8 * program.tensors["rows"].scale


@given(
    op=st.sampled_from([Op.MEAN, Op.SUM, Op.MOVING_SUM]),
    count=st.integers(1, 1 << 20),
    bits=st.sampled_from([8, 16]),
    x_scale=st.floats(1e-9, 1e9),
    ratio=st.floats(1e-12, 1e12),
)
def test_every_sum_is_proven(op: Op, count: int, bits: int, x_scale: float, ratio: float) -> None:
    x = QTensor("x", (count, 1), bits, x_scale)
    moving = {"kernel": count, "before": 0, "after": 0, "gain": 1.0} if op is Op.MOVING_SUM else {}
    reduce = Node("s", op, ("x",), (1, 1), {"axis": -2, **moving})
    y_scale = max(x_scale * ratio, finest_scale(reduce, [x]))
    factor, shift = sum_factor(reduce, x, QTensor("s", (1, 1), 16, y_scale))
    assert 32 <= shift <= 62
    assert (count << (bits - 1)) * factor + (1 << (shift - 1)) < 1 << 63
    exact = x_scale / y_scale / (count if op is Op.MEAN else 1)
    assert abs(factor / 2**shift - exact) <= exact * 2.0**-26 + 2.0**-62


@pytest.mark.parametrize(("op", "losses"), [(Op.MINIMUM, 0), (Op.MAXIMUM, 9 * 24)])
def test_clipped_values_count_where_they_are_chosen(op: Op, losses: int) -> None:
    capped = np.full((1, 1, 4), 1e-3, np.float32)
    nodes = (
        node("loud", Op.AFFINE, "x", scale=0.0, offset=50.0),
        Node("small", op, ("loud", "capped"), SHAPE),
        node("y", Op.AFFINE, "small", scale=1.0, offset=0.0),
    )
    _, _, _, counts = built(*nodes, constants={"capped": capped}, ranges={"small": 1e-3})
    assert counts["small"] == losses and not counts["small_0"]


@pytest.mark.parametrize("strict", [0, 1])
@pytest.mark.parametrize("threshold", [-0.25, 0.0, 1e9, -1e9])
def test_a_choice_is_the_float_one_up_to_rounding(threshold: float, strict: int) -> None:
    nodes = (
        node("low", Op.AFFINE, "x", scale=0.25, offset=0.0),
        Node("y", Op.SELECT, ("x", "x", "low"), SHAPE, {"threshold": threshold, "strict": strict}),
    )
    program, y, want, _ = built(*nodes)
    far = np.abs(want - threshold) > 4 * program.tensors["x"].scale
    assert np.abs(y - want)[far].max() <= 2 * program.tensors["y"].scale
