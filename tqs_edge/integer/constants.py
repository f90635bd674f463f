"""The integer constants of one operation, with the proof that it cannot overflow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tqs_edge.errors import OverflowUnproven
from tqs_edge.integer.program import AffineOp, DenseBlock, ProductOp, QTensor
from tqs_edge.integer.wide_ops import is_wide, wide_affine_op
from tqs_edge.quant.fixed_point import MAX_SHIFT, output_multiplier_shift, to_multiplier_shift
from tqs_edge.quant.scheme import integer_limits

ACC32_LIMIT = 1 << 31
EMPTY_ROW_FACTOR = 2.0**-16  # output LSBs per accumulator LSB of a row whose weights are all zero
MAX_LEFT_SHIFT = 15  # a 16-bit operand still fits int32 after it


def dense_block(
    q: NDArray[np.int16],
    scale: NDArray[np.float64],
    bias: NDArray[np.float32],
    begin: int,
    weight_bits: int,
    x: QTensor,
    y_scale: float | NDArray[np.float64],
) -> DenseBlock:
    """Rows `begin`... of a dense operation reading `x`, its output at `y_scale`, one or (rows,).

    q (rows, depth), scale (rows,), bias (rows,). The zero point of x is folded into the bias: sum
    w (x + z) = sum w x + z sum w, exactly. The accumulator has 32 bits where
    |bias| + 2^(x.bits-1) * sum|w| < 2^31 for every row, else 64; 16-bit weights always have 64.
    Raises OverflowUnproven where no multiplier keeps the 64-bit product in range.
    """
    empty = ~q.any(axis=1)
    scale = np.where(empty, EMPTY_ROW_FACTOR * y_scale / x.scale, scale)
    q_bias = np.floor(bias.astype(np.float64) / (x.scale * scale) + 0.5).astype(np.int64)
    q_bias += x.zero_point * q.astype(np.int64).sum(axis=1)
    largest_x = 1 << (x.bits - 1)
    bound = np.abs(q_bias) + largest_x * np.abs(q.astype(np.int64)).sum(axis=1)
    acc_bits = 32 if weight_bits < 16 and int(bound.max()) < ACC32_LIMIT else 64
    requant = output_multiplier_shift((x.scale * scale / y_scale).tolist(), bound.tolist())
    multiplier = np.array(requant.multipliers, np.int32)
    return DenseBlock(
        begin, begin + len(q), weight_bits, q, q_bias, multiplier, requant.shift, acc_bits
    )


def affine_op(
    inputs: tuple[QTensor, ...],
    gains: tuple[float, ...],
    constant: float,
    y: QTensor,
    *,
    rectify: bool = False,
) -> AffineOp:
    """y = sum_i gains[i] * inputs[i] + constant in integers, clamped at 0.0 below if `rectify`.

    Raises OverflowUnproven where a gain is too large for the output's scale.
    """
    factors = [gain * x.scale / y.scale for gain, x in zip(gains, inputs, strict=True)]
    if is_wide(*inputs, y):
        return wide_affine_op(inputs, factors, constant / y.scale, y, rectify=rectify)
    largest = max(abs(f) for f in factors)
    exponent = math.floor(math.log2(largest)) if largest > 0.0 else -16
    left_shift = max(0, exponent + 3)
    shift = min(MAX_SHIFT, left_shift + 29 - exponent)  # multipliers then stay within 2^30
    unit = 2.0 ** (shift - left_shift)
    multipliers = tuple(math.floor(f * unit + 0.5) for f in factors)
    moved = sum(f * x.zero_point for f, x in zip(factors, inputs, strict=True)) - y.zero_point
    offset = math.floor((constant / y.scale + moved) * 2.0**shift + 0.5) + (1 << (shift - 1))
    if all(abs(gain) == 1.0 for gain in gains):
        largest_x = [1 << (x.bits - 1) for x in inputs]
        multipliers = _short(multipliers, largest_x, offset >> left_shift, shift - left_shift)
    reach = sum(
        abs(m) << (left_shift + x.bits - 1) for m, x in zip(multipliers, inputs, strict=True)
    )
    if left_shift > MAX_LEFT_SHIFT or reach + abs(offset) >= 1 << 63:
        raise OverflowUnproven(
            f"'{y.name}': a gain of {largest:.3g} output LSBs per input LSB cannot be computed in "
            "64 bits; its observed range is too small against its inputs: roll out from contexts "
            "that excite the model, or rescale the layer"
        )
    lowest = -y.zero_point if rectify else integer_limits(y.bits)[0]
    names = tuple(x.name for x in inputs)
    return AffineOp(y.name, names, multipliers, left_shift, offset, shift, lowest)


def _short(
    multipliers: tuple[int, ...], largest: list[int], offset: int, shift: int
) -> tuple[int, ...]:
    """Multipliers with so many low bits cleared that sum_i largest_i * |m_i| + |offset|, without
    these bits, is below 2^31; unchanged where that moves the sum by more than 2^shift, one LSB.

    Then the sum needs 32 bits. Powers of two lose nothing.
    """
    fractions = [m % (1 << shift) for m in multipliers]
    for cleared in range(shift):
        half = 1 << cleared >> 1
        short = [(m + half) >> cleared for m in multipliers]
        reach = sum(abs(m) * x for m, x, f in zip(short, largest, fractions, strict=True) if f)
        if reach + abs(offset >> cleared) < ACC32_LIMIT - 1:
            kept = tuple(m << cleared for m in short)
            moved = sum(abs(m - k) * x for m, k, x in zip(multipliers, kept, largest, strict=True))
            return kept if moved <= 1 << shift else multipliers
    return multipliers


def product_op(a: QTensor, b: QTensor, y: QTensor) -> ProductOp:
    """y = a * b in integers; needs product_fits(a, b, y)."""
    bound = 1 << (a.bits + b.bits - 2)
    requant = to_multiplier_shift([a.scale * b.scale / y.scale], [bound])
    return ProductOp(y.name, (a.name, b.name), requant.multipliers[0], requant.shift)


def product_fits(a: QTensor, b: QTensor, y: QTensor) -> bool:
    """Whether one output LSB is worth more than two product LSBs, as requantize needs."""
    return a.scale * b.scale / y.scale < 0.5
