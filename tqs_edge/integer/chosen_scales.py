"""Scales of operations that move, compare or add up numbers."""

from __future__ import annotations

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.integer.program import QTensor
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import integer_limits

SCALE_KEEPING = (Op.SLICE, Op.RESHAPE, Op.TRANSPOSE, Op.UNFOLD, Op.MAX)
WHOLE_VIEWS = (Op.TRANSPOSE, Op.UNFOLD)  # every element stays, so the range does
FINEST_RESCALE = 2.0**-12  # of an operand that is rescaled; bounded by constants.MAX_LEFT_SHIFT
SUM_LIMIT = 2.0**30  # output LSBs that a sum of the largest inputs may reach before saturation


def keeps_scale(node: Node, source: QTensor) -> bool:
    """Whether the output has the width and scale of `source`: it is made of the same integers.

    A clamp keeps them unless one of its bounds lies beyond all that `source` can hold.
    """
    if node.op is Op.CLAMP:
        least, most = integer_limits(source.bits)
        low, high = float(node.attrs["low"]), float(node.attrs["high"])
        return low <= most * source.scale and high >= least * source.scale
    return node.op in SCALE_KEEPING


def finest_scale(node: Node, operands: list[QTensor]) -> float:
    """The finest scale that the operation can compute its output at; 0 without a limit."""
    if node.op in (Op.MEAN, Op.SUM):
        (x,) = operands
        return sum_gain(node, x) * sum_bound(node, x) * x.scale / SUM_LIMIT
    if node.op in (Op.MAXIMUM, Op.MINIMUM):
        return FINEST_RESCALE * max((x.scale for x in operands), default=0.0)
    return 0.0


def sum_bound(node: Node, x: QTensor) -> int:
    """A bound on the magnitude of a MEAN's or SUM's sum of integers."""
    return x.shape[int(node.attrs["axis"])] << (x.bits - 1)


def sum_gain(node: Node, x: QTensor) -> float:
    """What a MEAN or SUM multiplies the sum with."""
    return 1.0 / x.shape[node.attrs["axis"]] if node.op is Op.MEAN else 1.0


def dense_reader_bits(graph: Graph, plan: BitPlan, name: str) -> int:
    """The widest planned width where only dense nodes read the tensor, seen through views that
    keep all elements; else 16."""
    carried = name == graph.output or any(s.update == name for s in graph.states)
    readers = graph.consumers(name)
    if carried or not readers:
        return 16
    return max(_reader_bits(graph, plan, reader, name) for reader in readers)


def _reader_bits(graph: Graph, plan: BitPlan, reader: Node, name: str) -> int:
    if reader.op is Op.DENSE:
        return plan.activations[name]
    return dense_reader_bits(graph, plan, reader.name) if reader.op in WHOLE_VIEWS else 16
