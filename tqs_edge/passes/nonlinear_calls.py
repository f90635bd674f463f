"""The elementwise nonlinear operations as TE, marked with the inline C functions they become.

Attributes: "tqs.inline" names a function of kernels/, called as f(operands..., scalars...) for each
element; the last "tqs.tables" operands are passed as pointers. What stands in the body is the same
arithmetic in integer TIR: passes.host_executor runs it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm import te, tirx

from tqs_edge.integer.nonlinear_ops import DivideOp, LogOp, PowerOp, TableOp, WaveOp
from tqs_edge.integer.program import IntegerProgram, QTensor
from tqs_edge.passes.integer_ops import (
    OPAQUE,
    IntegerCall,
    broadcast_at,
    operands_of,
    placeholder_of,
    prim_func,
    saturate,
)
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
from tqs_edge.quant.power import LOG_FRACTION_BITS, ONE, log_table


def table_call(op: TableOp, program: IntegerProgram) -> IntegerCall:
    """y = the function's own table at x."""
    y, knots = program.tensors[op.output], op.knots
    x = placeholder_of(program.tensors[op.input])
    table = te.placeholder(knots.values.shape, "int16", name="table")
    cells, bits = len(knots.values) - 1, tirx.const(knots.step_bits, "int32")

    def element(*indices: tirx.Expr) -> tirx.Expr:
        place = x(*indices).astype("int32") - knots.first
        place = te.max(te.min(place, cells << knots.step_bits), 0)
        index = te.min(place >> bits, cells - 1)
        low, high = (table(index + k).astype("int32") for k in (0, 1))
        half = 1 << (knots.step_bits - 1)
        return saturate(low + (((high - low) * (place - (index << bits)) + half) >> bits), 16)

    result = te.compute(y.shape, element, name=y.name)
    scalars = [tirx.const(n, "int32") for n in (cells, knots.first, knots.step_bits)]
    func = _inline([x, table], result, "tqs_table_s16", scalars, tables=1)
    return IntegerCall(func, (*operands_of(program, (op.input,)), knots.values))


def wave_call(op: WaveOp, program: IntegerProgram) -> IntegerCall:
    """y = the wave's table at the angle x * turn."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])
    table = te.placeholder(op.table.shape, "int16", name="wave_table")
    angle = stage(
        f"{y.name}_angle",
        lambda e: (e.astype("int64") * int64(op.turn)) & int64(0xFFFFFFFF),
        x,
    )

    def element(a: tirx.Expr) -> tirx.Expr:
        index, rest = a >> int64(24), (a >> int64(9)) & int64(0x7FFF)
        low, high = (table(index + k).astype("int64") for k in (0, 1))
        return low + (((high - low) * rest + int64(1 << 14)) >> int64(15))

    result = _saturated(stage(f"{y.name}_wide", element, angle), y)
    signed = op.turn - (1 << 32) if op.turn >> 31 else op.turn
    func = _inline([x, table], result, "tqs_wave_s16", [tirx.const(signed, "int32")], tables=1)
    return IntegerCall(func, (*operands_of(program, (op.input,)), op.table))


def power_call(op: PowerOp, program: IntegerProgram) -> IntegerCall:
    """y = sqrt, rsqrt or reciprocal of x."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])
    wide = stage(f"{y.name}_positive", lambda e: te.max(e.astype("int64"), int64(1)), x)
    if op.function == "reciprocal":
        one = stage(f"{y.name}_one", lambda e: int64(ONE), wide)
        value = _quotient(one, wide, op.multiplier, op.shift, y)
    else:
        value = _root(op, wide)
        if op.function == "sqrt":
            zero = tirx.const(0, "int64")
            value = stage(
                f"{y.name}_root", lambda e, v: tirx.if_then_else(e > 0, v, zero), x, value
            )
    scalars = [tirx.const(n, "int32") for n in (op.multiplier, op.shift)]
    func = _inline([x], _saturated(value, y), f"tqs_{op.function}_s16", scalars)
    return IntegerCall(func, operands_of(program, (op.input,)))


def _root(op: PowerOp, positive: te.Tensor) -> te.Tensor:
    """The square root or its inverse, scaled; positive in [1, 2^15)."""
    name = f"{op.output}_scaled"
    even = stage(f"{op.output}_even", lambda z: z & int64(~1), leading_zeros(positive))
    v = shifted(positive, even)
    g = inverse_root(v)
    multiplier = int64(op.multiplier)
    if op.function == "rsqrt":
        return stage(
            name,
            lambda e, z: round_shift(e * multiplier, int64(op.shift + 46) - (z >> int64(1))),
            g,
            even,
        )
    root = stage(f"{op.output}_high", high_product, v, g)
    return stage(
        name,
        lambda e, z: round_shift(e * multiplier, int64(op.shift + 14) + (z >> int64(1))),
        root,
        even,
    )


