"""tanh and sigmoid by table as TIR expressions (kernels/README.md; C twins in tqs_lut.h)."""

from __future__ import annotations

from tvm import te, tirx

from tqs_edge.quant.lut import STEPS

TABLE_ENTRIES = STEPS + 1


def lookup(function: str, x: tirx.Expr, table: te.Tensor, fraction_bits: int) -> tirx.Expr:
    """tanh(x) or sigmoid(x) in Q15 as int32, before saturation; x int32 in Q(15-f).f."""
    if function == "tanh":
        return _odd(x, table, fraction_bits - 5)
    # sigmoid(x) = (1 + tanh(x / 2)) / 2: one more index bit halves the argument.
    return _shift_right(_int32(32768 + 1) + _odd(x, table, fraction_bits - 4), 1)


def _odd(x: tirx.Expr, table: te.Tensor, index_shift: int) -> tirx.Expr:
    """The table at |x| / 2^index_shift, interpolated, with the sign of x."""
    magnitude = te.max(x, -x)
    index = _shift_right(magnitude, index_shift)
    fraction = magnitude - index * _int32(1 << index_shift)
    knot = te.min(index, _int32(TABLE_ENTRIES - 2))  # reads stay inside the table
    low, high = table(knot).astype("int32"), table(knot + 1).astype("int32")
    step = (high - low) * fraction + _int32(1 << (index_shift - 1))
    inside = low + _shift_right(step, index_shift)
    # Not Select, which evaluates both sides: the simplifier drops the guards of the side not taken.
    value = tirx.if_then_else(index > knot, high, inside)
    return tirx.if_then_else(x < _int32(0), -value, value)


def _int32(value: int) -> tirx.Expr:
    return tirx.const(value, "int32")


def _shift_right(value: tirx.Expr, bits: int) -> tirx.Expr:
    return value >> _int32(bits)
