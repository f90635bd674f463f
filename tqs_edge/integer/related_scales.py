"""Scales that make sums and products cheap: powers of two of the scales they come from.

Between elementwise operations a 16-bit tensor gives up at most one bit of its range for that. A
product is then a 16 x 16 multiplication and a shift, a sum two shifts; nothing has 64 bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.integer.build_nonlinear import NONLINEAR
from tqs_edge.integer.chosen_scales import SCALE_KEEPING
from tqs_edge.integer.program import QTensor

SUMS = (Op.ADD, Op.SUB)


def at_least(scale: float, unit: float) -> float:
    """The least unit * 2^k, k any integer, that is not below `scale`; exact in its mantissa."""
    mantissa, exponent = math.frexp(scale / unit)
    return math.ldexp(unit, exponent - (mantissa == 0.5))


def related_unit(graph: Graph, node: Node, tensors: Mapping[str, QTensor]) -> float | None:
    """The number whose power-of-two multiple the node's scale should be; None where any will do.

    A product takes after its factors and a rectifier after its input. A sum takes after a state
    that it reads, whose share then passes unchanged. What a sum reads of a dense layer is a power
    of two, as is what tables read; what it reads of moving sums has the scale of their series, from
    which it usually subtracts them: it then moves bits and rounds nothing. Other tensors that only
    dense layers read use their full range.
    """
    readers = readers_through_views(graph, node.name)
    sources = [tensors[name] for name in node.inputs if name in tensors]
    if node.op is Op.RELU:
        return sources[0].scale
    beside = node.op in SUMS and any(_is_moving_sum(graph, name) for name in node.inputs)
    if not beside and all(reader.op in (Op.DENSE, *NONLINEAR) for reader in readers):
        return None
    if node.op is Op.MUL and len(sources) == 2:
        return sources[0].scale * sources[1].scale
    if node.op in SUMS:
        odd = [x.scale for x in sources if math.frexp(x.scale)[0] != 0.5]
        return odd[0] if odd else 1.0
    if node.op is Op.MOVING_SUM and any(reader.op in SUMS for reader in readers):
        return sources[0].scale
    if node.op is Op.DENSE and any(reader.op in SUMS for reader in readers):
        return 1.0
    return None


def _is_moving_sum(graph: Graph, name: str) -> bool:
    source = unmoved(graph, name)
    return any(node.name == source and node.op is Op.MOVING_SUM for node in graph.nodes)


def readers_through_views(graph: Graph, name: str) -> list[Node]:
    """The nodes that read the elements of `name`, here or moved elsewhere, also beside others."""
    readers: list[Node] = []
    for node in graph.consumers(name):
        if node.op in (*SCALE_KEEPING, Op.PUSH, Op.CONCAT):
            readers += readers_through_views(graph, node.name)
        else:
            readers.append(node)
    return readers
