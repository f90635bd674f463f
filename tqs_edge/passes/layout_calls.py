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
    """The output's axis i is the input's axis axes[i]."""
    x, y = program.tensors[op.input], program.tensors[op.output]
    axes = [axis + len(x.shape) for axis in op.axes]
    source = te.placeholder(x.shape, dtype_of(x), name=x.name)

    def element(*indices: tirx.Expr) -> tirx.Expr:
        return source(*(indices[axes.index(axis)] for axis in range(len(axes))))

    moved = [axis for axis in axes if x.shape[axis] > 1]
    result = te.compute(y.shape, element, name=y.name)
    return _copy_call(source, result, op.input, is_view=moved == sorted(moved))


def unfold_call(op: UnfoldOp, program: IntegerProgram) -> IntegerCall:
    """y[..., t, j * C + c] = x[..., t * stride + j * dilation, c].

    The attribute "tqs.unfold" holds kernel, dilation and stride.
    """
    x, y = program.tensors[op.input], program.tensors[op.output]
    *lead, rows, channels = x.shape
    source = te.placeholder(x.shape, dtype_of(x), name=x.name)

    def copies(inputs: Sequence[tirx.Buffer], outputs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        batch = [tirx.Var(f"i{d}", "int64") for d in range(len(lead))]
        t, j, c = (tirx.Var(name, "int64") for name in "tjc")
        value = inputs[0][(*batch, t * op.stride + j * op.dilation, c)]
        copy = tirx.BufferStore(outputs[0], value, [*batch, t, j * channels + c])
        return loop_nest([*batch, t, j, c], [*lead, y.shape[-2], op.kernel, channels], copy)

    result = statement(y.name, [source], y.shape, dtype_of(y), copies)
    whole = op.kernel == rows and op.dilation == 1
    is_view = whole or (op.kernel == 1 and op.stride == 1)
    call = _copy_call(source, result, op.input, is_view=is_view)
    marks = {"tqs.unfold": [op.kernel, op.dilation, op.stride]}
    return IntegerCall(call.func.with_attrs(marks), call.operands)


def _copy_call(x: te.Tensor, y: te.Tensor, operand: str, *, is_view: bool) -> IntegerCall:
    marks = {"tqs.tensor": y.op.name, "op_pattern": OPAQUE, "tirx.noalias": True}
    func = te.create_prim_func([x, y]).with_attrs(marks)
    return IntegerCall(func.with_attr("tqs.view", True) if is_view else func, (operand,))
