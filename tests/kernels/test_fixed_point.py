"""Saturate and requantize: the twins against C and against exact rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.conftest import HostKernels
from tqs_edge.errors import OverflowUnproven
from tqs_edge.quant.fixed_point import (
    MAX_MULTIPLIER,
    output_multiplier_shift,
    requantize,
    residual_update,
    saturate,
    to_multiplier_shift,
)

ACCUMULATORS = [0, 1, -1, 2**15, -(2**15), 2**30, -(2**30), 2**31 - 1, -(2**31)]
MULTIPLIERS = [0, 1, 2, 2**16 - 1, 2**30, 2**30 + 1, MAX_MULTIPLIER]
SHIFTS = [32, 33, 40, 47, 61, 62]
int32s = st.integers(-(2**31), 2**31 - 1) | st.sampled_from(ACCUMULATORS)
multipliers = st.integers(0, MAX_MULTIPLIER) | st.sampled_from(MULTIPLIERS)
shifts = st.integers(32, 62)


def test_saturate_equals_c(host: HostKernels) -> None:
    values = np.arange(-70000, 70000, dtype=np.int32)
    assert (host.over("sat16", values) == [saturate(int(v), 16) for v in values]).all()
    few = values[::7].copy()
    assert (host.over("sat8", few, out=np.int8) == [saturate(int(v), 8) for v in few]).all()


@given(st.integers(-(2**63), 2**63 - 1) | int32s | st.integers(2**31 - 2, 2**31 + 2))
def test_saturate_of_64_bits_equals_c(host: HostKernels, value: int) -> None:
    assert host.c.sat32(value) == saturate(value, 32)
    assert host.c.sat32(~value) == saturate(~value, 32)


def test_requantize_equals_c_on_boundaries(host: HostKernels) -> None:
    for acc in ACCUMULATORS:
        for multiplier in MULTIPLIERS:
            for shift in SHIFTS:
                want = requantize(acc, multiplier, shift)
                assert host.c.requantize(acc, multiplier, shift) == want
                assert host.c.requantize_acc64(acc, multiplier, shift) == want


@given(acc=int32s, multiplier=multipliers, shift=shifts)
def test_requantize_equals_c(host: HostKernels, acc: int, multiplier: int, shift: int) -> None:
    assert host.c.requantize(acc, multiplier, shift) == requantize(acc, multiplier, shift)


@given(acc=st.integers(-(2**50), 2**50), multiplier=st.integers(0, 2**12), shift=shifts)
def test_requantize_of_wide_accumulators_equals_c(
    host: HostKernels, acc: int, multiplier: int, shift: int
) -> None:
    assert host.c.requantize_acc64(acc, multiplier, shift) == requantize(acc, multiplier, shift)


@given(acc=int32s, multiplier=multipliers, shift=shifts)
def test_requantize_errs_by_half_a_unit_at_most(acc: int, multiplier: int, shift: int) -> None:
    exact = Fraction(acc * multiplier, 1 << shift)
    error = requantize(acc, multiplier, shift) - exact
    assert -Fraction(1, 2) < error <= Fraction(1, 2)


@given(acc=st.integers(-(2**31), 2**31 - 2), multiplier=multipliers, shift=shifts)
def test_requantize_is_monotone(acc: int, multiplier: int, shift: int) -> None:
    assert requantize(acc, multiplier, shift) <= requantize(acc + 1, multiplier, shift)


def test_requantize_rounds_half_up() -> None:
    assert [requantize(acc, 2**31 - 2**31 // 2, 32) for acc in (-6, -2, 2, 6)] == [-1, 0, 1, 2]


def test_requantize_refuses_what_leaves_64_bits() -> None:
    with pytest.raises(OverflowUnproven, match="64 bits"):
        requantize(2**40, 2**30, 40)
    with pytest.raises(OverflowUnproven, match="shift 31"):
        requantize(1, 1, 31)


@given(
    rows=st.lists(
        st.tuples(st.floats(1e-12, 0.4999), st.integers(1, 2**31 - 1)), min_size=1, max_size=6
    )
)
def test_multiplier_shift_is_the_finest_that_is_proven(rows: list[tuple[float, int]]) -> None:
    factors, bounds = [row[0] for row in rows], [row[1] for row in rows]
    chosen = to_multiplier_shift(factors, bounds)
    assert 32 <= chosen.shift <= 62

    def fits(shift: int) -> bool:
        return all(
            int(Fraction(f) * 2**shift + Fraction(1, 2)) <= MAX_MULTIPLIER
            and b * int(Fraction(f) * 2**shift + Fraction(1, 2)) + 2 ** (shift - 1) < 2**63
            for f, b in rows
        )

    assert fits(chosen.shift) and (chosen.shift == 62 or not fits(chosen.shift + 1))
    for factor, multiplier in zip(factors, chosen.multipliers, strict=True):
        error = abs(Fraction(multiplier, 2**chosen.shift) - Fraction(factor))
        assert error <= Fraction(1, 2 ** (chosen.shift + 1))


@given(
    rows=st.lists(
        st.tuples(st.floats(1e-12, 0.4999), st.integers(1, 2**28)), min_size=1, max_size=6
    )
)
def test_outputs_take_the_least_shift_where_that_costs_no_precision(
    rows: list[tuple[float, int]],
) -> None:
    factors, bounds = [row[0] for row in rows], [row[1] for row in rows]
    chosen, finest = output_multiplier_shift(factors, bounds), to_multiplier_shift(factors, bounds)
    if max(bounds) > 2**27:
        assert chosen == finest
        return
    assert chosen.shift == 32
    for (factor, bound), multiplier in zip(rows, chosen.multipliers, strict=True):
        error = abs(Fraction(multiplier, 2**32) - Fraction(factor)) * bound
        assert error <= Fraction(1, 64) and multiplier <= MAX_MULTIPLIER


@pytest.mark.parametrize(
    ("factors", "bounds", "cause"),
    [
        ([0.6], [10], "row 0: factor 0.6"),
        ([0.1, 0.1], [10, 2**60], "row 1: factor 0.1"),
        ([0.0], [10], "not a positive finite number"),
        ([float("nan")], [10], "not a positive finite number"),
        ([0.1], [], "as many bounds"),
    ],
)
def test_multiplier_shift_names_what_does_not_fit(
    factors: list[float], bounds: list[int], cause: str
) -> None:
    with pytest.raises(OverflowUnproven, match=cause):
        to_multiplier_shift(factors, bounds)


def test_residual_update_equals_c(host: HostKernels) -> None:
    rng = np.random.default_rng(8)
    x, f = rng.integers(-32768, 32768, (2, 500)).astype(np.int16)
    for multiplier, shift in ((MAX_MULTIPLIER, 32), (2**30, 40), (0, 62), (12345, 33)):
        y = np.zeros_like(x)
        pointers = (host.pointer(x), host.pointer(f), multiplier, shift, host.pointer(y), x.size)
        host.c.tqs_residual_update_s16(*pointers)
        assert (y == residual_update(x, f, multiplier, shift)).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kept", [0, 1, 3, 4, 5, 11, 16, 47])
@pytest.mark.parametrize("pushed", [1, 3, 4, 8])
@pytest.mark.parametrize("first", [0, 1])  # where the rows begin: at a word or not
def test_pushed_rows_may_lie_where_they_were(
    host: HostKernels, bits: int, kept: int, pushed: int, first: int
) -> None:
    dtype = np.dtype(f"int{bits}")
    count = kept + pushed
    past = np.full(first + count + 1, 77, dtype)
    past[first:-1] = np.arange(count)
    rows = 100 + np.arange(pushed, dtype=dtype)
    want = np.concatenate([past[first + pushed : -1], rows])
    push = getattr(host.c, f"tqs_push_rows_s{bits}")
    apart = np.full_like(past, 77)
    push(host.pointer(past[first:]), host.pointer(rows), host.pointer(apart[first:]), kept, pushed)
    push(host.pointer(past[first:]), host.pointer(rows), host.pointer(past[first:]), kept, pushed)
    for moved in (apart, past):
        assert (moved[first:-1] == want).all()
        assert moved[-1] == 77 and (moved[:first] == 77).all()


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("block", [1, 2, 5, 7])
def test_window_push_drops_the_oldest_rows(host: HostKernels, length: int, block: int) -> None:
    window = np.arange(length * 3, dtype=np.int16).reshape(length, 3)
    rows = 100 + np.arange(block * 3, dtype=np.int16).reshape(block, 3)
    want = np.concatenate([window, rows])[-length:]
    host.c.tqs_window_push_s16(host.pointer(window), host.pointer(rows), length, 3, block)
    assert (window == want).all()
