"""Scaled sums and products as TIR: the same integers by the cheapest exact arithmetic.

Common powers of two leave the fraction, terms that are whole multiples of the output leave the
64-bit sum, and 32 bits are used where no input can overflow them. Every rewriting is an identity
of floor division: floor((a * 2^t + b) / 2^s) = floor((a + floor(b / 2^t)) / 2^(s-t)), and
floor((a * 2^s + b) / 2^s) = a + floor(b / 2^s).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tvm import tirx

from tqs_edge.integer.program import AffineOp, IntegerProgram

WIDE_SHIFT = 32  # 64-bit sums keep at least this shift: the kernels' tqs_shift_high
MAX_INT32 = (1 << 31) - 1


@dataclass(frozen=True)
class AffineForm:
    """sum whole_i * x_i + ((sum scaled_i * x_i + offset) >> shift); `wide`: 64-bit inner sum."""

    whole: Mapping[str, int]
    scaled: Mapping[str, int]
    offset: int
    shift: int
    wide: bool

    @property
    def operands(self) -> tuple[str, ...]:
        """The tensors read, each once."""
        return tuple(dict.fromkeys((*self.whole, *self.scaled)))


def affine_form(op: AffineOp, program: IntegerProgram) -> AffineForm:
    """The cheapest form of an AffineOp; scalar constants of the program join the offset."""
    factors, offset = affine_factors(op, program)
    largest = {name: 1 << (program.tensors[name].bits - 1) for name in factors}
    narrow = reduced(factors, offset, op.shift, lowest_shift=0)
    if _bound(narrow, largest) <= MAX_INT32:
        return narrow
    unit = 1 << op.shift
    whole = {name: f // unit for name, f in factors.items() if f % unit == 0}
    scaled = {name: f for name, f in factors.items() if name not in whole}
    inner = reduced(scaled, offset, op.shift, lowest_shift=0)
    reach = sum(abs(f) * largest[n] for n, f in whole.items())
    if (
        max(_bound(inner, largest), reach + (_bound(inner, largest) >> inner.shift) + 1)
        <= MAX_INT32
    ):
        return replace(inner, whole=whole)
    inner = reduced(scaled, offset, op.shift, lowest_shift=WIDE_SHIFT)
    form = AffineForm(whole, inner.scaled, inner.offset, inner.shift, wide=True)
    inner_limit = (_bound(inner, largest) >> inner.shift) + 1
    if sum(abs(f) * largest[n] for n, f in whole.items()) + inner_limit > MAX_INT32:
        everything = reduced(factors, offset, op.shift, lowest_shift=WIDE_SHIFT)
        return AffineForm({}, everything.scaled, everything.offset, everything.shift, wide=True)
    return form


def affine_factors(op: AffineOp, program: IntegerProgram) -> tuple[dict[str, int], int]:
    """Integer factors, none of them 0, of the tensors that count, and the offset that scalar
    constants have joined.

    What is multiplied by 0, as a gate by a state that is 0 at first, need not be computed.
    """
    factors: dict[str, int] = {}
    offset = op.offset
    for name, multiplier in zip(op.inputs, op.multipliers, strict=True):
        factor = multiplier << op.left_shift
        if name in program.constants and program.constants[name].size == 1:
            offset += int(program.constants[name].reshape(-1)[0]) * factor
        else:
            factors[name] = factors.get(name, 0) + factor
    return {name: factor for name, factor in factors.items() if factor}, offset


def reduced(factors: Mapping[str, int], offset: int, shift: int, lowest_shift: int) -> AffineForm:
    """The fraction cancelled by the largest common power of two of its factors."""
    common = shift - lowest_shift
    for factor in factors.values():
        if factor:
            common = min(common, (factor & -factor).bit_length() - 1)
    scaled = {name: factor >> common for name, factor in factors.items()}
    return AffineForm({}, scaled, offset >> common, shift - common, wide=False)


def _bound(form: AffineForm, largest: Mapping[str, int]) -> int:
    """Largest magnitude that the inner sum can reach."""
    return sum(abs(f) * largest[n] for n, f in form.scaled.items()) + abs(form.offset)


def affine_expression(form: AffineForm, values: Mapping[str, tirx.Expr]) -> tirx.Expr:
    """The int32 value of the form, from int8 or int16 values of its operands."""
    dtype = "int64" if form.wide else "int32"
    inner = tirx.const(form.offset, dtype)
    for name, factor in reversed(list(form.scaled.items())):
        inner = values[name].astype(dtype) * tirx.const(factor, dtype) + inner
    if form.shift:
        inner = inner >> tirx.const(form.shift, dtype)
    result = inner.astype("int32") if form.wide else inner
    for name, factor in form.whole.items():
        result = values[name].astype("int32") * _int32(factor) + result
    return result


def product_expression(product: tirx.Expr, multiplier: int, shift: int) -> tirx.Expr:
    """(product * multiplier + 2^(shift-1)) >> shift as int32, for an int32 |product| <= 2^30."""
    common = (multiplier & -multiplier).bit_length() - 1 if multiplier else shift - 1
    common = min(common, shift - 1)
    narrow = shift - common
    # 2^30 * (multiplier >> common) + 2^(narrow-1) must stay below 2^31.
    if (multiplier >> common) <= 1 and narrow <= 30:
        half = _int32(1 << (narrow - 1))
        return (product * _int32(multiplier >> common) + half) >> _int32(narrow)
    half64 = tirx.const(1 << (shift - 1), "int64")
    wide = product.astype("int64") * tirx.const(multiplier, "int64") + half64
    return (wide >> tirx.const(shift, "int64")).astype("int32")


def _int32(value: int) -> tirx.Expr:
    return tirx.const(value, "int32")
