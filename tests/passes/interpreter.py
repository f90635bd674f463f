"""The integer step in plain Python integers: the oracle of the pass and code generator tests."""

from __future__ import annotations

import numpy as np

from tqs_edge.integer.program import (
    AffineOp,
    ConcatOp,
    DenseOp,
    IntegerProgram,
    LutOp,
    ProductOp,
    QTensor,
    ReshapeOp,
    SliceOp,
)
from tqs_edge.quant.lut import tanh_table

TABLE = [int(v) for v in tanh_table()]


def run_step(program: IntegerProgram, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor of one step, from x, exog and the states in `inputs`."""
    values = {**inputs, **program.constants}
    for op in program.ops:
        values[op.output] = _apply(op, values, program.tensors[op.output])
    return values


def run_rollout(program: IntegerProgram, context: np.ndarray, horizon: int) -> np.ndarray:
    """Frames (horizon, F) int16 of one recurrent rollout without exogenous inputs."""
    values = {s.name: np.zeros(program.tensors[s.name].shape, np.int64) for s in program.states}
    frames = []
    for call in range(len(context) + horizon - 1):
        x = context[call] if call < len(context) else frames[-1]
        step = run_step(program, {**values, program.input: x.reshape(1, -1)})
        frames.append(step[program.output].reshape(-1))
        values = {s.name: step[s.update] for s in program.states}
    return np.array(frames[len(context) - 1 :], np.int16)


def _apply(op, values, y: QTensor) -> np.ndarray:
    match op:
        case DenseOp():
            return _dense(op, values[op.input], y)
        case AffineOp():
            total = op.offset
            for name, m in zip(op.inputs, op.multipliers, strict=True):
                total = total + (_big(values[name]) << op.left_shift) * m
            return np.maximum(_saturate(total >> op.shift, y), op.lowest)
        case ProductOp():
            a, b = (_big(values[name]) for name in op.inputs)
            return _saturate((a * b * op.multiplier + (1 << (op.shift - 1))) >> op.shift, y)
        case LutOp():
            return _table(op, values[op.input], y)
        case SliceOp():
            axis = values[op.input].ndim + op.axis
            return np.take(values[op.input], range(op.begin, op.end), axis)
        case ConcatOp():
            return np.concatenate([values[n] for n in op.inputs], op.axis)
        case ReshapeOp():
            return values[op.input].reshape(y.shape)
    raise AssertionError(op)


def _dense(op: DenseOp, x: np.ndarray, y: QTensor) -> np.ndarray:
    parts = []
    for block in op.blocks:
        acc = _big(x) @ _big(block.weights).T + _big(block.bias)
        scaled = acc * _big(block.multiplier) + (1 << (block.shift - 1))
        assert block.acc_bits == 64 or max(abs(int(v)) for v in acc.flat) < 2**31
        assert max(abs(int(v)) for v in scaled.flat) < 2**63
        parts.append(_saturate(scaled >> block.shift, y))
    return np.concatenate(parts, -1)


def _table(op: LutOp, x: np.ndarray, y: QTensor) -> np.ndarray:
    out = []
    for value in _big(x).flat:
        shift = op.fraction_bits - (5 if op.function == "tanh" else 4)
        index, fraction = abs(value) >> shift, abs(value) & ((1 << shift) - 1)
        if index >= 256:
            result = TABLE[256]
        else:
            rise = (TABLE[index + 1] - TABLE[index]) * fraction
            result = TABLE[index] + ((rise + (1 << (shift - 1))) >> shift)
        result = -result if value < 0 else result
        if op.function == "sigmoid":
            result = min((32768 + result + 1) >> 1, 32767)
        out.append(result if y.bits == 16 else (result + 128) >> 8)
    return _saturate(np.array(out, object).reshape(x.shape), y)


def _big(values: np.ndarray) -> np.ndarray:
    """The values as Python integers, so that nothing can wrap."""
    return np.asarray(values).astype(object)


def _saturate(values: np.ndarray, y: QTensor) -> np.ndarray:
    high = (1 << (y.bits - 1)) - 1
    return np.minimum(np.maximum(values, -high - 1), high)
