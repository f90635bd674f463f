"""Real arrays to integers and back: symmetric, zero point 0, weights with one scale per row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLIP_CANDIDATES = 64  # scales tried per row; more changes the error by less than 1 %


def integer_limits(bits: int) -> tuple[int, int]:
    """The least and the largest `bits`-bit two's complement integer."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def quantize(values: NDArray[np.floating], scale: float, bits: int) -> NDArray[np.int64]:
    """sat(floor(values / scale + 1/2)) as int64, saturated to `bits`-bit integers."""
    low, high = integer_limits(bits)
    rounded = np.floor(np.asarray(values, np.float64) / scale + 0.5)
    return np.clip(rounded, low, high).astype(np.int64)


def scale_for_range(largest: float, bits: int) -> float:
    """The scale at which +-largest just fits `bits` bits; 2^-(bits-1) for an all-zero range."""
    return (largest if largest > 0.0 else 1.0) / ((1 << (bits - 1)) - 1)


def quantize_rows(
    weights: NDArray[np.floating], bits: int
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Integers (rows, depth) int16 and scales (rows,) float64 of least squared error per row.

    The scale of a row is the best of a fixed grid of clip factors (the first of equals), so the
    result is a function of the row alone: blocks of rows may be quantized in any grouping.
    """
    low, high = integer_limits(bits)
    w = np.asarray(weights, np.float64)
    largest = np.abs(w).max(axis=1, initial=0.0)
    largest = np.where(largest > 0.0, largest, 1.0)
    # From "the largest magnitude lands on `high`" down to clipping about two thirds of it away.
    factors = np.linspace(-low / high, 0.35, CLIP_CANDIDATES)
    best_error = np.full(len(w), np.inf)
    best_scale = np.ones(len(w))
    best = np.zeros(w.shape, np.int16)
    for factor in factors:
        scale = largest / -low * factor
        q = np.clip(np.floor(w / scale[:, None] + 0.5), low, high)
        error = ((q * scale[:, None] - w) ** 2).sum(axis=1)
        better = error < best_error
        best_error = np.where(better, error, best_error)
        best_scale = np.where(better, scale, best_scale)
        best[better] = q[better].astype(np.int16)
    return best, best_scale


def fake_quantize_rows(weights: NDArray[np.floating], bits: int) -> NDArray[np.float32]:
    """The real values (rows, depth) that `bits`-bit weights stand for."""
    q, scale = quantize_rows(weights, bits)
    return (q * scale[:, None]).astype(np.float32)
