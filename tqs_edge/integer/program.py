"""The quantized step as data: integer operations with every constant decided.

This is the single description of what is computed. The NumPy reference executes it, the TVM passes
lower it; neither knows of the other. Arithmetic: kernels/README.md. All tensors are int8 or int16,
states and what updates them also int32 (integer/wide_ops.py); real value = (integer + zero_point) *
scale. Only tensors of 8 bits that nothing but dense operations read, through moves and padding,
have a zero point other than 0, and the totals of error feedback that lead to them.
`sat(v)` clamps to the output tensor's [-2^(bits-1), 2^(bits-1) - 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tqs_edge.integer.bound_ops import ClampOp, ExtremumOp, SelectOp
from tqs_edge.integer.layout_ops import PushOp, TransposeOp, UnfoldOp
from tqs_edge.integer.nonlinear_ops import NonlinearOp
from tqs_edge.integer.reduction_ops import MaxOp, MovingSumOp, SumOp


class Grid(NamedTuple):
    """Width, scale and zero point of a tensor."""

    bits: int
    scale: float
    zero_point: int = 0


@dataclass(frozen=True)
class QTensor:
    """An integer tensor; `bits` is 8, 16 or 32, real value = (integer + zero_point) * scale.

    0.0 is the integer -zero_point exactly, and what kept rows hold at first.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    scale: float
    zero_point: int = 0

    @property
    def grid(self) -> Grid:
        """What its integers stand for."""
        return Grid(self.bits, self.scale, self.zero_point)


@dataclass(frozen=True, eq=False)
class DenseBlock:
    """Rows [begin, end) of a dense operation, at one weight width: one kernel call.

    weights (rows, depth) int16 holding `weight_bits`-bit values; bias (rows,) int64 at scale
    s_x * s_w[row], x's zero point times the row's sum of weights in it; multiplier (rows,) int32 in
    [0, 2^31); shift in [32, 62].
    y[row] = sat((acc * multiplier[row] + 2^(shift-1)) >> shift), acc = bias + sum weights * x.
    `acc_bits` is 32 where no input can make |acc| reach 2^31, else 64; either way
    |acc| * multiplier + 2^(shift-1) < 2^63 is proven.
    """

    begin: int
    end: int
    weight_bits: int
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: int
    acc_bits: int


@dataclass(frozen=True, eq=False)
class DenseOp:
    """blocks cover the rows of the weight called `weight` in order; the output has 16 bits."""

    output: str
    input: str
    weight: str
    blocks: tuple[DenseBlock, ...]


@dataclass(frozen=True)
class AffineOp:
    """y = max(sat((sum_i (x_i << left_shift) * multiplier_i + offset) >> shift), lowest).

    One or two inputs, equal shapes or broadcast; an input may be a constant of the program.
    multiplier_i int32 (signed); offset int64 with the rounding half included; shift in [32, 62];
    the sum is proven to stay inside int64. `lowest` is 0.0 for a rectifier, else the
    type's minimum, which then stands for no 0.0.
    Where an input or the output has 32 bits: multipliers of up to 63 bits, shift in [0, 62].
    """

    output: str
    inputs: tuple[str, ...]
    multipliers: tuple[int, ...]
    left_shift: int
    offset: int
    shift: int
    lowest: int


@dataclass(frozen=True)
class ProductOp:
    """y = sat((a * b * multiplier + 2^(shift-1)) >> shift); |a * b| <= 2^30, multiplier < 2^31.

    shift is in [32, 62]. Where a or y has 32 bits: |a * b| <= 2^46, shift in [1, 62], and
    |a * b| * multiplier + 2^(shift-1) < 2^63 is proven.
    """

    output: str
    inputs: tuple[str, str]
    multiplier: int
    shift: int


@dataclass(frozen=True, eq=False)
class ScaleOp:
    """y = sat(whole * x + ((x * multiplier + 2^(shift-1)) >> shift)); multiplier int32, signed.

    multiplier: an array that broadcasts with x to y; whole 0 or 1; shift in [1, 62]. The sum stays
    inside int64 for every x of up to 32 bits.
    """

    output: str
    input: str
    whole: int
    multiplier: np.ndarray
    shift: int


@dataclass(frozen=True)
class LutOp:
    """y = table function ("tanh" or "sigmoid") of a 16-bit input with scale 2^-fraction_bits.

    16-bit outputs have scale 2^-15; 8-bit outputs (scale 2^-7) are sat((y16 + 128) >> 8).
    """

    output: str
    input: str
    function: str
    fraction_bits: int


@dataclass(frozen=True)
class SliceOp:
    """output = input[begin:end] along `axis` (negative)."""

    output: str
    input: str
    axis: int
    begin: int
    end: int


@dataclass(frozen=True)
class ConcatOp:
    """Inputs, all of the output's scale and width, joined along `axis` (negative).

    An input may be a constant of the program.
    """

    output: str
    inputs: tuple[str, ...]
    axis: int


@dataclass(frozen=True)
class ReshapeOp:
    """The same integers in row-major order under the output's shape."""

    output: str
    input: str


IntegerOp = (
    DenseOp
    | AffineOp
    | ProductOp
    | ScaleOp
    | LutOp
    | SliceOp
    | ConcatOp
    | ReshapeOp
    | TransposeOp
    | UnfoldOp
    | PushOp
    | SumOp
    | MovingSumOp
    | MaxOp
    | ExtremumOp
    | ClampOp
    | SelectOp
    | NonlinearOp
)


@dataclass(frozen=True)
class QState:
    """A state variable: tensor `name`, 0.0 at first, is replaced by tensor `update` (same grid)."""

    name: str
    update: str


@dataclass(frozen=True, eq=False)
class IntegerProgram:
    """One integer step, (x, exog, state...) -> (output, state...), in execution order.

    `input`, `exog` and `output` are 16-bit tensors; the output has the input's scale wherever it is
    fed back, so feeding back is a copy. Tensor names are valid C identifiers.
    """

    input: str
    exog: str | None
    output: str
    states: tuple[QState, ...]
    tensors: Mapping[str, QTensor]
    constants: Mapping[str, np.ndarray]  # integer tensors that are data, by tensor name
    ops: tuple[IntegerOp, ...]
