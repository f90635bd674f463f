"""Products with constants: time constants are kept, dead bands are where theory puts them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.diagonal_models import POLES
from tqs_edge.errors import OverflowUnproven
from tqs_edge.integer.program import QTensor, ScaleOp
from tqs_edge.integer.scale_op import scale_op, to_factors
from tqs_edge.quant.scheme import quantize


def state(bits: int, width: int = 1) -> QTensor:
    return QTensor("h", (1, width), bits, 2.0 ** -(bits - 1))


def time_constant(pole: float | Fraction) -> float:
    return -1.0 / math.log1p(float(pole - 1))


def realised(op: ScaleOp) -> list[Fraction]:
    return [op.whole + Fraction(int(m), 1 << op.shift) for m in op.multiplier.reshape(-1)]


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("poles", [POLES, *((a,) for a in POLES)], ids=str)
def test_time_constants_are_kept_within_1_percent(poles: tuple[float, ...], bits: int) -> None:
    h = state(bits, len(poles))
    op = scale_op(h, np.array([poles]), QTensor("y", h.shape, bits, h.scale))
    assert op.whole == 1
    for a, got in zip(poles, realised(op), strict=True):
        assert time_constant(got) == pytest.approx(time_constant(Fraction(a)), rel=1e-5)


def test_sixteen_bits_of_the_pole_itself_would_lose_the_time_constant() -> None:
    stored = Fraction(int(quantize(np.array(0.9999), 2.0**-15, 16)), 1 << 15)
    assert abs(time_constant(stored) / time_constant(0.9999) - 1.0) > 0.05


@example([1.5, 1e-108])
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_factors_are_within_half_a_unit_of_31_bits(values: list[float]) -> None:
    factors = to_factors(np.array(values))
    unit = Fraction(1, 1 << factors.shift)
    reach = max(abs(Fraction(v - factors.whole)) for v in values)  # in floats, as it is judged
    assert not reach or factors.shift == 62 or unit <= reach * Fraction(2, 1 << 31)
    for value, m in zip(values, factors.multipliers.tolist(), strict=True):
        assert abs(m) < 1 << 31
        error = abs(factors.whole + m * unit - Fraction(value))
        # The one value beyond the largest multiplier, 2^31 - 1/2 and up, is off by one unit.
        assert error <= unit / 2 or (abs(m) == (1 << 31) - 1 and error <= unit)


def test_factors_that_32_bits_cannot_hold_are_refused() -> None:
    with pytest.raises(OverflowUnproven, match="does not fit 31 bits"):
        to_factors(np.array([1.0, 2.0**31]))


def decayed(op: ScaleOp, start: np.ndarray, steps: int) -> np.ndarray:
    """`start` after so many zero-input steps of a 16-bit or wider state."""
    h, half = start.astype(np.int64), 1 << (op.shift - 1)
    for _ in range(steps):
        h = op.whole * h + ((h * op.multiplier.astype(np.int64) + half) >> op.shift)
    return h


@pytest.mark.parametrize("a", [0.9, 0.99, 0.999])
def test_dead_band_of_16_bits_is_where_theory_puts_it(a: float) -> None:
    # Rounded to nearest, h stays where |h| * (1 - a) <= 1/2: half up stops positive numbers on the
    # boundary itself and negative ones just inside it.
    op = scale_op(state(16), np.array([[a]]), state(16))
    every = np.arange(-(1 << 15), 1 << 15)[:, None]
    (pole,) = realised(op)
    largest = math.floor(Fraction(1, 2) / (1 - pole))
    least = -(math.ceil(Fraction(1, 2) / (1 - pole)) - 1)
    stays = every[decayed(op, every, 1) == every]
    assert (stays.min(), stays.max()) == (least, largest)
    ends = decayed(op, every, int(15 * time_constant(pole)))
    assert (ends.min(), ends.max()) == (least, largest)


@pytest.mark.parametrize("a", POLES)
def test_dead_band_of_32_bits_is_below_one_lsb_of_16(a: float) -> None:
    op = scale_op(state(32), np.array([[a]]), state(32))
    (pole,) = realised(op)
    largest = math.floor(Fraction(1, 2) / (1 - pole))
    assert largest < 1 << 16  # 0.08 LSB of 16 bits for the slowest pole
    near = np.arange(-3 * largest - 3, 3 * largest + 4, max(1, largest // 500))[:, None]
    ends = decayed(op, near, int(15 * time_constant(pole)))
    assert -largest <= ends.min() and ends.max() <= largest
    assert (decayed(op, np.array([[largest]]), 1) == largest).all()
