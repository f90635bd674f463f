"""Scaled sums and products against Python integers, over random constants."""

from __future__ import annotations

import numpy as np
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import tirx

from tqs_edge.integer.program import AffineOp, IntegerProgram, ProductOp, QTensor
from tqs_edge.passes.fixed_point_tir import affine_form
from tqs_edge.passes.integer_ops import affine_call, product_call

EDGES = np.array([-32768, -32767, -1, 0, 1, 2, 255, 256, 16384, 32767], np.int16)
multipliers = st.one_of(
    st.integers(-(2**30), 2**30), st.integers(0, 30).map(lambda k: 1 << k), st.just(0)
)


def _program(op: AffineOp | ProductOp, count: int) -> IntegerProgram:
    tensors = {n: QTensor(n, (1, count), 16, 1.0) for n in ("a", "b", "y")}
    return IntegerProgram("a", "b", "y", (), tensors, {}, (op,))


def _inputs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = (grid.reshape(1, -1) for grid in np.meshgrid(EDGES, EDGES))
    noise = rng.integers(-32768, 32768, (2, 1, 60)).astype(np.int16)
    return np.concatenate([a, noise[0]], 1), np.concatenate([b, noise[1]], 1)


def _run(func: tirx.PrimFunc, *arrays: np.ndarray) -> np.ndarray:
    built = tvm.compile(tvm.IRModule({"main": func.with_attr("global_symbol", "main")}), "llvm")
    y = tvm.runtime.tensor(np.zeros([int(n) for n in func.params[-1].ty.shape], np.int16))
    built["main"](*(tvm.runtime.tensor(np.ascontiguousarray(a)) for a in arrays), y)
    return y.numpy()


def _saturated(values: np.ndarray, lowest: int = -32768) -> np.ndarray:
    return np.maximum(np.clip(values, -32768, 32767), lowest).astype(np.int16)


@settings(max_examples=20, deadline=None)
@given(
    m=st.tuples(multipliers, multipliers),
    left_shift=st.integers(0, 15),
    shift=st.integers(32, 62),
    constant=st.integers(-(2**40), 2**40),
    lowest=st.sampled_from([-32768, 0, -7]),
)
def test_affine_equals_python_integers(
    m: tuple[int, int], left_shift: int, shift: int, constant: int, lowest: int
) -> None:
    offset = (1 << (shift - 1)) + constant
    op = AffineOp("y", ("a", "b"), m, left_shift, offset, shift, lowest)
    a, b = _inputs(shift)
    program = _program(op, a.shape[1])
    big_a, big_b = a.astype(object), b.astype(object)
    total = (big_a << left_shift) * m[0] + (big_b << left_shift) * m[1] + offset
    if max(abs(v) for v in total.flat) >= 2**63:
        return  # outside what a program may hold
    call = affine_call(op, program)
    arrays = {"a": a, "b": b}
    got = _run(call.func, *(arrays[name] for name in call.operands))
    np.testing.assert_array_equal(got, _saturated(total >> shift, lowest))


@settings(max_examples=12, deadline=None)
@given(m=st.one_of(st.integers(0, 2**31 - 1), multipliers.map(abs)), shift=st.integers(32, 62))
def test_product_equals_python_integers(m: int, shift: int) -> None:
    a, b = _inputs(shift)
    call = product_call(ProductOp("y", ("a", "b"), m, shift), _program(None, a.shape[1]))
    exact = (a.astype(object) * b.astype(object) * m + (1 << (shift - 1))) >> shift
    np.testing.assert_array_equal(_run(call.func, a, b), _saturated(exact))


def test_a_plain_sum_needs_neither_shift_nor_64_bits() -> None:
    op = AffineOp("y", ("a", "b"), (1 << 28, -(1 << 28)), 12, 1 << 39, 40, -32768)
    form = affine_form(op, _program(op, 4))
    assert (form.scaled, form.shift, form.offset, form.wide) == ({"a": 1, "b": -1}, 0, 0, False)


def test_a_residual_update_keeps_its_whole_term_out_of_the_sum() -> None:
    op = AffineOp("y", ("a", "b"), (1 << 28, 12345), 12, 1 << 39, 40, -32768)
    form = affine_form(op, _program(op, 4))
    assert form.whole == {"a": 1}
    assert not form.wide and form.scaled == {"b": 12345}
    op = AffineOp("y", ("a", "b"), (1 << 28, 123457), 12, 1 << 39, 40, -32768)
    form = affine_form(op, _program(op, 4))
    assert form.wide and form.scaled == {"b": 123457 << 4}  # 8 of the 12 common twos cancelled
