"""What a dense kernel reads of unfolded rows: the rows where they lie, or one copy at a time.

The unfolded rows of a convolution without dilation overlap in memory, stride * C elements apart.
Where a kernel cannot read them there, each row is copied to the same place before its call, so that
memory holds one of them and not all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import tvm
from tvm import te, tirx

from tqs_edge.passes.dense_kernel import WORD_BYTES, CopyRow, DenseShape
from tqs_edge.passes.integer_ops import OPAQUE
from tqs_edge.passes.layout_calls import copy_row, unfolded


def overlapping_rows(unfold: tirx.PrimFunc, shape: DenseShape) -> DenseShape | None:
    """How a dense function of `shape` reads the input of `unfold` itself; None where it cannot.

    Every row has to start at a word.
    """
    _, dilation, stride = _numbers(unfold)
    *batch, _, channels = (int(n) for n in unfold.params[0].ty.shape)
    size = tvm.DataType(str(unfold.params[0].ty.dtype)).bits // 8
    aligned = shape.lead == 1 or stride * channels * size % WORD_BYTES == 0
    if dilation != 1 or any(n != 1 for n in batch) or not aligned:
        return None
    return replace(shape, stride=stride * channels)


def first_row(unfold: tirx.PrimFunc, name: str) -> tirx.PrimFunc:
    """`unfold` of its first row only, which gives the copied rows a place in memory."""
    param = unfold.params[0]
    x = te.placeholder(param.ty.shape, str(param.ty.dtype), name=param.name)
    *lead, depth = (int(n) for n in unfold.params[-1].ty.shape)
    row = unfolded(x, (*[1] * len(lead), depth), _numbers(unfold), name)
    marks = {"tqs.tensor": name, "op_pattern": OPAQUE, "tirx.noalias": True}
    return te.create_prim_func([x, row]).with_attrs(marks)


def row_copy(unfold: tirx.PrimFunc) -> CopyRow:
    """copy(x, index, row): fills `row`, what `first_row` makes, with the row of x at `index`."""

    def copy(x: tirx.Buffer, index: Sequence[tirx.Expr], row: tirx.Buffer) -> tirx.Stmt:
        there = [tirx.const(0, "int64")] * (len(row.shape) - 1)
        return copy_row(x, index, _numbers(unfold), row, there)

    return copy


def _numbers(unfold: tirx.PrimFunc) -> tuple[int, int, int]:
    kernel, dilation, stride = (int(n) for n in unfold.attrs["tqs.unfold"])
    return kernel, dilation, stride
