"""Products with constants, and sums and products with 32-bit tensors, as TE.

The 64-bit sums are those that the program proves; what does not provably fit 32 bits is saturated
while it still has 64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tvm import te, tirx

from tqs_edge.integer.program import AffineOp, IntegerProgram, ProductOp, QTensor, ScaleOp
from tqs_edge.integer.wide_ops import WIDE_BITS, is_wide
from tqs_edge.passes import integer_ops
from tqs_edge.passes.fixed_point_tir import (
    MAX_INT32,
    WIDE_SHIFT,
    AffineForm,
    affine_factors,
    reduced,
)
from tqs_edge.passes.integer_ops import IntegerCall, dtype_of, saturate
from tqs_edge.quant.scheme import integer_limits

Values = Mapping[str, tirx.Expr]


def saturate_wide(value: tirx.Expr, bits: int, lowest: int | None = None) -> tirx.Expr:
    """`value` (int64) clamped to [lowest, 2^(bits-1) - 1] as an integer of `bits` bits."""
    low, high = (_int64(limit) for limit in integer_limits(WIDE_BITS))
    if bits < WIDE_BITS:
        return saturate(te.max(te.min(value, high), low).astype("int32"), bits, lowest)
    low = low if lowest is None else _int64(lowest)
    return te.max(te.min(value, high), low).astype("int32")


def affine_call(op: AffineOp, program: IntegerProgram) -> IntegerCall:
    """y = max(sat((sum_i (x_i << left_shift) * multiplier_i + offset) >> shift), lowest)."""
    y = program.tensors[op.output]
    if not is_wide(y, *(program.tensors[name] for name in op.inputs)):
        return integer_ops.affine_call(op, program)
    form = wide_form(op, program)

    def element(values: Values) -> tirx.Expr:
        return saturate_wide(_wide_sum(form, values), y.bits, op.lowest)

    return _elementwise(program, form.operands, y, element)


def product_call(op: ProductOp, program: IntegerProgram) -> IntegerCall:
    """y = sat((a * b * multiplier + 2^(shift-1)) >> shift)."""
    y, inputs = program.tensors[op.output], [program.tensors[name] for name in op.inputs]
    if not is_wide(y, *inputs):
        return integer_ops.product_call(op, program)
    dtype = "int64" if is_wide(*inputs) else "int32"
    (multiplier,), shift = common_powers([op.multiplier], op.shift)

    def element(values: Values) -> tirx.Expr:
        a, b = (values[name].astype(dtype) for name in op.inputs)
        total = (a * b).astype("int64") * _int64(multiplier) + _int64(1 << (shift - 1))
        return saturate_wide(total >> _int64(shift), y.bits)

    return _elementwise(program, op.inputs, y, element)


def scale_call(op: ScaleOp, program: IntegerProgram) -> IntegerCall:
    """y = sat(whole * x + ((x * multiplier + 2^(shift-1)) >> shift)), multipliers as an operand."""
    x, y = program.tensors[op.input], program.tensors[op.output]
    numbers, shift = common_powers(op.multiplier.reshape(-1).tolist(), op.shift)
    multiplier = np.array(numbers, np.int32).reshape(op.multiplier.shape)
    largest_x = 1 << (x.bits - 1)
    product = largest_x * max(map(abs, numbers)) + (1 << (shift - 1))
    result = (product >> shift) + 1 + op.whole * largest_x
    factor = QTensor("multiplier", multiplier.shape, WIDE_BITS, 1.0)

    def element(values: Values) -> tirx.Expr:
        value, m = values[op.input], values[factor.name]
        if result > MAX_INT32:
            scaled = _rounded_product(value.astype("int64"), m.astype("int64"), shift)
            return saturate_wide(scaled + value.astype("int64") * op.whole, y.bits)
        narrow = value.astype("int32")
        if product <= MAX_INT32:
            scaled = _rounded_product(narrow, m, shift)
        else:
            # A shift of 32 leaves the high word: x * 2^up still fits 32 bits.
            up = min(max(0, WIDE_SHIFT - shift), WIDE_BITS - x.bits)
            raised = (narrow * tirx.const(1 << up, "int32")).astype("int64")
            scaled = _rounded_product(raised, m.astype("int64"), shift + up).astype("int32")
        return saturate(scaled + narrow * op.whole, y.bits)

    return _elementwise(program, (op.input,), y, element, {factor: multiplier})


def wide_form(op: AffineOp, program: IntegerProgram) -> AffineForm:
    """The form whose 64-bit value is the op's sum: terms that are whole multiples of the output
    leave the fraction."""
    factors, offset = affine_factors(op, program)
    unit = 1 << op.shift
    whole = {name: f // unit for name, f in factors.items() if f % unit == 0}
    rest = {name: f for name, f in factors.items() if name not in whole}
    form = reduced(rest, offset, op.shift, lowest_shift=0)
    return AffineForm(whole, form.scaled, form.offset, form.shift, wide=True)


def common_powers(multipliers: Sequence[int], shift: int) -> tuple[list[int], int]:
    """(p * m + 2^(shift-1)) >> shift without the powers of two common to all m; shift stays > 0."""
    bits = 0
    for multiplier in multipliers:
        bits |= multiplier
    common = min((bits & -bits).bit_length() - 1 if bits else shift, shift - 1)
    return [multiplier >> common for multiplier in multipliers], shift - common


def _wide_sum(form: AffineForm, values: Values) -> tirx.Expr:
    total = _int64(form.offset)
    for name, factor in reversed(list(form.scaled.items())):
        total = values[name].astype("int64") * _int64(factor) + total
    if form.shift:
        total = total >> _int64(form.shift)
    for name, factor in form.whole.items():
        value = values[name].astype("int64")
        total = total - value if factor == -1 else total + value * _int64(factor)
    return total


def _rounded_product(value: tirx.Expr, multiplier: tirx.Expr, shift: int) -> tirx.Expr:
    """(value * multiplier + 2^(shift-1)) >> shift in the dtype of the two."""
    dtype = str(value.ty.dtype)
    half = tirx.const(1 << (shift - 1), dtype)
    return (value * multiplier + half) >> tirx.const(shift, dtype)


def _elementwise(
    program: IntegerProgram,
    inputs: Sequence[str],
    y: QTensor,
    element: Callable[[Values], tirx.Expr],
    arrays: Mapping[QTensor, np.ndarray] | None = None,
) -> IntegerCall:
    """One call over the broadcast inputs and constant arrays; each tensor is read once."""
    names = tuple(dict.fromkeys(inputs))
    arrays = arrays or {}
    tensors = [*(program.tensors[name] for name in names), *arrays]
    placeholders = [te.placeholder(t.shape, dtype_of(t), name=t.name) for t in tensors]

    def compute(*indices: tirx.Expr) -> tirx.Expr:
        return element({p.op.name: integer_ops.broadcast_at(p, indices, y) for p in placeholders})

    extents = {int(np.prod(t.shape)) for t in tensors}
    same = extents <= {int(np.prod(y.shape))}
    pattern = integer_ops.ELEMENTWISE if same else integer_ops.OPAQUE
    result = te.compute(y.shape, compute, name=y.name)
    func = integer_ops.prim_func(placeholders, result, pattern)
    return IntegerCall(func, (*integer_ops.operands_of(program, names), *arrays.values()))


def _int64(value: int) -> tirx.Expr:
    return tirx.const(value, "int64")
