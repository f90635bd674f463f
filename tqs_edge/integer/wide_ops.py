"""Sums and products of which an input or the output has 32 bits, with the proofs that they fit.

The shift is not held to 32 and more here: a 32-bit result must be able to leave the 64-bit sum, and
is saturated in 64 bits.
"""

from __future__ import annotations

import math

from tqs_edge.errors import OverflowUnproven
from tqs_edge.integer.program import AffineOp, ProductOp, QTensor
from tqs_edge.quant.fixed_point import MAX_MULTIPLIER, MAX_SHIFT
from tqs_edge.quant.scheme import integer_limits

WIDE_BITS = 32


def is_wide(*tensors: QTensor) -> bool:
    """Whether any of the tensors has 32 bits."""
    return any(tensor.bits == WIDE_BITS for tensor in tensors)


def wide_affine_op(
    inputs: tuple[QTensor, ...], factors: list[float], constant: float, y: QTensor, *, rectify: bool
) -> AffineOp:
    """y = sum_i factors[i] * inputs[i] + constant, all in LSBs of y; clamped at 0 if `rectify`.

    The shift is the largest with which the sum stays below 2^63 for all inputs, so that an equal
    scale is the exact multiplier 2^shift. Raises OverflowUnproven where there is none.
    """
    lowest = 0 if rectify else integer_limits(y.bits)[0]
    names = tuple(x.name for x in inputs)
    for shift in range(MAX_SHIFT, -1, -1):
        pairs = list(zip(factors, inputs, strict=True))
        multipliers = tuple(_multiplier(factor, shift, x.bits) for factor, x in pairs)
        offset = _rounded(constant, shift) + (1 << shift >> 1)
        reach = sum(abs(m) << (x.bits - 1) for m, (_, x) in zip(multipliers, pairs, strict=True))
        if reach + abs(offset) < 1 << 63:
            return AffineOp(y.name, names, multipliers, 0, offset, shift, lowest)
    raise _too_large(y, max(map(abs, factors)))


def wide_product_op(a: QTensor, b: QTensor, y: QTensor) -> ProductOp:
    """y = a * b; a and b have at most 48 bits together.

    |a * b| * multiplier + 2^(shift-1) < 2^63 is proven for all inputs. Raises OverflowUnproven
    where no shift allows it.
    """
    bound = 1 << (a.bits + b.bits - 2)
    factor = a.scale * b.scale / y.scale
    for shift in range(MAX_SHIFT, 0, -1):
        multiplier = _rounded(factor, shift)
        fits = multiplier <= MAX_MULTIPLIER
        if fits and bound * multiplier + (1 << (shift - 1)) < 1 << 63:
            return ProductOp(y.name, (a.name, b.name), multiplier, shift)
    raise _too_large(y, factor)


def _multiplier(factor: float, shift: int, bits: int) -> int:
    """factor * 2^shift; beyond 32 bits a multiple of 2^(32-bits), so that (x << (32-bits)) times a
    32-bit number is the same product."""
    exact = _rounded(factor, shift)
    if abs(exact) <= MAX_MULTIPLIER:
        return exact
    step = WIDE_BITS - bits
    return _rounded(factor, shift - step) << step


def _rounded(factor: float, shift: int) -> int:
    return math.floor(math.ldexp(factor, shift) + 0.5)


def _too_large(y: QTensor, factor: float) -> OverflowUnproven:
    return OverflowUnproven(
        f"'{y.name}': a gain of {factor:.3g} output LSBs per input LSB cannot be computed in 64 "
        "bits; its observed range is too small against its inputs: roll out from contexts that "
        "excite the model, or give its state 16 bits"
    )