def log_call(op: LogOp, program: IntegerProgram) -> IntegerCall:
    """y = the logarithm of x."""
    y, knots = program.tensors[op.output], log_table()
    x = placeholder_of(program.tensors[op.input])
    table = te.placeholder(knots.shape, "int16", name="log_table")
    wide = stage(f"{y.name}_positive", lambda e: te.max(e.astype("int64"), int64(1)), x)
    zeros = leading_zeros(wide)
    rest = stage(f"{y.name}_rest", lambda m: m - int64(1 << 31), shifted(wide, zeros))

    def element(z: tirx.Expr, m: tirx.Expr) -> tirx.Expr:
        index, fraction = m >> int64(24), (m >> int64(9)) & int64(0x7FFF)
        low, high = (table(index + k).astype("int64") for k in (0, 1))
        between = ((high - low) * fraction + int64(1 << 6)) >> int64(7)
        whole = ((int64(31) - z) << int64(LOG_FRACTION_BITS)) + (low << int64(8)) + between
        return (whole * int64(op.multiplier) + int64(op.offset)) >> int64(op.shift)

    value = stage(f"{y.name}_scaled", element, zeros, rest)
    scalars = [
        tirx.const(op.multiplier, "int32"),
        tirx.const(op.offset, "int64"),
        tirx.const(op.shift, "int32"),
    ]
    func = _inline([x, table], _saturated(value, y), "tqs_log_s16", scalars, tables=1)
    return IntegerCall(func, (*operands_of(program, (op.input,)), knots))


def divide_call(op: DivideOp, program: IntegerProgram) -> IntegerCall:
    """y = a / b."""
    y = program.tensors[op.output]
    placeholders = {name: placeholder_of(program.tensors[name]) for name in op.inputs}

    def spread(name: str) -> te.Tensor:
        def element(*indices: tirx.Expr) -> tirx.Expr:
            return broadcast_at(placeholders[name], indices, y).astype("int64")

        return te.compute(y.shape, element, name=f"{y.name}_{name}")

    a, b = (spread(name) for name in op.inputs)
    positive = stage(f"{y.name}_positive", lambda e: te.max(e, int64(1)), b)
    value = _quotient(a, positive, op.multiplier, op.shift, y)
    scalars = [tirx.const(n, "int32") for n in (op.multiplier, op.shift)]
    operands = [list(placeholders).index(name) for name in op.inputs]
    func = _inline(list(placeholders.values()), _saturated(value, y), "tqs_divide_s16", scalars)
    return IntegerCall(
        func.with_attr("tqs.arguments", operands), operands_of(program, tuple(placeholders))
    )


def _quotient(a: te.Tensor, b: te.Tensor, multiplier: int, shift: int, y: QTensor) -> te.Tensor:
    """a / b * multiplier / 2^shift; b in [1, 2^15)."""
    zeros = leading_zeros(b)
    factor = stage(
        f"{y.name}_factor",
        lambda r: (r * int64(multiplier)) >> int64(31),
        reciprocal(shifted(b, zeros)),
    )
    down = stage(f"{y.name}_down", lambda z: int64(shift + 31) - z, zeros)
    return scaled(f"{y.name}_quotient", a, factor, down)


def scaled(name: str, v: te.Tensor, factor: te.Tensor, down: te.Tensor) -> te.Tensor:
    """v * factor / 2^down, by a shift of at least 32; twin of quant.power.scale."""
    left = stage(f"{name}_left", lambda d: te.max(int64(32) - d, int64(0)), down)
    limit = stage(f"{name}_limit", lambda s: int64(2**31 - 1) >> s, left)
    clamped = stage(
        f"{name}_clamped", lambda e, most: te.max(te.min(e, most), int64(0) - most), v, limit
    )
    return stage(
        name,
        lambda e, f, d, s: round_shift((e << s) * f, d + s),
        clamped,
        factor,
        down,
        left,
    )


def _saturated(value: te.Tensor, y: QTensor) -> te.Tensor:
    return stage(y.name, lambda e: saturate(e.astype("int32"), 16), value)


def _inline(
    inputs: Sequence[te.Tensor],
    result: te.Tensor,
    symbol: str,
    scalars: Sequence[tirx.Expr],
    *,
    tables: int = 0,
) -> tirx.PrimFunc:
    marks = {"tqs.inline": symbol, "tqs.scalars": list(scalars), "tqs.tables": tables}
    return prim_func(inputs, result, OPAQUE, **marks)
