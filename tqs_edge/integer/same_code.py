"""A program with other weights under the decisions of one that is compiled already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.integer.program import DenseBlock, DenseOp, IntegerOp, IntegerProgram
from tqs_edge.quant.fixed_point import MAX_MULTIPLIER


def with_decisions_of(program: IntegerProgram, compiled: IntegerProgram) -> IntegerProgram:
    """`program` with the shifts and accumulator widths of the dense layers of `compiled`, where
    all that is proven of a program holds for it too.

    Multipliers are shifted along, at most half a unit off. Raises InputError that names the layer
    whose weights need other code.
    """
    decided = {op.output: op for op in compiled.ops if isinstance(op, DenseOp)}

    def adapted(op: IntegerOp) -> IntegerOp:
        if not isinstance(op, DenseOp) or op.output not in decided:
            return op
        model, bits = decided[op.output], program.tensors[op.input].bits
        if len(model.blocks) != len(op.blocks):
            return op
        pairs = zip(op.blocks, model.blocks, strict=True)
        return replace(op, blocks=tuple(_adapted(op.weight, b, m, bits) for b, m in pairs))

    return replace(program, ops=tuple(map(adapted, program.ops)))


def _adapted(name: str, block: DenseBlock, model: DenseBlock, bits: int) -> DenseBlock:
    bound = np.abs(block.bias) + (np.abs(block.weights.astype(np.int64)).sum(axis=1) << (bits - 1))
    if model.acc_bits == 32 and int(bound.max()) >= 1 << 31:
        raise _needs_other_code(name, "sums that 32 bits do not hold")
    rise = model.shift - block.shift
    exact = [int(m) << rise if rise >= 0 else _halved(int(m), -rise) for m in block.multiplier]
    half = 1 << (model.shift - 1)
    fits = all(b * m + half < 1 << 63 for b, m in zip(bound.tolist(), exact, strict=True))
    if max(exact) > MAX_MULTIPLIER or not fits:
        raise _needs_other_code(name, "a factor that the compiled shift does not hold")
    return replace(
        block,
        multiplier=np.array(exact, np.int32),
        shift=model.shift,
        acc_bits=model.acc_bits,
    )


def _halved(value: int, times: int) -> int:
    """value / 2^times, rounded half up."""
    return (value + (1 << (times - 1))) >> times


def _needs_other_code(name: str, what: str) -> InputError:
    return InputError(
        f"the new weights of '{name}' need {what}: they fit no image of this program; "
        "compile the model anew"
    )
