"""Scales of operations that move, compare or add up numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tqs_edge.graph.dense_views import moved_operand
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.integer.program import Grid, QTensor
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import integer_limits

SCALE_KEEPING = (Op.SLICE, Op.RESHAPE, Op.TRANSPOSE, Op.UNFOLD, Op.MAX)
NARROWED_FIRST = (Op.TRANSPOSE, Op.UNFOLD)  # where dense nodes read fewer bits
FINEST_RESCALE = 2.0**-12  # of an operand that is rescaled; bounded by constants.MAX_LEFT_SHIFT
# A mean may lie anywhere among its inputs, though it was not seen there: levels drift. It has at
# most two bits more of resolution than they have: a quarter of their range is left for it.
MEAN_ROOM = 4.0
CLAMP_ROOM = 16.0  # up to four bits are given up so that a clamp need not rescale
SUM_LIMIT = 2.0**30  # output LSBs that a sum of the largest inputs may reach before saturation


def keeps_scale(node: Node, source: QTensor) -> bool:
    """Whether the output has the width and scale of `source`: it is made of the same integers, or
    of their opposites.

    A clamp keeps them unless one of its bounds lies beyond all that `source` can hold, or both
    leave so little of it that its LSB is coarse beside them.
    """
    if node.op is Op.CLAMP:
        least, most = integer_limits(source.bits)
        low, high = float(node.attrs["low"]), float(node.attrs["high"])
        within = low <= most * source.scale and high >= least * source.scale
        return within and CLAMP_ROOM * max(abs(low), abs(high)) >= most * source.scale
    if node.op is Op.FUNCTION:
        return bool(node.attrs["function"] == "abs") and source.bits == 16
    return node.op in SCALE_KEEPING


def finest_scale(node: Node, operands: list[QTensor]) -> float:
    """The finest scale that the operation can compute its output at; 0 without a limit."""
    if node.op in (Op.MEAN, Op.SUM, Op.MOVING_SUM):
        (x,) = operands
        finest = sum_gain(node, x) * sum_bound(node, x) * x.scale / SUM_LIMIT
        return max(finest, x.scale / MEAN_ROOM) if _is_mean(node) else finest
    if node.op in (Op.MAXIMUM, Op.MINIMUM, Op.SELECT, Op.CLAMP):
        return FINEST_RESCALE * max((x.scale for x in operands), default=0.0)
    return 0.0


def joined_scale(graph: Graph, node: Node, tensors: Mapping[str, QTensor]) -> Grid | None:
    """The grid of a concatenation whose tensors all have it and whose constants fit; else None. So
    rows keep their integers where padding is put before them."""
    parts = {tensors[n].grid for n in node.inputs if n in tensors}
    if node.op is not Op.CONCAT or len(parts) != 1:
        return None
    (grid,) = parts
    if grid.bits > 16:
        return None
    constants = [graph.constants[n] for n in node.inputs if n in graph.constants]
    return grid if all(_holds(grid, constant) for constant in constants) else None


def _holds(grid: Grid, constant: np.ndarray) -> bool:
    """Whether no number of the constant is clipped."""
    low, high = integer_limits(grid.bits)
    ends = (low if grid.zero_point else -high, high)
    least, most = ((grid.zero_point + end) * grid.scale for end in ends)
    return bool(least <= constant.min(initial=0.0) and constant.max(initial=0.0) <= most)


def sum_bound(node: Node, x: QTensor) -> int:
    """A bound on the magnitude of the sums of integers of a MEAN, SUM or MOVING_SUM."""
    moving = node.op is Op.MOVING_SUM
    terms = int(node.attrs["kernel"]) if moving else x.shape[int(node.attrs["axis"])]
    return terms << (x.bits - 1)


def sum_gain(node: Node, x: QTensor) -> float:
    """What a MEAN, SUM or MOVING_SUM multiplies its sums with."""
    if node.op is Op.MOVING_SUM:
        return float(node.attrs["gain"])
    return 1.0 / x.shape[node.attrs["axis"]] if node.op is Op.MEAN else 1.0


def _is_mean(node: Node) -> bool:
    """Whether the sum is divided by the number of its terms; a float32 may say how."""
    if node.op is not Op.MOVING_SUM:
        return node.op is Op.MEAN
    return math.isclose(node.attrs["gain"] * node.attrs["kernel"], 1.0, rel_tol=1e-6)


def dense_reader_bits(graph: Graph, plan: BitPlan, name: str) -> int:
    """The widest planned width where only dense nodes read the tensor, here or where it is moved
    to; else 16."""
    carried = name == graph.output or any(
        s.update == name and s.rows_of is None for s in graph.states
    )
    readers = graph.consumers(name)
    if carried or not readers:
        return 16
    return max(_reader_bits(graph, plan, reader, name) for reader in readers)


def _reader_bits(graph: Graph, plan: BitPlan, reader: Node, name: str) -> int:
    if reader.op is Op.DENSE:
        return plan.activations[name]
    moves = moved_operand(graph, reader) == name
    return dense_reader_bits(graph, plan, reader.name) if moves else 16
