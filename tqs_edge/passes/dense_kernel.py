"""A dense function becomes calls of the tqs_dense_* kernels, its weights packed for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax, te, tirx

from tqs_edge import kernel_table
from tqs_edge.passes.dense_op import OPERANDS_PER_BLOCK
from tqs_edge.passes.integer_ops import OPAQUE, statement
from tqs_edge.quant.pack import pack

READ_AHEAD = 16  # kernels read inputs up to a multiple of this many elements
WORD_BYTES = 4  # kernels need inputs aligned to this
BYTE = 8  # bits of the weights whose stored form depends on the core


CopyRow = Callable[[tirx.Buffer, Sequence[tirx.Expr], tirx.Buffer], tirx.Stmt]


@dataclass(frozen=True)
class DenseShape:
    """`lead` rows of `depth` elements, `stride` apart; `rows` outputs for each of them."""

    lead: int
    depth: int
    stride: int
    rows: int


def dense_shape(func: tirx.PrimFunc) -> DenseShape:
    """The shape of a dense function; rows of x that would be misaligned get a wider stride."""
    *lead_extents, depth = (int(n) for n in func.params[0].ty.shape)
    lead = int(np.prod(lead_extents))
    per_word = WORD_BYTES // (act_bits(func) // 8)
    stride = depth if lead == 1 else -(-depth // per_word) * per_word
    return DenseShape(lead, depth, stride, int(func.params[-1].ty.shape[-1]))


def act_bits(func: tirx.PrimFunc) -> int:
    """Bits of the input's elements."""
    return int(tvm.DataType(str(func.params[0].ty.dtype)).bits)


def strided_rows(func: tirx.PrimFunc, name: str) -> tirx.PrimFunc:
    """A copy of x (..., depth) to (lead, stride) that aligns every row; the gaps stay unwritten."""
    param, shape = func.params[0], dense_shape(func)
    dtype = str(param.ty.dtype)
    x = te.placeholder(param.ty.shape, dtype, name=param.name)

    def body(ins: Sequence[tirx.Buffer], outs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        row, column = tirx.Var("row", "int64"), tirx.Var("column", "int64")
        value = ins[0][(*_lead_indices(x.shape, row), column)]
        copy = tirx.BufferStore(outs[0], value, [row, column])
        return _loop(row, shape.lead, _loop(column, shape.depth, copy))

    rows = statement(name, [x], (shape.lead, shape.stride), dtype, body)
    marks: dict[str, object] = {"tqs.tensor": name, "op_pattern": OPAQUE, "tirx.noalias": True}
    return te.create_prim_func([x, rows]).with_attrs(marks)


def _loop(var: tirx.Var, extent: int, body: tirx.Stmt) -> tirx.Stmt:
    zero, count = tirx.const(0, "int64"), tirx.const(extent, "int64")
    return tirx.For(var, zero, count, tirx.ForKind.SERIAL, body)


def dense_kernel(
    func: tirx.PrimFunc,
    args: Sequence[relax.Expr],
    shape: DenseShape,
    *,
    source: relax.Expr | None = None,
    copy_row: CopyRow | None = None,
) -> tuple[tirx.PrimFunc, list[relax.Expr]]:
    """The function of kernel calls and its arguments.

    args: those of `func`, x replaced by a tensor whose rows start `shape.stride` elements apart, a
    whole number of its own rows. One call per block and leading row. With `source`, x is one row
    that copy_row(source, index, x) fills before the calls of every leading row. The attribute
    "tqs.padded_input" is the number of elements of x that must be readable, "tqs.byte_weights" the
    positions of operands that are 8-bit weights.
    """
    bits = act_bits(func)
    blocks = [[int(v) for v in block] for block in func.attrs["tqs.dense_blocks"]]
    name, y = str(func.attrs["tqs.tensor"]), func.params[-1]
    rows = [args[0]] if source is None else [args[0], source]
    operands = [*rows, *_packed(args, blocks, bits)]
    inputs = [
        te.placeholder(o.ty.shape.values, str(o.ty.dtype), name=n)
        for o, n in zip(operands, _names(func, rows, len(blocks)), strict=True)
    ]

    def body(ins: Sequence[tirx.Buffer], outs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        row = tirx.Var("row", "int64")
        at = row if shape.lead > 1 else tirx.const(0, "int64")
        x, y = ins[0], outs[0]
        first = _lead_indices(x.shape, at * (shape.stride // int(x.shape[-1])))
        calls = [] if copy_row is None else [copy_row(ins[1], _lead_indices(y.shape, at), x)]
        for number, (begin, end, weight_bits, acc_bits, shift) in enumerate(blocks):
            arrays = ins[len(rows) + OPERANDS_PER_BLOCK * number :][:OPERANDS_PER_BLOCK]
            call = tirx.call_extern(
                "void",
                kernel_table.dense_kernel(bits, weight_bits, acc_bits).symbol,
                tirx.address_of(x[(*first, 0)]),
                *(tirx.address_of(a[(0,) * len(a.shape)]) for a in arrays),
                shift,
                tirx.address_of(y[(*_lead_indices(y.shape, at), begin)]),
                end - begin,
                shape.depth,
            )
            calls.append(tirx.Evaluate(call))
        once = tirx.stmt_seq(*calls)
        return once if shape.lead == 1 else _loop(row, shape.lead, once)

    result = statement(name, inputs, y.ty.shape, str(y.ty.dtype), body)
    padded = (shape.lead - 1) * shape.stride + -(-shape.depth // READ_AHEAD) * READ_AHEAD
    marks: dict[str, object] = {"tqs.tensor": name, "op_pattern": OPAQUE, "tirx.noalias": True}
    kernel = te.create_prim_func([*inputs, result])
    bytewise = [
        len(rows) + OPERANDS_PER_BLOCK * number
        for number, (_, _, weight_bits, _, _) in enumerate(blocks)
        if weight_bits == BYTE
    ]
    marks |= {"tqs.padded_input": padded, "tqs.byte_weights": bytewise}
    return kernel.with_attrs(marks), operands


def _packed(args: Sequence[relax.Expr], blocks: list[list[int]], bits: int) -> list[relax.Expr]:
    """Packed weights, bias and multiplier of every block."""
    operands = []
    for number, (_, _, weight_bits, _, _) in enumerate(blocks):
        weights, *rest = args[1 + OPERANDS_PER_BLOCK * number :][:OPERANDS_PER_BLOCK]
        operands.append(relax.const(pack(weights.value.numpy(), weight_bits, bits), "uint32"))
        operands += rest
    return operands


def _names(func: tirx.PrimFunc, rows: Sequence[relax.Expr], blocks: int) -> list[str]:
    kinds = ("weights", "bias", "multiplier")
    own = [func.params[0].name, "source"][: len(rows)]
    return [*own, *(f"{kind}_{n}" for n in range(blocks) for kind in kinds)]


def _lead_indices(shape: Sequence[tirx.Expr], row: tirx.Expr) -> list[tirx.Expr]:
    """Indices of all axes but the last, of the row-major number `row`."""
    indices: list[tirx.Expr] = []
    for extent in reversed([int(n) for n in shape[:-1]]):
        indices.append(tirx.const(0, "int64") if extent == 1 else tirx.floormod(row, extent))
        row = row if extent == 1 else tirx.floordiv(row, extent)
    return indices[::-1]
