"""Transposed and unfolded copies as loop nests without a division.

They never run in place: an element is read at another index than it is written. Where no element
moves, the attribute "tqs.view" says that C needs no copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm import te, tirx

from tqs_edge.integer.layout_ops import TransposeOp, UnfoldOp
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.integer_ops import OPAQUE, IntegerCall, dtype_of, loop_nest, statement


def transpose_call(op: TransposeOp, program: IntegerProgram) -> IntegerCall:
    """The output's axis i is the input's axis axes[i]; the attribute "tqs.axes" holds them."""
    x, y = program.tensors[op.input], program.tensors[op.output]
    axes = [axis + len(x.shape) for axis in op.axes]
    source = te.placeholder(x.shape, dtype_of(x), name=x.name)

    def element(*indices: tirx.Expr) -> tirx.Expr:
        return source(*(indices[axes.index(axis)] for axis in range(len(axes))))

    moved = [axis for axis in axes if x.shape[axis] > 1]
    result = te.compute(y.shape, element, name=y.name)
    call = _copy_call(source, result, op.input, is_view=moved == sorted(moved))
    return IntegerCall(call.func.with_attr("tqs.axes", axes), call.operands)


def unfold_call(op: UnfoldOp, program: IntegerProgram) -> IntegerCall:
    """y[..., t, j * C + c] = x[..., t * stride + j * dilation, c].

    The attribute "tqs.unfold" holds kernel, dilation and stride.
    """
    x, y = program.tensors[op.input], program.tensors[op.output]
    source = te.placeholder(x.shape, dtype_of(x), name=x.name)
    unfold = (op.kernel, op.dilation, op.stride)

    def copies(inputs: Sequence[tirx.Buffer], outputs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        row = [tirx.Var(f"i{d}", "int64") for d in range(len(y.shape) - 1)]
        copy = copy_unfolded_row(inputs[0], row, unfold, outputs[0], row)
        return loop_nest(row, y.shape[:-1], copy)

    result = statement(y.name, [source], y.shape, dtype_of(y), copies)
    whole = op.kernel == x.shape[-2] and op.dilation == 1
    is_view = whole or (op.kernel == 1 and op.stride == 1)
    call = _copy_call(source, result, op.input, is_view=is_view)
    return IntegerCall(call.func.with_attr("tqs.unfold", list(unfold)), call.operands)


def copy_unfolded_row(
    x: tirx.Buffer,
    row: Sequence[tirx.Expr],
    unfold: tuple[int, int, int],
    target: tirx.Buffer,
    there: Sequence[tirx.Expr],
) -> tirx.Stmt:
    """target[there, :] = the row of index `row` of x unfolded by (kernel, dilation, stride)."""
    kernel, dilation, stride = unfold
    *batch, t = row
    channels = int(x.shape[-1])
    # Neighbouring rows are one run of elements.
    taps, run = (1, kernel * channels) if dilation == 1 else (kernel, channels)
    j, c = tirx.Var("j", "int64"), tirx.Var("c", "int64")
    source = t * stride + j * dilation + tirx.floordiv(c, channels)
    value = x[(*batch, source, tirx.floormod(c, channels))]
    copy = tirx.BufferStore(target, value, [*there, j * channels + c])
    return loop_nest([j, c], [taps, run], copy)


def copy_transposed_row(
    x: tirx.Buffer,
    row: Sequence[tirx.Expr],
    axes: Sequence[int],
    target: tirx.Buffer,
    there: Sequence[tirx.Expr],
) -> tirx.Stmt:
    """target[there, :] = the row of index `row` of x with its axes (not negative) permuted."""
    c = tirx.Var("c", "int64")
    indices = [*row, c]
    value = x[tuple(indices[axes.index(axis)] for axis in range(len(axes)))]
    return loop_nest([c], [int(x.shape[axes[-1]])], tirx.BufferStore(target, value, [*there, c]))


def _copy_call(x: te.Tensor, y: te.Tensor, operand: str, *, is_view: bool) -> IntegerCall:
    marks = {"tqs.tensor": y.op.name, "op_pattern": OPAQUE, "tirx.noalias": True}
    func = te.create_prim_func([x, y]).with_attrs(marks)
    return IntegerCall(func.with_attr("tqs.view", True) if is_view else func, (operand,))
