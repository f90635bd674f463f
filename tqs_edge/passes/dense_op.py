"""Dense operations as TE: one accumulation and one requantization per block of rows."""

from __future__ import annotations

import numpy as np
from tvm import te, tirx

from tqs_edge.integer.program import DenseBlock, DenseOp, IntegerProgram
from tqs_edge.passes.integer_ops import OPAQUE, IntegerCall, dtype_of, saturate

OPERANDS_PER_BLOCK = 3  # weights, bias, multiplier


def dense_call(op: DenseOp, program: IntegerProgram) -> IntegerCall:
    """y[..., row] = sat((acc * multiplier[row] + 2^(shift-1)) >> shift), weights unpacked.

    Operands: x, then weights (rows, depth) int8 or int16, bias int32 or int64 and multiplier int32
    of each block. The attribute "tqs.dense_blocks" lists per block begin, end, weight_bits,
    acc_bits and shift, in that order.
    """
    x_tensor, y_tensor = program.tensors[op.input], program.tensors[op.output]
    x = te.placeholder(x_tensor.shape, dtype_of(x_tensor), name=x_tensor.name)
    placeholders, constants, rows = [x], [], []
    for number, block in enumerate(op.blocks):
        arrays = block_arrays(block)
        tensors = [
            te.placeholder(a.shape, str(a.dtype), name=f"{kind}_{number}")
            for kind, a in zip(("w", "b", "m"), arrays, strict=True)
        ]
        rows.append(_block_rows(x, tensors, block, f"{y_tensor.name}_{number}"))
        placeholders += tensors
        constants += arrays

    def element(*indices: tirx.Expr) -> tirx.Expr:
        row, value = indices[-1], None
        for block, tensor in reversed(list(zip(op.blocks, rows, strict=True))):
            own = tensor(*indices[:-1], row - block.begin)
            value = own if value is None else tirx.if_then_else(row < block.end, own, value)
        return value

    y = te.compute(y_tensor.shape, element, name=y_tensor.name)
    blocks = [[b.begin, b.end, b.weight_bits, b.acc_bits, b.shift] for b in op.blocks]
    marks = {"tqs.tensor": op.output, "op_pattern": OPAQUE, "tqs.dense_blocks": blocks}
    func = te.create_prim_func([*placeholders, y]).with_attrs({**marks, "tirx.noalias": True})
    return IntegerCall(func, (op.input, *constants))


def block_arrays(block: DenseBlock) -> list[np.ndarray]:
    """Weights, bias and multiplier of a block in the dtypes its kernel reads."""
    return [
        block.weights.astype(np.int16 if block.weight_bits == 16 else np.int8),
        block.bias.astype(np.int32 if block.acc_bits == 32 else np.int64),
        block.multiplier.astype(np.int32),
    ]


def _block_rows(x: te.Tensor, operands: list[te.Tensor], block: DenseBlock, name: str) -> te.Tensor:
    """The block's rows of the output, int16 (..., rows)."""
    weights, bias, multiplier = operands
    rows, depth = block.weights.shape
    lead = tuple(x.shape[:-1])
    k = te.reduce_axis((0, depth), "k")
    acc_dtype = f"int{block.acc_bits}"
    half = tirx.const(1 << (block.shift - 1), "int64")

    def product(*indices: tirx.Expr) -> tirx.Expr:
        a, b = x(*indices[:-1], k), weights(indices[-1], k)
        return te.sum(a.astype(acc_dtype) * b.astype(acc_dtype), axis=k)

    acc = te.compute((*lead, rows), product, name=f"{name}_acc")

    def requantized(*indices: tirx.Expr) -> tirx.Expr:
        row = indices[-1]
        total = (acc(*indices) + bias(row)).astype("int64")
        scaled = total * multiplier(row).astype("int64") + half
        return saturate((scaled >> tirx.const(block.shift, "int64")).astype("int32"), 16)

    return te.compute((*lead, rows), requantized, name=f"{name}_rows")
