"""Tables made for one function: equal to C, within the bound that they carry."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.conftest import HostKernels
from tests.kernels.nonlinear_cases import EVERY_INPUT
from tqs_edge.quant import waves
from tqs_edge.quant.knots import MAX_CELLS, TOLERANCE, Knots, fit_knots, lookup

WIDE = EVERY_INPUT.astype(np.int64)
CASES = {
    "exp": (np.exp, 4.0, 20.0),
    "exp of what is never positive": (np.exp, 9.0, 1.0),
    "sin": (np.sin, 3.2, 1.0),
    "abs": (np.abs, 2.0, 2.0),
    "softplus": (lambda x: np.logaddexp(0, x), 8.0, 8.0),
    "a constant": (lambda x: np.full_like(x, 0.5), 1.0, 1.0),
    "a step": (np.sign, 1.0, 1.0),
    "undefined below zero": (np.sqrt, 4.0, 2.0),
    "far beyond the output": (lambda x: 1000 * x, 1.0, 1.0),
}


def knots_of(name: str) -> tuple[Knots, np.ndarray]:
    """The table, and the function saturated, in output LSBs."""
    function, reach, top = CASES[name]
    x_scale, y_scale = 1.25 * reach / 32767, 1.25 * top / 32767
    with np.errstate(all="ignore"):
        exact = np.nan_to_num(function(WIDE * x_scale) / y_scale)
    return fit_knots(function, x_scale, y_scale), np.clip(exact, -32768, 32767)


@pytest.mark.parametrize("name", CASES)
def test_every_input_equals_c(host: HostKernels, name: str) -> None:
    knots, _ = knots_of(name)
    y = np.zeros_like(EVERY_INPUT)
    host.c.table_s16(
        host.pointer(EVERY_INPUT),
        host.pointer(knots.values),
        len(knots.values) - 1,
        knots.first,
        knots.step_bits,
        host.pointer(y),
        y.size,
    )
    assert (y == lookup(WIDE, knots)).all()


@pytest.mark.parametrize("name", CASES)
def test_the_error_bound_holds_for_every_input(name: str) -> None:
    knots, exact = knots_of(name)
    assert np.abs(lookup(WIDE, knots) - exact).max() <= knots.max_error
    assert len(knots.values) <= MAX_CELLS + 1
    assert knots.values.dtype == np.int16


@pytest.mark.parametrize("name", ["sin", "abs", "softplus", "a constant"])
def test_smooth_functions_reach_the_tolerance(name: str) -> None:
    assert knots_of(name)[0].max_error <= TOLERANCE


def test_a_corner_at_zero_needs_three_knots() -> None:
    assert knots_of("abs")[0].values.tolist() == [32767, 0, 32767]


def test_knots_are_spent_where_the_output_moves() -> None:
    knots, _ = knots_of("exp of what is never positive")
    last = knots.first + ((len(knots.values) - 1) << knots.step_bits)
    assert last < 1000 and knots.values[-1] > 32700  # exp(x) > 1.25 from x = 0.22 on


def test_knots_at_least_and_greatest_values_interpolate_without_overflow(
    host: HostKernels,
) -> None:
    knots = Knots(np.array([-32768, 32767, -32768], np.int16), -32768, 15, 0.0)
    y = np.zeros_like(EVERY_INPUT)
    table = host.pointer(knots.values)
    host.c.table_s16(host.pointer(EVERY_INPUT), table, 2, -32768, 15, host.pointer(y), y.size)
    assert (y == lookup(WIDE, knots)).all()


@pytest.mark.parametrize("function", waves.WAVES)
@pytest.mark.parametrize(("x_scale", "y_scale"), [(1e-4, 4e-5), (0.02, 2e-5), (3.0, 1e-4)])
def test_waves_equal_c_and_stay_within_their_bound(
    host: HostKernels, function: str, x_scale: float, y_scale: float
) -> None:
    table, turn = waves.wave_table(function, y_scale), waves.turn_of(x_scale)
    want = waves.wave(WIDE, table, turn)
    signed = turn - 2**32 if turn >= 2**31 else turn
    y = np.zeros_like(EVERY_INPUT)
    pointers = (host.pointer(EVERY_INPUT), host.pointer(table))
    host.c.wave_s16(*pointers, signed, host.pointer(y), y.size)
    assert (y == want).all()
    exact = getattr(np, function)(WIDE * x_scale)
    inside = np.abs(exact / y_scale) < 32767 * 0.99
    bound = waves.MAX_ERROR + y_scale
    assert np.abs(want * y_scale - exact)[inside].max() < bound
