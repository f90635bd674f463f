"""Rows laid side by side or picked out among kept rows of more phases than a window has."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tqs_edge.graph.graph import Node, Op
from tqs_edge.graph.time_axis import Timed


@dataclass(frozen=True)
class Gathering:
    """Row i of the result is rows i * stride + j * dilation, j < kernel, of what is read."""

    kernel: int
    dilation: int
    stride: int

    def keeps_order(self, rows: int) -> bool:
        """Whether `rows` rows of the result have the numbers that are read, as they lie."""
        together = self.kernel == 1 or self.dilation == 1
        return together and (rows == 1 or self.stride == self.kernel)


def gathering(node: Node, time: Timed, source: Timed) -> Gathering:
    """What an UNFOLD or RESHAPE node with these time axes does among the rows that steps keep."""
    kernel, dilation = time.period // source.period, 1
    if node.op is Op.UNFOLD:
        kernel, dilation = node.attrs["kernel"], node.attrs["dilation"]
    return Gathering(kernel, dilation * source.phases, time.grain // source.grain)


def gather(
    name: str,
    shape: tuple[int, ...],
    rows: int,
    how: Gathering,
    source: tuple[str, tuple[int, ...], int],
) -> list[Node]:
    """The nodes that make `name` of that shape, `rows` rows of it.

    source: name and shape of the tensor with the rows to gather, and their axis (negative)
    """
    read, extents, axis = source
    if how.keeps_order(rows):
        return [Node(name, Op.RESHAPE, (read,), shape)]
    lead, width = extents[:axis], prod(extents[axis:]) // extents[axis]
    laid = (*lead, rows, how.kernel * width)
    nodes = []
    if axis != -2:
        nodes.append(Node(f"{name}_flat", Op.RESHAPE, (read,), (*lead, extents[axis], width)))
        read = nodes[-1].name
    attrs = {"kernel": how.kernel, "dilation": how.dilation, "stride": how.stride}
    direct = laid == shape
    nodes.append(Node(name if direct else f"{name}_laid", Op.UNFOLD, (read,), laid, attrs))
    if not direct:
        nodes.append(Node(name, Op.RESHAPE, (nodes[-1].name,), shape))
    return nodes
