"""Saturate and requantize in exact integers; twins of kernels/tqs_fixed.h.

The equations stand in kernels/README.md, "Arithmetic". Scalars are Python integers and never
overflow: a value outside its proven range is an error here, not a wrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tqs_edge.errors import OverflowUnproven

MIN_SHIFT = 32
MAX_SHIFT = 62
MAX_MULTIPLIER = 2**31 - 1
SHORT_BOUND = 2**27  # of accumulators that MIN_SHIFT suits, however small the factors


def saturate(value: int, bits: int) -> int:
    """`value` clamped to [-2^(bits-1), 2^(bits-1) - 1]."""
    limit = 1 << (bits - 1)
    return max(-limit, min(limit - 1, value))


def requantize(acc: int, multiplier: int, shift: int) -> int:
    """(acc * multiplier + 2^(shift-1)) >> shift: one rounding, half up, not saturated.

    Raises OverflowUnproven when an operand is out of range or the sum leaves int64.
    """
    if not (0 <= multiplier <= MAX_MULTIPLIER and MIN_SHIFT <= shift <= MAX_SHIFT):
        raise OverflowUnproven(
            f"requantize: multiplier {multiplier} must lie in [0, 2^31) and shift {shift} in "
            f"[{MIN_SHIFT}, {MAX_SHIFT}]; take both from to_multiplier_shift"
        )
    total = acc * multiplier + (1 << (shift - 1))
    if not -(2**63) <= total < 2**63:
        raise OverflowUnproven(
            f"requantize: accumulator {acc} times multiplier {multiplier} leaves 64 bits; "
            "bound the accumulator in to_multiplier_shift"
        )
    return total >> shift


def residual_update(x: np.ndarray, f: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """int16 sat(x + requantize(f)), elementwise; twin of tqs_residual_update_s16."""
    step = (f.astype(np.int64) * multiplier + (1 << (shift - 1))) >> shift
    return np.clip(x.astype(np.int64) + step, -32768, 32767).astype(np.int16)


@dataclass(frozen=True)
class MultiplierShift:
    """real factor of row r ~= multipliers[r] / 2^shift."""

    multipliers: tuple[int, ...]
    shift: int


def to_multiplier_shift(factors: Sequence[float], bounds: Sequence[int]) -> MultiplierShift:
    """int32 multiplier per row and the one shift that represent positive real `factors` best.

    bounds[r] is a proven bound on |acc| of row r. The shift is the largest in [32, 62] for which
    every multiplier stays below 2^31 and bounds[r] * multiplier[r] + 2^(shift-1) < 2^63, so that
    no rounding step is lost. multiplier = floor(factor * 2^shift + 1/2): the relative error of a
    row is at most 2^-(shift+1) / factor. That is 2^-31 for the row that limits the shift through
    its multiplier, and 2^-31 * (largest factor / factor) for the others; a factor below 2^-63
    becomes 0. Raises OverflowUnproven when no shift works.
    """
    if len(factors) != len(bounds) or not factors:
        raise OverflowUnproven(
            f"to_multiplier_shift: {len(factors)} factors need as many bounds, and at least one"
        )
    exact = [_positive_fraction(factor, row) for row, factor in enumerate(factors)]
    for shift in range(MAX_SHIFT, MIN_SHIFT - 1, -1):
        multipliers = tuple(_round_half_up(factor, shift) for factor in exact)
        if all(
            _fits(multiplier, int(bound), shift)
            for multiplier, bound in zip(multipliers, bounds, strict=True)
        ):
            return MultiplierShift(multipliers, shift)
    row, _ = next(
        (row, bound)
        for row, (factor, bound) in enumerate(zip(exact, bounds, strict=True))
        if not _fits(_round_half_up(factor, MIN_SHIFT), int(bound), MIN_SHIFT)
    )
    raise OverflowUnproven(
        f"row {row}: factor {float(exact[row]):.6g} with |acc| <= {int(bounds[row])} does not fit "
        "a 32-bit multiplier and a 64-bit product (factor < 1/2, |acc| * factor < 2^31); use a "
        "coarser output scale or a finer weight scale"
    )


def output_multiplier_shift(factors: Sequence[float], bounds: Sequence[int]) -> MultiplierShift:
    """to_multiplier_shift for the rows of a dense kernel, but with the least shift where that moves
    no output by more than 2^-6 LSB: cores round a product there as they take its high word.

    A multiplier is half an LSB off at most, which moves a row by bounds[r] / 2^(shift+1).
    """
    chosen = to_multiplier_shift(factors, bounds)
    if max(bounds) > SHORT_BOUND:
        return chosen
    exact = [_positive_fraction(factor, row) for row, factor in enumerate(factors)]
    return MultiplierShift(tuple(_round_half_up(f, MIN_SHIFT) for f in exact), MIN_SHIFT)


def _positive_fraction(factor: float, row: int) -> Fraction:
    try:
        exact = Fraction(float(factor))
    except (OverflowError, ValueError):
        exact = Fraction(0)
    if exact <= 0:
        raise OverflowUnproven(
            f"row {row}: factor {factor} is not a positive finite number; check the scales"
        )
    return exact


def _round_half_up(factor: Fraction, shift: int) -> int:
    numerator, denominator = factor.numerator << shift, factor.denominator
    return (2 * numerator + denominator) // (2 * denominator)


def _fits(multiplier: int, bound: int, shift: int) -> bool:
    return multiplier <= MAX_MULTIPLIER and bound * multiplier + (1 << (shift - 1)) < 2**63
