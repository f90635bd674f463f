"""Operations over the last axis, and matrix products, as TE marked with the C kernels they become.

Attributes: "tqs.kernel" names a kernel, called once as f(inputs..., before..., output, after...).
What stands in the body is the same arithmetic in integer TIR: passes.host_executor runs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tvm import te, tirx

from tqs_edge.integer.nonlinear_ops import DeviationOp, MatmulOp, NormalizeOp, SoftmaxOp
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.integer_ops import (
    OPAQUE,
    IntegerCall,
    operands_of,
    placeholder_of,
    prim_func,
    saturate,
)
from tqs_edge.passes.nonlinear_calls import scaled
from tqs_edge.passes.power_tir import (
    high_product,
    int64,
    inverse_root,
    leading_zeros,
    reciprocal,
    round_shift,
    shifted,
    stage,
)
from tqs_edge.quant.softmax import DISTANCE_SHIFT, exp_table, sum_bits


def softmax_call(op: SoftmaxOp, program: IntegerProgram) -> IntegerCall:
    """y = softmax(x) over the last axis."""
    y, knots = program.tensors[op.output], exp_table()
    x = placeholder_of(program.tensors[op.input])
    table = te.placeholder(knots.shape, "int16", name="exp_table")
    rows, length = math.prod(y.shape[:-1]), y.shape[-1]
    bits = sum_bits(length)
    lead = y.shape[:-1] or (1,)
    k = te.reduce_axis((0, length), "k")
    top = te.compute(
        lead, lambda *i: te.max(x(*_row(x, i), k).astype("int64"), axis=k), name=f"{y.name}_top"
    )
    power = te.compute(
        y.shape,
        lambda *i: round_shift(
            (top(*_lead(i)) - x(*i).astype("int64")) * int64(op.multiplier << DISTANCE_SHIFT),
            int64(op.shift),
        ),
        name=f"{y.name}_power",
    )

    def term(p: tirx.Expr) -> tirx.Expr:
        index, rest = (p & int64(0xFFFF)) >> int64(9), p & int64(0x1FF)
        low, high = (table(index + n).astype("int64") for n in (0, 1))
        lost = low + (((high - low) * rest + int64(1 << 8)) >> int64(9))
        return ((int64(65536) - lost) << int64(14)) >> te.min(p >> int64(16), int64(31))

    terms = stage(f"{y.name}_terms", term, power)
    whole = te.compute(lead, lambda *i: te.sum(terms(*_row(x, i), k), axis=k), name=f"{y.name}_sum")
    total = stage(f"{y.name}_total", lambda e: e >> int64(30 - bits), whole)
    zeros = leading_zeros(total)
    inverse = reciprocal(shifted(total, zeros))

    def share(*i: tirx.Expr) -> tirx.Expr:
        doubled = ((terms(*i) + int64(1 << 14)) >> int64(15)) << int64(1)
        down = int64(63 - bits) - zeros(*_lead(i))
        return saturate(round_shift(doubled * inverse(*_lead(i)), down).astype("int32"), 16)

    result = te.compute(y.shape, share, name=y.name)
    before, after = (op.multiplier, op.shift, bits), (rows, length)
    func = _kernel([x, table], result, "tqs_softmax_s16", _words(before), _words(after))
    return IntegerCall(func, (*operands_of(program, (op.input,)), knots))


def normalize_call(op: NormalizeOp, program: IntegerProgram) -> IntegerCall:
    """y = (n x - sum(x)) * factor of the row."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])
    total, mantissa, half = _spread(op, x, y.name)
    factor = stage(
        f"{y.name}_factor",
        lambda g: (g * int64(op.multiplier)) >> int64(31),
        inverse_root(mantissa),
    )
    length = y.shape[-1]

    def distance(*i: tirx.Expr) -> tirx.Expr:
        return x(*i).astype("int64") * int64(length) - total(*_lead(i))

    def everywhere(row: te.Tensor) -> te.Tensor:
        return te.compute(y.shape, lambda *i: row(*_lead(i)), name=f"{row.op.name}_all")

    down = stage(f"{y.name}_down", lambda h: int64(op.shift + 31) - h, half)
    value = scaled(
        f"{y.name}_wide",
        te.compute(y.shape, distance, name=f"{y.name}_distance"),
        everywhere(factor),
        everywhere(down),
    )
    result = stage(y.name, lambda e: saturate(e.astype("int32"), 16), value)
    return _row_kernel(op, program, x, result, "tqs_normalize_s16")


