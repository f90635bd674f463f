"""Sums, maxima and bounds are the same integers by every executor."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.executors import check_executors_agree, emitted, integers, program_of
from tqs_edge.integer.bound_ops import ClampOp, ExtremumOp, SelectOp
from tqs_edge.integer.program import AffineOp
from tqs_edge.integer.reduction_ops import MaxOp, SumOp
from tqs_edge.quant.fixed_point import to_multiplier_shift

SHAPES = [(3, 7), (2, 5, 4), (1, 1), (1, 33, 2)]
AXES = [-1, -2]


def reduced(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(1 if d == len(shape) + axis else n for d, n in enumerate(shape))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("shape", SHAPES)
def test_means_round_half_up(shape: tuple[int, ...], axis: int, bits: int, tmp_path: Path) -> None:
    n, out = shape[axis], reduced(shape, axis)
    # A factor of 1 / n that is below 1/2, times a power of two that stands outside.
    requant = to_multiplier_shift([1 / (4 * n)], [n << (bits + 1)])
    op = SumOp("s", "v", axis, requant.multipliers[0] << 2, requant.shift)
    x = integers(shape)
    y = check_executors_agree(program_of(shape, bits, {"s": out}, op), x, tmp_path)
    limit = 1 << (bits - 1)
    total = x.clip(-limit, limit - 1).sum(axis, keepdims=True)
    exact = [Fraction(int(t) * op.factor, 1 << op.shift) + Fraction(1, 2) for t in total.flat]
    assert y.ravel().tolist() == [e.numerator // e.denominator for e in exact]
    assert np.abs(y - total / n).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("bits", [8, 16])
def test_sums_saturate(bits: int, tmp_path: Path) -> None:
    op = SumOp("s", "v", -1, 1 << 32, 32)
    y = check_executors_agree(
        program_of((2, 5), bits, {"s": (2, 1)}, op), integers((2, 5)), tmp_path
    )
    assert (y[0] == -(1 << (bits - 1))).all() and (y[1] == (1 << (bits - 1)) - 1).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_along_an_axis(
    shape: tuple[int, ...], axis: int, bits: int, tmp_path: Path
) -> None:
    program = program_of(shape, bits, {"m": reduced(shape, axis)}, MaxOp("m", "v", axis))
    x = integers(shape)
    y = check_executors_agree(program, x, tmp_path)
    limit = 1 << (bits - 1)
    np.testing.assert_array_equal(y, x.clip(-limit, limit - 1).max(axis, keepdims=True))


BOUNDS = {
    "row": np.array([[-5, 300, 7]]),
    "low rank": np.array([-5, 300, 7]),
    "scalar": np.array([[[12]]]),
    "full": np.arange(24).reshape(2, 4, 3) * 1000 - 9000,
}


@pytest.mark.parametrize("function", ["maximum", "minimum"])
@pytest.mark.parametrize("name", BOUNDS)
def test_extrema_with_constants_broadcast(name: str, function: str, tmp_path: Path) -> None:
    op = ExtremumOp("m", ("v", "bound"), function)
    program = program_of((2, 4, 3), 16, {"m": (2, 4, 3)}, op, constants={"bound": BOUNDS[name]})
    x = integers((2, 4, 3))
    y = check_executors_agree(program, x, tmp_path)
    np.testing.assert_array_equal(y, getattr(np, function)(x, BOUNDS[name]))


@pytest.mark.parametrize("bits", [8, 16])
def test_extrema_of_two_tensors_broadcast(bits: int, tmp_path: Path) -> None:
    ops = (
        MaxOp("rows", "v", -2),
        ClampOp("bounded", "v", -100, 90),
        ExtremumOp("lower", ("rows", "bounded"), "minimum"),
        ExtremumOp("m", ("lower", "v"), "maximum"),
    )
    tensors = {"rows": (2, 1, 3), "bounded": (2, 4, 3), "lower": (2, 4, 3), "m": (2, 4, 3)}
    x = integers((2, 4, 3))
    y = check_executors_agree(program_of((2, 4, 3), bits, tensors, *ops), x, tmp_path)
    limit = 1 << (bits - 1)
    v = x.clip(-limit, limit - 1)
    lower = np.minimum(v.max(-2, keepdims=True), v.clip(-100, 90))
    np.testing.assert_array_equal(y, np.maximum(lower, v))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("low, high", [(-20, 90), (0, None), (None, 0), (None, None), (5, 5)])
def test_clamps_leave_out_bounds_of_the_type(
    low: int | None, high: int | None, bits: int, tmp_path: Path
) -> None:
    limit = 1 << (bits - 1)
    low, high = -limit if low is None else low, limit - 1 if high is None else high
    program = program_of((3, 5), bits, {"c": (3, 5)}, ClampOp("c", "v", low, high))
    x = integers((3, 5))
    y = check_executors_agree(program, x, tmp_path)
    np.testing.assert_array_equal(y, x.clip(-limit, limit - 1).clip(low, high))


def test_a_clamp_joins_the_loop_around_it() -> None:
    program = program_of((3, 5), 16, {"c": (3, 5)}, ClampOp("c", "v", -20, 90))
    assert emitted(program).files["model.c"].count("for (") == 1


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("least", [-(1 << 15) - 1, -5, 0, 3, 1 << 15])
def test_choices_are_the_same_everywhere(bits: int, least: int, tmp_path: Path) -> None:
    level = np.arange(-2, 3).reshape(1, 5)  # one row for all rows of v
    op = SelectOp("s", "v", ("v", "level"), least)
    program = program_of((3, 5), bits, {"s": (3, 5)}, op, constants={"level": level})
    x = integers((3, 5))
    y = check_executors_agree(program, x, tmp_path)
    limit = 1 << (bits - 1)
    v = x.clip(-limit, limit - 1)
    assert (y == np.where(v >= least, v, level)).all()


def test_an_operand_that_cancels_is_no_warning(tmp_path: Path) -> None:
    clamp = ClampOp("c", "x", -(1 << 15), (1 << 15) - 1)
    rest = AffineOp("r", ("x", "c"), (1 << 29, -(1 << 29)), 0, 1 << 31, 32, -(1 << 15))
    made = {"c": (3, 5), "r": (3, 5)}
    y = check_executors_agree(program_of((3, 5), 16, made, clamp, rest), integers((3, 5)), tmp_path)
    assert not y.any()
