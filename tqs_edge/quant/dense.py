"""Dense layer in exact integers; twin of every tqs_dense_* kernel."""

from __future__ import annotations

import numpy as np

from tqs_edge.errors import OverflowUnproven


def accumulate(x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """int64 (..., rows): bias + weights . x for x (..., depth), weights (rows, depth).

    Exact for depth <= 2^20: 16-bit products sum to less than 2^50. Raises OverflowUnproven when
    a bias leaves no room for that.
    """
    bias = np.asarray(bias, np.int64)
    if bias.size and not -(2**62) <= int(bias.min()) <= int(bias.max()) <= 2**62:
        raise OverflowUnproven("a bias exceeds 2^62 in magnitude; use a coarser weight scale")
    acc: np.ndarray = bias + x.astype(np.int64) @ weights.astype(np.int64).T
    return acc


def requantize_rows(acc: np.ndarray, multiplier: np.ndarray, shift: int) -> np.ndarray:
    """int16 (..., rows): sat((acc * multiplier + 2^(shift-1)) >> shift), multiplier per row.

    Raises OverflowUnproven when a product would leave 64 bits.
    """
    multiplier = np.asarray(multiplier, np.int64)
    largest = int(np.abs(acc.astype(object) * multiplier.astype(object)).max(initial=0))
    if largest + (1 << (shift - 1)) >= 2**63:
        raise OverflowUnproven(
            "accumulator times multiplier leaves 64 bits; bound it in to_multiplier_shift"
        )
    rounded = (acc * multiplier + (1 << (shift - 1))) >> shift
    y: np.ndarray = np.clip(rounded, -32768, 32767).astype(np.int16)
    return y


def dense(
    x: np.ndarray, weights: np.ndarray, bias: np.ndarray, multiplier: np.ndarray, shift: int
) -> np.ndarray:
    """int16 outputs (..., rows) of integer inputs x (..., depth) and weights (rows, depth)."""
    return requantize_rows(accumulate(x, weights, bias), multiplier, shift)
