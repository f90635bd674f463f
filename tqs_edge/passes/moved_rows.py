"""What a dense kernel reads of unfolded or transposed rows: rows as they lie, or copies one by one.

The unfolded rows of a convolution without dilation overlap in memory, stride * C elements apart.
Where a kernel cannot read the rows there, each is copied to the same place before its call, so that
memory holds one of them and not all; a single row is copied beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import tvm
from tvm import te, tirx

from tqs_edge.passes.dense_kernel import WORD_BYTES, CopyRow, DenseShape
from tqs_edge.passes.integer_ops import OPAQUE, statement
from tqs_edge.passes.layout_calls import copy_transposed_row, copy_unfolded_row


def is_moved(func: tirx.PrimFunc) -> bool:
    """Whether the function unfolds or transposes its input."""
    return "tqs.unfold" in func.attrs or ("tqs.axes" in func.attrs and "tqs.view" not in func.attrs)


def overlapping_rows(moved: tirx.PrimFunc, shape: DenseShape) -> DenseShape | None:
    """How a dense function of `shape` reads the input of `moved` itself; None where it cannot.

    Every row has to start at a word.
    """
    if "tqs.unfold" not in moved.attrs:
        return None
    _, dilation, stride = _numbers(moved)
    *batch, _, channels = (int(n) for n in moved.params[0].ty.shape)
    size = tvm.DataType(str(moved.params[0].ty.dtype)).bits // 8
    aligned = shape.lead == 1 or stride * channels * size % WORD_BYTES == 0
    if dilation != 1 or any(n != 1 for n in batch) or not aligned:
        return None
    return replace(shape, stride=stride * channels)


def first_row(moved: tirx.PrimFunc, name: str) -> tirx.PrimFunc:
    """`moved` of its first row only, which gives the copied rows a place in memory."""
    param, y = moved.params[0], moved.params[-1].ty
    x = te.placeholder(param.ty.shape, str(param.ty.dtype), name=param.name)
    index = [tirx.const(0, "int64")] * (len(y.shape) - 1)
    row = statement(
        name,
        [x],
        (*[1] * len(index), int(y.shape[-1])),
        str(x.dtype),
        lambda inputs, outputs: row_copy(moved)(inputs[0], index, outputs[0]),
    )
    marks = {"tqs.tensor": name, "op_pattern": OPAQUE, "tirx.noalias": True}
    return te.create_prim_func([x, row]).with_attrs(marks)


def row_copy(moved: tirx.PrimFunc) -> CopyRow:
    """copy(x, index, row): fills `row`, what `first_row` makes, with the moved row at `index`."""

    def copy(x: tirx.Buffer, index: Sequence[tirx.Expr], row: tirx.Buffer) -> tirx.Stmt:
        there = [tirx.const(0, "int64")] * (len(row.shape) - 1)
        if "tqs.unfold" in moved.attrs:
            return copy_unfolded_row(x, index, _numbers(moved), row, there)
        axes = [int(axis) for axis in moved.attrs["tqs.axes"]]
        return copy_transposed_row(x, index, axes, row, there)

    return copy


def _numbers(unfold: tirx.PrimFunc) -> tuple[int, int, int]:
    kernel, dilation, stride = (int(n) for n in unfold.attrs["tqs.unfold"])
    return kernel, dilation, stride
