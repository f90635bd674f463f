"""Sums and maxima along an axis: one accumulator per element of the output, or per moving sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tvm import te, tirx

from tqs_edge.integer.program import IntegerProgram, QTensor
from tqs_edge.integer.reduction_ops import MaxOp, MovingSumOp, SumOp
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
Loops = Callable[[Sequence[tirx.Buffer], Sequence[tirx.Buffer]], tirx.Stmt]


def sum_call(op: SumOp, program: IntegerProgram) -> IntegerCall:
    """y = sat((sum x * factor + 2^(shift-1)) >> shift); 32-bit sums where they cannot overflow."""
    x, y = program.tensors[op.input], program.tensors[op.output]
    start = tirx.const(0, _accumulator(x, x.shape[op.axis]))
    return _reduction(x, y, op.axis, start, lambda acc, value: acc + value, _scaled(op, y))


def _accumulator(x: QTensor, terms: int) -> str:
    """The type that no sum of so many elements of x leaves."""
    return "int32" if terms << (x.bits - 1) <= 1 << 31 else "int64"


def _scaled(op: SumOp | MovingSumOp, y: QTensor) -> Finish:
    def finish(acc: tirx.Expr) -> tirx.Expr:
        half = tirx.const(1 << (op.shift - 1), "int64")
        total = acc.astype("int64") * tirx.const(op.factor, "int64") + half
        return saturate((total >> tirx.const(op.shift, "int64")).astype("int32"), y.bits)

    return finish


def max_call(op: MaxOp, program: IntegerProgram) -> IntegerCall:
    """y = the largest x along the axis."""
    x, y = program.tensors[op.input], program.tensors[op.output]
    start = tirx.const(integer_limits(x.bits)[0], "int32")
    return _reduction(x, y, op.axis, start, te.max, lambda acc: acc.astype(dtype_of(y)))


def _reduction(
    x: QTensor, y: QTensor, axis: int, start: tirx.Expr, combine: Combine, finish: Finish
) -> IntegerCall:
    """y = finish(combine(... combine(start, first x), ..., last x)) along the axis."""
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

    return _call(x, y, loops)


def moving_sum_call(op: MovingSumOp, program: IntegerProgram) -> IntegerCall:
    """y[t] = sat((s[t] * factor + 2^(shift-1)) >> shift), s[t+1] = s[t] + newest - oldest.

    The accumulator never holds more than `kernel` terms, so what bounds a sum bounds it too. Where
    the ends repeat is known here: runs of places with the same ends are loops of their own.
    """
    x, y = program.tensors[op.input], program.tensors[op.output]
    zero, finish = tirx.const(0, _accumulator(x, op.kernel)), _scaled(op, y)
    dtype = str(zero.ty.dtype)
    last, count = x.shape[op.axis] - 1, y.shape[op.axis]

    def sums(inputs: Sequence[tirx.Buffer], outputs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        around = [tirx.Var(f"i{d}", "int64") for d in range(len(y.shape))]
        acc = tirx.decl_buffer((1,), dtype, "acc")

        def there(index: tirx.Expr) -> list[tirx.Expr]:
            own = len(around) + op.axis
            return [index if d == own else i for d, i in enumerate(around)]

        def element(index: tirx.Expr | int) -> tirx.Expr:
            index = tirx.const(index, "int64") if isinstance(index, int) else index
            return inputs[0][tuple(there(index))].astype(dtype)

        def add(value: tirx.Expr) -> tirx.Stmt:
            return tirx.BufferStore(acc, acc[0] + value, [0])

        def run(begin: int, end: int) -> tirx.Stmt:
            t = tirx.Var("t", "int64")
            ends = [begin - op.before, begin - op.before + op.kernel - 1]
            first, final = (
                element(t + n if 0 <= n <= last else min(max(n, 0), last)) for n in ends
            )
            store = tirx.BufferStore(outputs[0], finish(acc[0]), there(t + begin))
            return loop_nest([t], [end - begin], tirx.stmt_seq(add(final), store, add(-first)))

        before, inside, after = _first_terms(op, last)
        start = sum((n * element(p) for n, p in ((before, 0), (after, last)) if n), zero)
        j = tirx.Var("j", "int64")
        begun = [loop_nest([j], [inside], add(element(j)))] if inside else []
        runs = [run(*ends) for ends in pairwise(_borders(op, last, count))]
        first = tirx.BufferStore(acc, start, [0])
        each = tirx.stmt_seq(tirx.AllocBuffer(acc), first, *begun, *runs)
        axes = [d for d in range(len(around)) if d != len(around) + op.axis]
        return loop_nest([around[d] for d in axes], [y.shape[d] for d in axes], each)

    return _call(x, y, sums)


def _first_terms(op: MovingSumOp, last: int) -> tuple[int, int, int]:
    """Of all but the newest term of the first sum: how many lie before x, in it, and after it."""
    places = [j - op.before for j in range(op.kernel - 1)]
    before, after = sum(p < 0 for p in places), sum(p > last for p in places)
    return before, len(places) - before - after, after


def _borders(op: MovingSumOp, last: int, count: int) -> list[int]:
    """Places from 0 to `count` between which both ends of the sums lie in x, or both beyond it."""
    first = [op.before, op.before - op.kernel + 1]  # whose oldest or newest element is x's first
    inner = [*first, *(place + last + 1 for place in first)]
    return sorted({0, count, *(place for place in inner if 0 < place < count)})


def _call(x: QTensor, y: QTensor, loops: Loops) -> IntegerCall:
    source = te.placeholder(x.shape, dtype_of(x), name=x.name)
    result = statement(y.name, [source], y.shape, dtype_of(y), loops)
    marks = {"tqs.tensor": y.name, "op_pattern": OPAQUE, "tirx.noalias": True}
    func = te.create_prim_func([source, result]).with_attrs(marks)
    return IntegerCall(func, (x.name,))
