"""Integer operations beyond sums, products and layout: functions, quotients, rows, matrices.

Inputs and outputs have 16 bits; every output is saturated to them. Equations: kernels/README.md,
"Tables", "Powers" and "Rows".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tqs_edge.quant.knots import Knots


@dataclass(frozen=True, eq=False)
class TableOp:
    """y = the table of `function` at x, linear between knots; knots.max_error bounds the error."""

    output: str
    input: str
    function: str
    knots: Knots


@dataclass(frozen=True, eq=False)
class WaveOp:
    """y = sin or cos of x * turn / 2^32 turns, from one turn's table (257,) int16."""

    output: str
    input: str
    function: str
    table: NDArray[np.int16]
    turn: int


@dataclass(frozen=True)
class PowerOp:
    """y = function(max(x, 1)) * multiplier / 2^shift; sqrt of x <= 0 is 0.

    function: "sqrt", "rsqrt", or "reciprocal", which is that of x / 2^14.
    """

    output: str
    input: str
    function: str
    multiplier: int
    shift: int


@dataclass(frozen=True)
class LogOp:
    """y = (log2(max(x, 1)) * 2^23 * multiplier + offset) >> shift; the half is in the offset."""

    output: str
    input: str
    multiplier: int
    offset: int
    shift: int


@dataclass(frozen=True)
class DivideOp:
    """y = a / max(b, 1) * multiplier / 2^shift, NumPy broadcasting."""

    output: str
    inputs: tuple[str, str]
    multiplier: int
    shift: int


@dataclass(frozen=True)
class SoftmaxOp:
    """y = softmax over the last axis in Q15; multiplier / 2^(shift - 15) is the power of two, in
    Q16, per unit of max - x."""

    output: str
    input: str
    multiplier: int
    shift: int


@dataclass(frozen=True)
class NormalizeOp:
    """y = (n x - sum(x)) / sqrt(n sum(x^2) - sum(x)^2 + epsilon) * multiplier / 2^shift."""

    output: str
    input: str
    epsilon: int
    multiplier: int
    shift: int


@dataclass(frozen=True)
class DeviationOp:
    """y = sqrt(n sum(x^2) - sum(x)^2 + epsilon) * multiplier / 2^shift, the last axis then 1."""

    output: str
    input: str
    epsilon: int
    multiplier: int
    shift: int


@dataclass(frozen=True)
class MatmulOp:
    """y[..., m, n] = (sum_k a[..., m, k] b[..., k, n] * multiplier + 2^(shift-1)) >> shift.

    The sum has 64 bits, |sum| * multiplier + 2^(shift-1) < 2^63 is proven. The leading axes of a
    and b are equal, or one of them has a single matrix.
    """

    output: str
    inputs: tuple[str, str]
    multiplier: int
    shift: int


NonlinearOp = (
    TableOp | WaveOp | PowerOp | LogOp | DivideOp | SoftmaxOp | NormalizeOp | DeviationOp | MatmulOp
)

# What a scalar function's node may have become besides a TableOp. An output finer than the
# operation allows ends in a rescale.
FUNCTION_OPS: Mapping[str, type] = {
    "sin": WaveOp,
    "cos": WaveOp,
    "sqrt": PowerOp,
    "rsqrt": PowerOp,
    "reciprocal": PowerOp,
    "log": LogOp,
}
