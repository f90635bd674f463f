"""Mean and deviation of 16-bit rows; twins of kernels/tqs_normalize_s16.c, tqs_deviation_s16.c.

Sums are exact: n * sum(x^2) - sum(x)^2 is n^2 times the variance. Equations: kernels/README.md,
"Rows".
"""

from __future__ import annotations

import numpy as np

from tqs_edge.quant.power import Ints, high_product, inverse_root, leading_zeros, round_shift, scale

MAX_ERROR = 0.55  # output LSBs, besides saturation, against the same integers and epsilon
NORMALIZE_SHIFTS = (2, 31)
MAX_LENGTH = 32767  # |n * x - sum(x)| < 2^31
MAX_SPREAD = 1 << 62  # n^2 * (variance + eps) stays below


def spread(x: Ints, epsilon: int) -> Ints:
    """n * sum(x^2) - sum(x)^2 + epsilon over the last axis, which keeps extent 1."""
    total = x.sum(axis=-1, keepdims=True)
    squares = (x * x).sum(axis=-1, keepdims=True)
    w: Ints = x.shape[-1] * squares - total * total + epsilon
    return w


def normalize(x: Ints, epsilon: int, multiplier: int, shift: int) -> Ints:
    """(n x - sum(x)) / sqrt(spread) * multiplier / 2^shift, not saturated."""
    v, half = _mantissa(spread(x, epsilon))
    factor = (inverse_root(v) * multiplier) >> 31
    distance = x.shape[-1] * x - x.sum(axis=-1, keepdims=True)
    return scale(distance, factor, shift + 31 - half)


def deviation(x: Ints, epsilon: int, multiplier: int, shift: int) -> Ints:
    """sqrt(spread) * multiplier / 2^shift over the last axis, not saturated."""
    v, half = _mantissa(spread(x, epsilon))
    root = high_product(v, inverse_root(v))
    return round_shift(root * multiplier, np.minimum(shift - 2 + half, 62))


def _mantissa(w: Ints) -> tuple[Ints, Ints]:
    """(v, half): the top 32 bits of w * 4^half, v in [2^30, 2^32), for w in [1, 2^62)."""
    high, low = w >> 32, w & 0xFFFFFFFF
    top = np.where(high > 0, high, low)
    below = np.where(high > 0, low, 0)
    zeros = leading_zeros(top) & ~1
    v = (top << zeros) | (below >> (32 - zeros))
    return v, (zeros >> 1) + np.where(high > 0, 0, 16)
