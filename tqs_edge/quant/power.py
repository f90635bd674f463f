"""Division, square roots and logarithms of 16-bit integers; twins of kernels/tqs_power.h.

A positive integer is shifted until its leading bit, or one of its two leading bits, is bit 31; the
function of that mantissa comes from a polynomial and two Newton steps, and the shift is taken back
with the output's scale. All values fit 64 bits. Equations: kernels/README.md, "Powers".
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tqs_edge.errors import OverflowUnproven

Ints = NDArray[np.int64]
Whole = TypeVar("Whole", int, Ints)

# Least relative error over the mantissas, lowest power first, times 2^28.
RECIPROCAL_START = (1138803534, 1561778963, 694123821)  # 4.24 - 5.82 m + 2.59 m^2, 1/2 <= m < 1
INVERSE_ROOT_START = (716935381, 881881295, 439840162)  # 2.67 - 3.29 m + 1.64 m^2, 1/4 <= m < 1
RECIPROCAL_MAX_ERROR = 2.0**-25  # relative, of `reciprocal`, every mantissa
INVERSE_ROOT_MAX_ERROR = 2.0**-19  # relative, of `inverse_root`, every mantissa

MAX_ERROR = 0.55  # output LSBs, of quotients and roots, besides saturation
LOG_MAX_ERROR = 2.5e-5  # of a logarithm in real units, besides half an output LSB

LARGEST_MULTIPLIER = 1 << 30
DIVIDE_SHIFTS, ROOT_SHIFTS, INVERSE_ROOT_SHIFTS = (2, 48), (10, 33), (1, 24)
ONE = 1 << 14  # numerator of a reciprocal
LOG_KNOT_BITS = 7
LOG_FRACTION_BITS = 23  # of the integer logarithm that the multiplier scales


def normal_multiplier(factor: float, shifts: tuple[int, int], name: str) -> tuple[int, int]:
    """(multiplier, shift) with factor ~= multiplier / 2^shift and multiplier <= 2^30.

    The shift is the largest in [shifts[0], shifts[1]] that allows it. Raises OverflowUnproven,
    naming the tensor `name`, where even the smallest is too large.
    """
    for shift in range(shifts[1], shifts[0] - 1, -1):
        multiplier = math.floor(math.ldexp(factor, shift) + 0.5)
        if multiplier <= LARGEST_MULTIPLIER:
            return multiplier, shift
    raise OverflowUnproven(
        f"'{name}': a factor of {factor:.3g} output LSBs cannot be computed in 64 bits; its "
        "observed range is too small against its inputs: roll out from contexts that excite it"
    )


def high_product(a: Whole, b: Whole | int) -> Whole:
    """(a * b) >> 32."""
    return (a * b) >> 32


def reciprocal(d: Whole) -> Whole:
    """2^62 / d, within RECIPROCAL_MAX_ERROR, for d in [2^31, 2^32)."""
    c0, c1, c2 = RECIPROCAL_START
    r = c0 - high_product(d, c1 - high_product(d, c2))
    r = high_product(r << 1, ((1 << 29) - high_product(d, r)) << 3)
    return high_product(r << 2, ((1 << 29) - high_product(d, r)) << 3) << 1


def inverse_root(v: Whole) -> Whole:
    """2^46 / sqrt(v), within INVERSE_ROOT_MAX_ERROR, for v in [2^30, 2^32)."""
    c0, c1, c2 = INVERSE_ROOT_START
    g = c0 - high_product(v, c1 - high_product(v, c2))
    g = _root_step(v, g) >> 1
    return _root_step(v, g) << 1


def _root_step(v: Whole, g: Whole) -> Whole:
    """g * (3 - v g^2) / 2 with 29 fraction bits; g has 28."""
    square = high_product(g << 2, g << 2)
    return high_product(g << 2, ((3 << 28) - high_product(v, square)) << 2)


def leading_zeros(v: Ints) -> Ints:
    """Zero bits above the leading one of 32-bit numbers v in [1, 2^32)."""
    zeros = np.zeros_like(v)
    for step in (16, 8, 4, 2, 1):
        small = v < 1 << (32 - step)
        v = np.where(small, v << step, v)
        zeros += np.where(small, step, 0)
    return zeros


def round_shift(v: Ints, shift: int | Ints) -> Ints:
    """(v + 2^(shift-1)) >> shift."""
    half: Ints = np.left_shift(np.int64(1), shift - 1)
    return (v + half) >> shift


def scale(v: Ints, factor: Ints, down: Ints) -> Ints:
    """v * factor / 2^down, not saturated; values that saturate for certain may be smaller.

    factor <= 2^30, and factor >= 2^28 where down < 32: there v is shifted left instead.
    """
    left = np.maximum(32 - down, 0)
    limit = np.right_shift(np.int64(2**31 - 1), left)
    return round_shift((np.clip(v, -limit, limit) << left) * factor, down + left)


def divide(a: Ints, b: Ints, multiplier: int, shift: int) -> Ints:
    """a / max(b, 1) * multiplier / 2^shift, not saturated; 16-bit a and b."""
    b = np.maximum(b, 1)
    zeros = leading_zeros(b)
    factor = (reciprocal(b << zeros) * multiplier) >> 31
    return scale(a, factor, shift + 31 - zeros)


def power(function: str, x: Ints, multiplier: int, shift: int) -> Ints:
    """reciprocal, rsqrt or sqrt of max(x, 1) * multiplier / 2^shift, not saturated; sqrt(0) = 0.

    16-bit x. The reciprocal is that of x / 2^14.
    """
    if function == "reciprocal":
        return divide(np.full_like(x, ONE), x, multiplier, shift)
    positive = np.maximum(x, 1)
    zeros = leading_zeros(positive) & ~1
    v = positive << zeros
    g = inverse_root(v)
    if function == "rsqrt":
        return round_shift(g * multiplier, shift + 46 - (zeros >> 1))
    root = round_shift(high_product(v, g) * multiplier, shift + 14 + (zeros >> 1))
    return np.where(x > 0, root, 0)


def log_table() -> NDArray[np.int16]:
    """int16 (129,): log2(1 + k / 128) in Q15, the last one 32767."""
    steps = 1 << LOG_KNOT_BITS
    knots = [math.floor(math.log2(1 + k / steps) * 32768 + 0.5) for k in range(steps + 1)]
    return np.minimum(knots, 32767).astype(np.int16)


def log(x: Ints, table: NDArray[np.int16], multiplier: int, offset: int, shift: int) -> Ints:
    """(log2(max(x, 1)) * 2^23 * multiplier + offset) >> shift, not saturated; 16-bit x."""
    positive = np.maximum(x, 1)
    zeros = leading_zeros(positive)
    mantissa = (positive << zeros) - (1 << 31)
    index, fraction = mantissa >> 24, (mantissa >> 9) & 0x7FFF
    wide = table.astype(np.int64)
    low = wide[index]
    between = ((wide[index + 1] - low) * fraction + (1 << 6)) >> 7
    whole = ((31 - zeros) << LOG_FRACTION_BITS) + (low << 8) + between
    scaled: Ints = whole * multiplier + offset
    return scaled >> shift
