"""Softmax of 16-bit rows; twin of kernels/tqs_softmax_s16.c.

exp(x - max) is 2 to a negative power in Q16: its whole part is a shift, its fraction a table.
Equations: kernels/README.md, "Rows".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tqs_edge.quant.power import Ints, leading_zeros, reciprocal, round_shift

EXP_KNOT_BITS = 7
POWER_BITS = 16  # fraction bits of the power of two
DISTANCE_SHIFT = 15  # max - x is shifted by this before it is scaled
MAX_LENGTH = 4096
MAX_ERROR = 1.25  # LSBs of Q15 against the exact softmax of the same integers, the clamp included


def exp_table() -> NDArray[np.int16]:
    """int16 (129,): 2^16 * (1 - 2^(-k / 128)), the last one 32767."""
    steps = 1 << EXP_KNOT_BITS
    knots = [math.floor(65536 * (1 - 2 ** (-k / steps)) + 0.5) for k in range(steps + 1)]
    return np.minimum(knots, 32767).astype(np.int16)


def sum_bits(length: int) -> int:
    """The most fraction bits with which `length` numbers up to 1 add up to at most 2^31."""
    return min(30, 31 - (length - 1).bit_length())


def softmax(x: Ints, table: NDArray[np.int16], multiplier: int, shift: int) -> Ints:
    """Q15 softmax over the last axis, at most 32767.

    16-bit x; multiplier / 2^shift * 2^15 is the power's Q16 units per unit of x.
    """
    bits = sum_bits(x.shape[-1])
    distance = x.max(axis=-1, keepdims=True) - x
    power = round_shift((distance << DISTANCE_SHIFT) * multiplier, shift)
    terms = _exp2_of_minus(power, table)
    total = terms.sum(axis=-1, keepdims=True) >> (30 - bits)
    zeros = leading_zeros(total)
    inverse = reciprocal(total << zeros)
    short = (terms + (1 << 14)) >> 15
    return np.minimum(round_shift((short << 1) * inverse, 63 - bits - zeros), 32767)


def _exp2_of_minus(power: Ints, table: NDArray[np.int16]) -> Ints:
    """2^-power in Q30; the power in Q16, not negative."""
    index, rest = (power & 0xFFFF) >> 9, power & 0x1FF
    wide = table.astype(np.int64)
    low = wide[index]
    lost = low + (((wide[index + 1] - low) * rest + (1 << 8)) >> 9)
    terms: Ints = ((65536 - lost) << 14) >> np.minimum(power >> POWER_BITS, 31)
    return terms
