"""Reciprocals, roots, quotients and logarithms: twins equal to C, within their bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.conftest import HostKernels
from tests.kernels.nonlinear_cases import EVERY_INPUT, POSITIVE, mantissas, saturated
from tqs_edge.errors import OverflowUnproven
from tqs_edge.quant.power import (
    DIVIDE_SHIFTS,
    INVERSE_ROOT_MAX_ERROR,
    INVERSE_ROOT_SHIFTS,
    LOG_MAX_ERROR,
    MAX_ERROR,
    ONE,
    RECIPROCAL_MAX_ERROR,
    ROOT_SHIFTS,
    divide,
    inverse_root,
    leading_zeros,
    log,
    log_table,
    normal_multiplier,
    power,
    reciprocal,
)

FUNCTIONS = {
    "sqrt": (ROOT_SHIFTS, np.sqrt),
    "rsqrt": (INVERSE_ROOT_SHIFTS, lambda x: 1 / np.sqrt(x)),
    "reciprocal": (DIVIDE_SHIFTS, lambda x: ONE / x),
}
WIDE = EVERY_INPUT.astype(np.int64)


@pytest.mark.parametrize(
    ("name", "twin", "low"),
    [("reciprocal", reciprocal, 2**31), ("inverse_root", inverse_root, 2**30)],
)
def test_mantissas_equal_c_and_python_integers(host: HostKernels, name, twin, low: int) -> None:
    d = mantissas(low)
    got = host.over(name, d, out=np.uint32)
    assert (got == twin(d.astype(np.int64))).all()
    assert got[::97].tolist() == [twin(int(v)) for v in d[::97]]


def test_mantissas_stay_within_their_bounds() -> None:
    d, v = (mantissas(low).astype(np.int64) for low in (2**31, 2**30))
    assert np.abs(reciprocal(d) / (2.0**62 / d) - 1).max() < RECIPROCAL_MAX_ERROR
    assert np.abs(inverse_root(v) / (2.0**46 / np.sqrt(v)) - 1).max() < INVERSE_ROOT_MAX_ERROR


def test_leading_zeros_equal_c(host: HostKernels) -> None:
    powers = 1 << np.arange(32, dtype=np.int64)
    v = np.concatenate([powers, powers[1:] - 1, 2 * powers - 1]).astype(np.uint32)
    want = [32 - int(n).bit_length() for n in v]
    assert host.over("leading_zeros", v, out=np.int32).tolist() == want
    assert leading_zeros(v.astype(np.int64)).tolist() == want


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 1.0])
def test_every_input_of_a_power_equals_c(host: HostKernels, function: str, place: float) -> None:
    low, high = FUNCTIONS[function][0]
    shift = round(low + place * (high - low))
    for multiplier in (1 << 30, (1 << 29) + 12345):
        want = power(function, WIDE, multiplier, shift)
        assert (
            host.over(f"{function}_s16", EVERY_INPUT, multiplier, shift) == saturated(want)
        ).all()
        few = WIDE[::331].astype(object)
        assert (power(function, few, multiplier, shift) == want[::331]).all(), "64 bits overflow"


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("factor", [1e-3, 0.7, 181.0, 20000.0])
def test_powers_err_by_half_an_lsb(function: str, factor: float) -> None:
    shifts, exact = FUNCTIONS[function]
    multiplier, shift = normal_multiplier(factor, shifts, "y")
    want = factor * exact(POSITIVE)
    error = power(function, POSITIVE, multiplier, shift) - want
    assert np.abs(error[want < 32767]).max() <= MAX_ERROR


def test_powers_outside_their_domain_take_the_smallest_input() -> None:
    x = np.array([-32768, -1, 0, 1])
    assert power("sqrt", x, 1 << 30, 30).tolist() == [0, 0, 0, 1]
    for function in ("rsqrt", "reciprocal"):
        values = power(function, x, 1 << 30, 24).tolist()
        assert len(set(values)) == 1


integers = st.integers(-32768, 32767) | st.sampled_from([-32768, -1, 0, 1, 2, 32767])


@given(
    pairs=st.lists(st.tuples(integers, integers), min_size=1, max_size=40),
    multiplier=st.integers(2**29, 2**30),
    shift=st.integers(*DIVIDE_SHIFTS),
)
def test_quotients_equal_c_and_python_integers(
    host: HostKernels, pairs: list[tuple[int, int]], multiplier: int, shift: int
) -> None:
    a, b = np.array(pairs, np.int16).T.copy()
    y = np.zeros_like(a)
    host.c.divide_s16(host.pointer(a), host.pointer(b), multiplier, shift, host.pointer(y), a.size)
    wide = divide(a.astype(np.int64), b.astype(np.int64), multiplier, shift)
    assert (y == saturated(wide)).all()
    assert (divide(a.astype(object), b.astype(object), multiplier, shift) == wide).all()


@pytest.mark.parametrize("factor", [1e-4, 0.4, 1.0, 999.0, 16384.0, 3e8 / 2])
def test_quotients_err_by_half_an_lsb(factor: float) -> None:
    multiplier, shift = normal_multiplier(factor, DIVIDE_SHIFTS, "y")
    rng = np.random.default_rng(0)
    a = rng.integers(-32768, 32768, 200_000) >> rng.integers(0, 16, 200_000)
    b = np.maximum(rng.integers(1, 32768, 200_000) >> rng.integers(0, 15, 200_000), 1)
    want = a * factor / b
    error = divide(a, b, multiplier, shift) - want
    assert np.abs(error[np.abs(want) < 32767]).max() <= MAX_ERROR


def test_a_factor_without_multiplier_is_refused() -> None:
    with pytest.raises(OverflowUnproven, match="'y': a factor of"):
        normal_multiplier(2.0**28 + 1, DIVIDE_SHIFTS, "y")


@pytest.mark.parametrize("y_scale", [4e-4, 1e-4, 2.0**-16])
def test_logarithms_equal_c_and_stay_within_their_bound(host: HostKernels, y_scale: float) -> None:
    x_scale, shift = 3e-4, 37
    multiplier = math.floor(math.log(2) / y_scale * 2.0**-23 * 2**shift)
    offset = math.floor(math.log(x_scale) / y_scale * 2.0**shift) + (1 << (shift - 1))
    table, y = log_table(), np.zeros_like(EVERY_INPUT)
    pointers = (host.pointer(EVERY_INPUT), host.pointer(table))
    host.c.log_s16(*pointers, multiplier, offset, shift, host.pointer(y), y.size)
    wide = log(WIDE, table, multiplier, offset, shift)
    assert (y == saturated(wide)).all()
    error = wide[POSITIVE + 32768] * y_scale - np.log(POSITIVE * x_scale)
    assert np.abs(error).max() <= LOG_MAX_ERROR + y_scale / 2
    assert (wide[:32769] == wide[32769]).all(), "x <= 0 is taken as 1"