def deviation_call(op: DeviationOp, program: IntegerProgram) -> IntegerCall:
    """y = root of the row's spread, scaled."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])
    _, mantissa, half = _spread(op, x, y.name)
    root = stage(f"{y.name}_root", high_product, mantissa, inverse_root(mantissa))

    def element(*i: tirx.Expr) -> tirx.Expr:
        down = te.min(int64(op.shift - 2) + half(*_lead(i)), int64(62))
        wide = round_shift(root(*_lead(i)) * int64(op.multiplier), down)
        return saturate(wide.astype("int32"), 16)

    result = te.compute(y.shape, element, name=y.name)
    return _row_kernel(op, program, x, result, "tqs_deviation_s16")


def _spread(
    op: NormalizeOp | DeviationOp, x: te.Tensor, name: str
) -> tuple[te.Tensor, te.Tensor, te.Tensor]:
    """Per row: the sum, and mantissa and half the shift of the spread; twin of tqs_spread_of."""
    length = int(x.shape[-1])
    lead = tuple(x.shape[:-1]) or (1,)
    k, j = te.reduce_axis((0, length), "k"), te.reduce_axis((0, length), "j")

    def element(i: Sequence[tirx.Expr], axis: tirx.IterVar) -> tirx.Expr:
        return x(*_row(x, i), axis).astype("int64")

    total = te.compute(lead, lambda *i: te.sum(element(i, k), axis=k), name=f"{name}_sum")
    squares = te.compute(
        lead, lambda *i: te.sum(element(i, j) * element(i, j), axis=j), name=f"{name}_squares"
    )
    w = stage(
        f"{name}_spread",
        lambda q, s: q * int64(length) - s * s + int64(op.epsilon),
        squares,
        total,
    )
    high = stage(f"{name}_high", lambda e: e >> int64(32), w)
    low = stage(f"{name}_low", lambda e: e & int64(0xFFFFFFFF), w)
    top = stage(f"{name}_upper", lambda a, b: tirx.if_then_else(a > 0, a, b), high, low)
    below = stage(f"{name}_below", lambda a, b: tirx.if_then_else(a > 0, b, int64(0)), high, low)
    zeros = stage(f"{name}_even", lambda z: z & int64(~1), leading_zeros(top))
    mantissa = stage(
        f"{name}_mantissa", lambda t, b, z: (t << z) | (b >> (int64(32) - z)), top, below, zeros
    )
    half = stage(
        f"{name}_half",
        lambda z, a: (z >> int64(1)) + tirx.if_then_else(a > 0, int64(0), int64(16)),
        zeros,
        high,
    )
    return total, mantissa, half


def matmul_call(op: MatmulOp, program: IntegerProgram) -> IntegerCall:
    """y = a @ b, one requantization per element."""
    y = program.tensors[op.output]
    names = tuple(dict.fromkeys(op.inputs))
    placeholders = {name: placeholder_of(program.tensors[name]) for name in names}
    a, b = (placeholders[name] for name in op.inputs)
    depth = int(a.shape[-1])
    k = te.reduce_axis((0, depth), "k")

    def element(matrix: te.Tensor, lead: Sequence[tirx.Expr], *place: tirx.Expr) -> tirx.Expr:
        own = len(matrix.shape) - 2
        extents = zip(matrix.shape[:-2], lead[len(lead) - own :], strict=True)
        return matrix(*(0 if int(n) == 1 else i for n, i in extents), *place).astype("int64")

    def product(*i: tirx.Expr) -> tirx.Expr:
        left, right = element(a, i[:-2], i[-2], k), element(b, i[:-2], k, i[-1])
        return te.sum(left * right, axis=k)

    acc = te.compute(y.shape, product, name=f"{y.name}_acc")
    result = stage(
        y.name,
        lambda e: saturate(
            round_shift(e * int64(op.multiplier), int64(op.shift)).astype("int32"), 16
        ),
        acc,
    )
    rows, columns = y.shape[-2:]
    strides = [
        0 if math.prod(program.tensors[n].shape[:-2]) == 1 else size
        for n, size in zip(op.inputs, (rows * depth, depth * columns), strict=True)
    ]
    after = (math.prod(y.shape[:-2]), *strides, rows, depth, columns)
    before = _words((op.multiplier, op.shift))
    func = _kernel(list(placeholders.values()), result, "tqs_matmul_s16", before, _words(after))
    arguments = [names.index(name) for name in op.inputs]
    return IntegerCall(func.with_attr("tqs.arguments", arguments), operands_of(program, names))


def _row_kernel(
    op: NormalizeOp | DeviationOp,
    program: IntegerProgram,
    x: te.Tensor,
    result: te.Tensor,
    symbol: str,
) -> IntegerCall:
    shape = program.tensors[op.input].shape
    before = [tirx.const(op.epsilon, "int64"), *_words((op.multiplier, op.shift))]
    after = _words((math.prod(shape[:-1]), shape[-1]))
    func = _kernel([x], result, symbol, before, after)
    return IntegerCall(func, operands_of(program, (op.input,)))


def _words(values: Sequence[int]) -> list[tirx.Expr]:
    return [tirx.const(value, "int32") for value in values]


def _row(x: te.Tensor, lead: Sequence[tirx.Expr]) -> Sequence[tirx.Expr]:
    """The leading indices of x; a vector's row has the index 0, which x does not take."""
    return lead[: len(x.shape) - 1]


def _lead(indices: Sequence[tirx.Expr]) -> Sequence[tirx.Expr]:
    """The indices of an element's row."""
    return indices[:-1] or (tirx.const(0, "int64"),)


def _kernel(
    inputs: Sequence[te.Tensor],
    result: te.Tensor,
    symbol: str,
    before: Sequence[tirx.Expr],
    after: Sequence[tirx.Expr],
) -> tirx.PrimFunc:
    marks = {"tqs.kernel": symbol, "tqs.before": list(before), "tqs.after": list(after)}
    return prim_func(inputs, result, OPAQUE, **marks)
