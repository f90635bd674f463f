"""What a dense kernel reads of unfolded rows: the rows where they lie, or aligned copies.

The unfolded rows of a convolution without dilation overlap in memory, stride * C elements apart.
"""

from __future__ import annotations

from dataclasses import replace

import tvm
from tvm import te, tirx

from tqs_edge.passes.dense_kernel import WORD_BYTES, DenseShape
from tqs_edge.passes.integer_ops import OPAQUE
from tqs_edge.passes.layout_calls import unfolded


def overlapping_rows(unfold: tirx.PrimFunc, shape: DenseShape) -> DenseShape | None:
    """How a dense function of `shape` reads the input of `unfold` itself; None where it cannot.

    Every row has to start at a word.
    """
    _, dilation, stride = (int(n) for n in unfold.attrs["tqs.unfold"])
    *batch, _, channels = (int(n) for n in unfold.params[0].ty.shape)
    size = tvm.DataType(str(unfold.params[0].ty.dtype)).bits // 8
    aligned = shape.lead == 1 or stride * channels * size % WORD_BYTES == 0
    if dilation != 1 or any(n != 1 for n in batch) or not aligned:
        return None
    return replace(shape, stride=stride * channels)


def aligned_unfold(unfold: tirx.PrimFunc, shape: DenseShape, name: str) -> tirx.PrimFunc:
    """`unfold` into rows that are `shape.stride` elements apart; the gaps stay unwritten."""
    x = te.placeholder(
        unfold.params[0].ty.shape, str(unfold.params[0].ty.dtype), unfold.params[0].name
    )
    kernel, dilation, stride = (int(n) for n in unfold.attrs["tqs.unfold"])
    *lead, _ = (int(n) for n in unfold.params[-1].ty.shape)
    rows = unfolded(x, (*lead, shape.stride), (kernel, dilation, stride), name)
    marks = {"tqs.tensor": name, "op_pattern": OPAQUE, "tirx.noalias": True}
    return te.create_prim_func([x, rows]).with_attrs(marks)
