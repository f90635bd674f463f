"""The reference of the nonlinear integer operations, by the twins in tqs_edge.quant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np

from tqs_edge.integer.nonlinear_ops import (
    DeviationOp,
    DivideOp,
    LogOp,
    MatmulOp,
    NonlinearOp,
    NormalizeOp,
    PowerOp,
    SoftmaxOp,
    TableOp,
    WaveOp,
)
from tqs_edge.quant.knots import HIGH, lookup
from tqs_edge.quant.matmul import matmul
from tqs_edge.quant.normalize import deviation, normalize
from tqs_edge.quant.power import Ints, divide, log, log_table, power
from tqs_edge.quant.softmax import exp_table, softmax
from tqs_edge.quant.waves import wave

LOG_TABLE, EXP_TABLE = cache(log_table), cache(exp_table)


def compute_nonlinear(op: NonlinearOp, values: Mapping[str, Ints]) -> Ints:
    """The output of `op` before saturation, int64 (N, *shape)."""
    match op:
        case TableOp():
            return lookup(values[op.input], op.knots)
        case WaveOp():
            return wave(values[op.input], op.table, op.turn)
        case PowerOp():
            return power(op.function, values[op.input], op.multiplier, op.shift)
        case LogOp():
            return log(values[op.input], LOG_TABLE(), op.multiplier, op.offset, op.shift)
        case DivideOp():
            a, b = _aligned(*(values[name] for name in op.inputs))
            return divide(a, b, op.multiplier, op.shift)
        case SoftmaxOp():
            return softmax(values[op.input], EXP_TABLE(), op.multiplier, op.shift)
        case NormalizeOp():
            return normalize(values[op.input], op.epsilon, op.multiplier, op.shift)
        case DeviationOp():
            return deviation(values[op.input], op.epsilon, op.multiplier, op.shift)
        case MatmulOp():
            a, b = _aligned(*(values[name] for name in op.inputs))
            return matmul(a, b, op.multiplier, op.shift)


def _aligned(*values: Ints) -> list[Ints]:
    """The values with one rank, extents of 1 inserted after the axis of contexts."""
    rank = max(v.ndim for v in values)
    return [v.reshape(len(v), *[1] * (rank - v.ndim), *v.shape[1:]) for v in values]


def outside_domain(op: object, values: Mapping[str, Ints]) -> int:
    """How many inputs lie where the function of `op` is not defined, or beyond its saturated
    table."""
    match op:
        case PowerOp(function="sqrt"):
            return int(np.count_nonzero(values[op.input] < 0))
        case PowerOp() | LogOp():
            return int(np.count_nonzero(values[op.input] < 1))
        case DivideOp():
            return int(np.count_nonzero(values[op.inputs[1]] < 1))
        case TableOp(knots=knots):
            x, last = values[op.input], len(knots.values) - 1
            limit = HIGH - math.ceil(knots.max_error)  # an end knot there stands for saturation
            below = (x < knots.first) & (abs(int(knots.values[0])) >= limit)
            end = knots.first + (last << knots.step_bits)
            above = (x > end) & (abs(int(knots.values[last])) >= limit)
            return int(np.count_nonzero(below | above))
    return 0
