"""8-bit activations with a zero point: 0.0 is exact, and the biases take the offset in exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.passes.small_models import MODELS, make_case, mixed_plan, window_network
from tqs_edge.graph.graph import Node, Op
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.integer.constants import affine_op, dense_block
from tqs_edge.integer.program import AffineOp, ConcatOp, DenseOp, IntegerProgram, QTensor
from tqs_edge.integer.scales import dense_input
from tqs_edge.plan.feedback import everywhere
from tqs_edge.quant.scheme import grid_for_span
from tqs_edge.verify.reference import run_step

X_SCALE = 2.0**-12
ENDS = st.floats(-8.0, 8.0, allow_subnormal=False)


def narrow(low: float, high: float) -> QTensor:
    """The 8-bit copy of a tensor seen between `low` and `high`."""
    x = QTensor("x", (1, 4), 16, X_SCALE)
    return dense_input(x, 8, max(-low, high), (low, high))


@given(st.data(), st.integers(-127, 128), st.sampled_from([2, 4, 8, 16]), st.integers(1, 70))
def test_the_folded_bias_is_the_unfolded_sum(
    data: st.DataObject, zero: int, bits: int, depth: int
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    q = rng.integers(low, high, (3, depth), np.int16, endpoint=True)
    q[data.draw(st.integers(0, 2))] = data.draw(st.sampled_from([low, high]))
    bias = rng.uniform(-3.0, 3.0, 3).astype(np.float32)
    x = QTensor("x", (1, depth), 8, 0.01, zero)
    centred = replace(x, zero_point=0)
    folded, plain = (dense_block(q, np.full(3, 0.02), bias, 0, bits, t, 0.5) for t in (x, centred))
    for read in (rng.integers(-128, 127, depth, endpoint=True), *np.array([[-128], [127]])):
        read = np.broadcast_to(read, depth)
        want = [
            int(b) + sum(int(w) * (int(v) + zero) for w, v in zip(row, read, strict=True))
            for b, row in zip(plain.bias, q, strict=True)
        ]
        got = q.astype(np.int64) @ read + folded.bias
        assert got.tolist() == want
        assert folded.acc_bits == 64 or (np.abs(got) < 1 << 31).all()
        largest = np.abs(got).astype(object) * folded.multiplier.astype(object)
        assert (largest + (1 << (folded.shift - 1)) < 1 << 63).all()


@given(ENDS, ENDS)
def test_a_grid_holds_both_ends_and_zero_exactly(a: float, b: float) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    scale, zero = grid_for_span(low, high, 8)
    assert -127 <= -zero <= 127  # what stands for 0.0
    for end in (low, high):
        assert -127.51 <= end / scale - zero <= 127.51
    assert scale == pytest.approx((high - low or 2.0) / 254)


def test_a_rectifier_gains_a_bit() -> None:
    about_zero = dense_input(QTensor("x", (1, 4), 16, X_SCALE), 8, 5.0)
    spanned = narrow(0.0, 5.0)
    assert spanned.zero_point == 127
    assert spanned.scale <= 0.51 * about_zero.scale


@pytest.mark.parametrize("low, high", [(0.0, 5.0), (-5.0, 0.0), (-1.0, 4.0), (-3.9, 4.0), (1, 2)])
def test_copies_saturate_at_both_ends_and_hold_what_was_seen(low: float, high: float) -> None:
    y = narrow(low, high)
    x = QTensor("x", (1, 4), 16, X_SCALE)
    op = affine_op((x,), (1.0,), 0.0, y)
    program = IntegerProgram("x", None, "x", (), {"x": x, y.name: y}, {}, (op,))
    integers = np.array([-32768, round(low / X_SCALE), round(high / X_SCALE), 32767])
    clipped = dict.fromkeys(program.tensors, 0)
    copy = run_step(program, {"x": integers[None, None]}, clipped)[y.name][0, 0]
    assert (copy[0], copy[3]) == (-128, 127) and clipped[y.name] == 2
    real = (copy[1:3] + y.zero_point) * y.scale
    np.testing.assert_allclose(real, [low, high], atol=0.5001 * y.scale)
    zero = run_step(program, {"x": np.zeros((1, 1, 4), np.int64)}, clipped)[y.name]
    assert (zero == -y.zero_point).all()


def test_copies_drop_whole_bits_where_the_ends_are_held() -> None:
    x = QTensor("x", (1, 4), 16, RANGE_HEADROOM / 32767)
    copy = dense_input(x, 8, 1.0, (0.0, 1.0))
    assert copy.scale == 128 * x.scale and copy.zero_point == 127
    assert (1.0 / copy.scale - copy.zero_point) <= 127


def rectified(*, feedback: bool) -> tuple[IntegerProgram, AffineOp]:
    """window_network with a span for its rectifier, and the operation that makes what is read."""
    model = window_network()
    ranges = dict.fromkeys(model.graph.shapes, 1.0)
    plan = replace(mixed_plan(model.graph, 8, 16, (8,)), spans={"flat": (0.0, 1.0)})
    plan = everywhere(model.graph, plan) if feedback else plan
    program = build_program(model.graph, plan, ranges)
    (op,) = (o for o in program.ops if isinstance(o, AffineOp) and o.output == "rows_relu")
    return program, op


def test_rectifiers_are_computed_with_their_zero_point() -> None:
    program, op = rectified(feedback=False)
    y = program.tensors["rows_relu"]
    assert y.grid == program.tensors["flat"].grid == (8, RANGE_HEADROOM / 255, 128)
    assert op.lowest == -128
    x = program.tensors[op.inputs[0]]
    values = np.full((1, *x.shape), -5000, np.int64)
    values[..., -1] = 32767
    clipped = dict.fromkeys(program.tensors, 0)
    part = replace(program, ops=(op,))
    made = run_step(part, {op.inputs[0]: values}, clipped)["rows_relu"]
    assert (made[..., :-1] == -128).all()  # 0.0, and nothing lost
    expected = 32767 * x.scale > 1.25
    assert (made[..., -1] == 127).all() == expected
    assert (clipped["rows_relu"] > 0) == expected


def test_fed_copies_lose_nothing_between_steps() -> None:
    program, _ = rectified(feedback=True)
    tensors, x, copy = program.tensors, "flat", "flat_a8"
    total = tensors[f"{copy}_total"]
    assert total.zero_point == 256 * tensors[copy].zero_point
    ratio = tensors[x].scale / total.scale
    rest = next(s for s in program.states if s.name == f"{copy}_rest")
    wanted = {f"{copy}_total", copy, rest.update}
    part = replace(program, ops=tuple(op for op in program.ops if op.output in wanted))
    rng, before = np.random.default_rng(0), np.zeros((1, *tensors[x].shape), np.int64)
    for _ in range(200):
        value = rng.integers(0, round(0.99 / tensors[x].scale), before.shape)
        made = run_step(part, {x: value, rest.name: before}, dict.fromkeys(tensors, 0))
        kept = 256 * (made[copy] + tensors[copy].zero_point) + made[rest.update]
        assert (np.abs(value * ratio + before - kept) <= 1.0).all()  # rounding to the total's LSB
        before = made[rest.update]
    zero = run_step(part, {x: 0 * before, rest.name: 0 * before}, dict.fromkeys(tensors, 0))
    assert (zero[copy] == -tensors[copy].zero_point).all() and (zero[rest.update] == 0).all()


def padded_network() -> RolloutModel:
    """window_network with two rows of zeros before what its rectifier yields."""
    model = window_network()
    nodes: list[Node] = []
    for node in model.graph.nodes:
        if node.name == "flat":
            nodes.append(Node("padded", Op.CONCAT, ("none", "rows_relu"), (1, 6, 6), {"axis": -2}))
            node = replace(node, inputs=("padded",), shape=(1, 36))
        nodes.append(node)
    constants = dict(model.graph.constants)
    constants["none"] = np.zeros((1, 2, 6), np.float32)
    weight = constants["mixed.weight"]
    constants["mixed.weight"] = np.concatenate([weight[:, :12], weight], axis=1)
    shapes = {**model.graph.shapes, **{node.name: node.shape for node in nodes}}
    graph = replace(model.graph, nodes=tuple(nodes), constants=constants, shapes=shapes)
    return replace(model, graph=graph)


def test_padding_of_what_is_read_is_exactly_zero() -> None:
    program = make_case(padded_network(), act_bits=8, lopsided=0.0).program
    (padded,) = (op for op in program.ops if isinstance(op, ConcatOp))
    y, (zeros, rows) = program.tensors[padded.output], padded.inputs
    assert y.grid == program.tensors[rows].grid and y.zero_point == 128
    assert (program.constants[zeros] == -128).all()


@pytest.mark.parametrize("name", MODELS)
def test_only_what_dense_layers_read_has_a_zero_point(name: str) -> None:
    for feedback in (False, True):
        program = make_case(MODELS[name](), act_bits=8, feedback=feedback, lopsided=-0.3).program
        offset = {n for n, t in program.tensors.items() if t.zero_point}
        for op in program.ops:
            inputs = {v for f in ("input", "row", "state") for v in [getattr(op, f, None)] if v}
            inputs |= set(getattr(op, "inputs", ()))
            if inputs & offset and not isinstance(op, DenseOp):
                is_fed = op.output.endswith(("_left", "_a8"))
                assert op.output in offset or is_fed, op
        assert not offset & {program.input, program.exog, program.output}


@pytest.mark.parametrize("name", MODELS)
def test_without_spans_and_with_16_bits_there_are_none(name: str) -> None:
    plain = make_case(MODELS[name](), act_bits=8).program
    wide = make_case(MODELS[name](), lopsided=-0.3).program
    for program in (plain, wide):
        assert not any(t.zero_point for t in program.tensors.values())
