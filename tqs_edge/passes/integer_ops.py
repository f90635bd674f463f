"""The elementwise and layout operations as TE: exact integer arithmetic, unscheduled, no calls.

Arithmetic: kernels/README.md. Every value that leaves a shift fits 32 bits, because the program
proves its sums inside int64 and every shift is at least 32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tvm import te, tirx

from tqs_edge.integer.program import (
    AffineOp,
    ConcatOp,
    IntegerProgram,
    LutOp,
    ProductOp,
    QTensor,
    ReshapeOp,
    SliceOp,
)
from tqs_edge.passes.fixed_point_tir import affine_expression, affine_form, product_expression
from tqs_edge.passes.table_lookup import TABLE_ENTRIES, lookup
from tqs_edge.quant.lut import tanh_table
from tqs_edge.quant.scheme import integer_limits

ELEMENTWISE, INJECTIVE, OPAQUE = 0, 2, 8  # relax.OpPatternKind


@dataclass(frozen=True, eq=False)
class IntegerCall:
    """A PrimFunc and what it is called with: tensor names of the program, or constant arrays.

    The attribute "tqs.tensor" of `func` names the tensor it computes, "op_pattern" says how TVM
    may fuse it.
    """

    func: tirx.PrimFunc
    operands: tuple[str | np.ndarray, ...]


def dtype_of(tensor: QTensor) -> str:
    """The TVM dtype of a tensor of the program."""
    return f"int{tensor.bits}"


def saturate(value: tirx.Expr, bits: int, lowest: int | None = None) -> tirx.Expr:
    """`value` (int32) clamped to [lowest, 2^(bits-1) - 1] as an int8 or int16."""
    low, high = integer_limits(bits)
    low = low if lowest is None else max(low, lowest)
    clamped = te.max(te.min(value, tirx.const(high, "int32")), tirx.const(low, "int32"))
    return clamped.astype(f"int{bits}")


def _int64(value: int) -> tirx.Expr:
    return tirx.const(value, "int64")


def placeholder_of(tensor: QTensor) -> te.Tensor:
    """The TE input that stands for a tensor of the program, under its name."""
    return te.placeholder(tensor.shape, dtype_of(tensor), name=tensor.name)


def broadcast_at(tensor: te.Tensor, indices: Sequence[tirx.Expr], y: QTensor) -> tirx.Expr:
    """tensor[indices] under NumPy broadcasting: aligned at the right, extent 1 repeats."""
    lead = len(y.shape) - len(tensor.shape)
    extents = zip(tensor.shape, y.shape[lead:], indices[lead:], strict=True)
    return tensor(*(i if int(own) == full else 0 for own, full, i in extents))


def prim_func(
    inputs: Sequence[te.Tensor], y: te.Tensor, pattern: int, **attrs: object
) -> tirx.PrimFunc:
    """f(inputs..., y), marked with the tensor it computes, how TVM may fuse it, and `attrs`."""
    func = te.create_prim_func([*inputs, y])
    marks = {"tqs.tensor": y.op.name, "op_pattern": pattern, "tirx.noalias": True, **attrs}
    return func.with_attrs(marks)


def map_pattern(program: IntegerProgram, inputs: Sequence[str], output: QTensor) -> int:
    """Elementwise where all extents agree; a broadcast stays apart, so nothing is recomputed."""
    sizes = {int(np.prod(program.tensors[name].shape)) for name in inputs}
    return ELEMENTWISE if sizes <= {int(np.prod(output.shape))} else OPAQUE


def statement(
    name: str,
    inputs: Sequence[te.Tensor],
    shape: Sequence[int],
    dtype: str,
    body: Callable[[Sequence[tirx.Buffer], Sequence[tirx.Buffer]], tirx.Stmt],
) -> te.Tensor:
    """The output of a hand-made statement over compact buffers (te.extern's may be strided)."""
    buffers = [tirx.decl_buffer(t.shape, str(t.dtype), t.op.name) for t in inputs]
    out = tirx.decl_buffer(shape, dtype, name)
    return te.extern(
        shape, list(inputs), body, name=name, in_buffers=buffers, out_buffers=[out], dtype=dtype
    )


def affine_call(op: AffineOp, program: IntegerProgram) -> IntegerCall:
    """y = max(sat((sum_i (x_i << left_shift) * multiplier_i + offset) >> shift), lowest)."""
    y = program.tensors[op.output]
    form = affine_form(op, program)
    placeholders = {name: placeholder_of(program.tensors[name]) for name in form.operands}

    def element(*indices: tirx.Expr) -> tirx.Expr:
        values = {name: broadcast_at(tensor, indices, y) for name, tensor in placeholders.items()}
        return saturate(affine_expression(form, values), y.bits, op.lowest)

    result = te.compute(y.shape, element, name=y.name)
    func = prim_func(list(placeholders.values()), result, map_pattern(program, form.operands, y))
    return IntegerCall(func, operands_of(program, form.operands))


def product_call(op: ProductOp, program: IntegerProgram) -> IntegerCall:
    """y = sat((a * b * multiplier + 2^(shift-1)) >> shift)."""
    y = program.tensors[op.output]
    placeholders = {name: placeholder_of(program.tensors[name]) for name in op.inputs}

    def element(*indices: tirx.Expr) -> tirx.Expr:
        a, b = (broadcast_at(placeholders[n], indices, y).astype("int32") for n in op.inputs)
        return saturate(product_expression(a * b, op.multiplier, op.shift), y.bits)

    result = te.compute(y.shape, element, name=y.name)
    func = prim_func(list(placeholders.values()), result, map_pattern(program, op.inputs, y))
    return IntegerCall(func, operands_of(program, tuple(placeholders)))


def lut_call(op: LutOp, program: IntegerProgram) -> IntegerCall:
    """y = tanh or sigmoid of a Q(15-f).f input, from the shared table passed as an operand."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])
    table = te.placeholder((TABLE_ENTRIES,), "int16", name="tanh_table")

    def element(*indices: tirx.Expr) -> tirx.Expr:
        value = lookup(op.function, x(*indices).astype("int32"), table, op.fraction_bits)
        if y.bits == 8:
            value = (value + 128) >> tirx.const(8, "int32")
        return saturate(value, y.bits)

    result = te.compute(y.shape, element, name=y.name)
    marks = {"tqs.table": op.function, "tqs.fraction_bits": op.fraction_bits}
    return IntegerCall(
        prim_func([x, table], result, ELEMENTWISE, **marks), (op.input, tanh_table())
    )


def uniform_constant(program: IntegerProgram, name: str) -> int | None:
    """The one value of all elements of a constant of the program, else None."""
    values = program.constants.get(name)
    if values is None or not values.size or (values != values.flat[0]).any():
        return None
    return int(values.flat[0])


def slice_call(op: SliceOp, program: IntegerProgram) -> IntegerCall:
    """output = input[begin:end] along a negative axis."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])
    axis = len(y.shape) + op.axis

    def element(*indices: tirx.Expr) -> tirx.Expr:
        return x(*(i + op.begin if d == axis else i for d, i in enumerate(indices)))

    func = prim_func([x], te.compute(y.shape, element, name=y.name), INJECTIVE)
    return IntegerCall(func, operands_of(program, (op.input,)))


def reshape_call(op: ReshapeOp, program: IntegerProgram) -> IntegerCall:
    """The same integers in row-major order; the attribute "tqs.view" says that C needs no copy."""
    y = program.tensors[op.output]
    x = placeholder_of(program.tensors[op.input])

    def element(*indices: tirx.Expr) -> tirx.Expr:
        flat = tirx.const(0, "int64")
        for extent, i in zip(y.shape, indices, strict=True):
            flat = flat * extent + i
        own = []
        for extent in reversed(program.tensors[op.input].shape):
            own.append(tirx.floormod(flat, extent))
            flat = tirx.floordiv(flat, extent)
        return x(*own[::-1])

    result = te.compute(y.shape, element, name=y.name)
    func = prim_func([x], result, OPAQUE, **{"tqs.view": True})
    return IntegerCall(func, operands_of(program, (op.input,)))


def concat_call(op: ConcatOp, program: IntegerProgram) -> IntegerCall:
    """Inputs joined along a negative axis: one loop per input, no test per element."""
    y = program.tensors[op.output]
    axis = len(y.shape) + op.axis
    constants = {name: uniform_constant(program, name) for name in op.inputs}
    names = tuple(name for name, value in constants.items() if value is None)
    parts = {name: placeholder_of(program.tensors[name]) for name in names}

    def copies(inputs: Sequence[tirx.Buffer], outputs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        buffers, begin, loops = dict(zip(names, inputs, strict=True)), 0, []
        for name in op.inputs:
            value = constants[name]
            source = buffers[name] if value is None else tirx.const(value, dtype_of(y))
            shape = program.tensors[name].shape
            loops.append(_write_part(source, shape, outputs[0], axis, begin))
            begin += shape[axis]
        return tirx.stmt_seq(*loops)

    result = statement(y.name, list(parts.values()), y.shape, dtype_of(y), copies)
    return IntegerCall(prim_func(list(parts.values()), result, OPAQUE), operands_of(program, names))


def _write_part(
    source: tirx.Buffer | tirx.Expr,
    shape: Sequence[int],
    target: tirx.Buffer,
    axis: int,
    begin: int,
) -> tirx.Stmt:
    """A loop nest that writes `source`, a buffer or one value, at `begin` of the target's axis."""
    loops = [tirx.Var(f"i{d}", "int64") for d in range(len(shape))]
    there = [i + begin if d == axis else i for d, i in enumerate(loops)]
    value = source[tuple(loops)] if isinstance(source, tirx.Buffer) else source
    return loop_nest(loops, shape, tirx.BufferStore(target, value, there))


def loop_nest(loops: Sequence[tirx.Var], extents: Sequence[int], body: tirx.Stmt) -> tirx.Stmt:
    """`body` in serial loops from 0, the first the outermost."""
    for var, extent in reversed(list(zip(loops, extents, strict=True))):
        body = tirx.For(var, _int64(0), _int64(extent), tirx.ForKind.SERIAL, body)
    return body


def operands_of(program: IntegerProgram, names: Sequence[str]) -> tuple[str | np.ndarray, ...]:
    """Tensor names, with the program's constants replaced by their arrays."""
    return tuple(
        program.constants[n].astype(dtype_of(program.tensors[n])) if n in program.constants else n
        for n in names
    )
