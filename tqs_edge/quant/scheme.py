"""Real arrays to integers and back: weights symmetric with one scale per row."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CLIP_CANDIDATES = 64  # scales tried per row; more changes the error by less than 1 %


def integer_limits(bits: int) -> tuple[int, int]:
    """The least and the largest `bits`-bit two's complement integer."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def quantize(
    values: NDArray[np.floating], scale: float, bits: int, zero_point: int = 0
) -> NDArray[np.int64]:
    """sat(floor(values / scale + 1/2) - zero_point) as int64, saturated to `bits`-bit integers."""
    low, high = integer_limits(bits)
    rounded = np.floor(np.asarray(values, np.float64) / scale + 0.5)
    saturated: NDArray[np.int64] = np.clip(rounded - zero_point, low, high).astype(np.int64)
    return saturated


def scale_for_range(largest: float, bits: int) -> float:
    """The scale at which +-largest just fits `bits` bits; 2^-(bits-1) for an all-zero range."""
    return (largest if largest > 0.0 else 1.0) / ((1 << (bits - 1)) - 1)


def zero_point_for(low: float, high: float, scale: float, bits: int) -> int:
    """The zero point with which the numbers at `scale` lie around the middle of [low, high], and
    hold 0.0 exactly."""
    limit = integer_limits(bits)[1]
    return max(-limit, min(limit, math.floor((low + high) / 2.0 / scale + 0.5)))


def grid_for_span(low: float, high: float, bits: int) -> tuple[float, int]:
    """(scale, zero point) with which [low, high] and 0.0 just fit `bits` bits.

    The least number is left out, so that it never stands for 0.0.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = scale_for_range((high - low) / 2.0, bits)
    return scale, zero_point_for(low, high, scale, bits)


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
