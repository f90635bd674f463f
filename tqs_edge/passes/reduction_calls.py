"""Sums and maxima along an axis: one accumulator per element of the output."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import te, tirx

from tqs_edge.integer.program import IntegerProgram, QTensor
from tqs_edge.integer.reduction_ops import MaxOp, SumOp
from tqs_edge.passes.integer_ops import (
    OPAQUE,
    IntegerCall,
    dtype_of,
    loop_nest,
    saturate,
    statement,
)
from tqs_edge.quant.scheme import integer_limits

Combine = Callable[[tirx.Expr, tirx.Expr], tirx.Expr]
Finish = Callable[[tirx.Expr], tirx.Expr]


def sum_call(op: SumOp, program: IntegerProgram) -> IntegerCall:
    """y = sat((sum x * factor + 2^(shift-1)) >> shift); 32-bit sums where they cannot overflow."""
    x, y = program.tensors[op.input], program.tensors[op.output]
    bound = x.shape[op.axis] << (x.bits - 1)

    def scaled(acc: tirx.Expr) -> tirx.Expr:
        half = tirx.const(1 << (op.shift - 1), "int64")
        total = acc.astype("int64") * tirx.const(op.factor, "int64") + half
        return saturate((total >> tirx.const(op.shift, "int64")).astype("int32"), y.bits)

    dtype = "int32" if bound < 1 << 31 else "int64"
    start = tirx.const(0, dtype)
    return _reduction(x, y, op.axis, start, lambda acc, value: acc + value, scaled)


def max_call(op: MaxOp, program: IntegerProgram) -> IntegerCall:
    """y = the largest x along the axis."""
    x, y = program.tensors[op.input], program.tensors[op.output]
    start = tirx.const(integer_limits(x.bits)[0], "int32")
    return _reduction(x, y, op.axis, start, te.max, lambda acc: acc.astype(dtype_of(y)))


def _reduction(
    x: QTensor, y: QTensor, axis: int, start: tirx.Expr, combine: Combine, finish: Finish
) -> IntegerCall:
    """y = finish(combine(... combine(start, first x), ..., last x)) along the axis."""
    source = te.placeholder(x.shape, dtype_of(x), name=x.name)
    dtype = str(start.ty.dtype)

    def loops(inputs: Sequence[tirx.Buffer], outputs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        outer = [tirx.Var(f"i{d}", "int64") for d in range(len(y.shape))]
        k, acc = tirx.Var("k", "int64"), tirx.decl_buffer((1,), dtype, "acc")
        place = [*outer]
        place[axis] = k
        value = inputs[0][tuple(place)].astype(dtype)
        each = tirx.stmt_seq(
            tirx.AllocBuffer(acc),
            tirx.BufferStore(acc, start, [0]),
            loop_nest([k], [x.shape[axis]], tirx.BufferStore(acc, combine(acc[0], value), [0])),
            tirx.BufferStore(outputs[0], finish(acc[0]), outer),
        )
        return loop_nest(outer, y.shape, each)

    result = statement(y.name, [source], y.shape, dtype_of(y), loops)
    marks = {"tqs.tensor": y.name, "op_pattern": OPAQUE, "tirx.noalias": True}
    func = te.create_prim_func([source, result]).with_attrs(marks)
    return IntegerCall(func, (x.name,))
