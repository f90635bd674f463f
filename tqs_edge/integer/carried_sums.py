"""Moving sums of kept rows that are carried from step to step: one row in, one row out.

A streaming step makes one row of a moving sum from as many kept rows as it has terms. The sum
differs from that of the step before by the newest row and by the one that leaves. As integers it is
exact, and it starts at 0 as the rows do, so at every step it is the sum of the rows that are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tqs_edge.graph.graph import Graph, Node, Op

LEAST_TERMS = 12  # fewer are added up in hardly more instructions, and without four bytes each
MOST_TERMS = 1 << 15  # of 16 bits, whose sums 32 bits hold


@dataclass(frozen=True)
class CarriedSum:
    """The moving sum `name`; `leaving` is the row of the kept ones, before they move on, that is no
    term of its sum any more."""

    name: str
    leaving: int


def carried_sums(graph: Graph) -> Mapping[str, tuple[CarriedSum, ...]]:
    """The moving sums that are worth carrying, by the PUSH node of their rows."""
    made = {node.name: node for node in graph.nodes}
    found: dict[str, tuple[CarriedSum, ...]] = {}
    for node in graph.nodes:
        if node.op is not Op.MOVING_SUM or not _is_one_of_enough(node):
            continue
        rows, leaving = made.get(node.inputs[0]), 0
        if rows and rows.op is Op.SLICE and rows.attrs["axis"] == node.attrs["axis"]:
            leaving = rows.attrs["begin"]
            rows = made.get(rows.inputs[0])
        if rows and _moves_on_by_one(graph, rows, node, leaving):
            found[rows.name] = (*found.get(rows.name, ()), CarriedSum(node.name, leaving))
    return found


def _is_one_of_enough(node: Node) -> bool:
    """Whether the node makes a single row, and not of few rows."""
    axis, kernel = int(node.attrs["axis"]), int(node.attrs["kernel"])
    between_ends = bool(node.attrs["before"] or node.attrs["after"])
    return node.shape[axis] == 1 and LEAST_TERMS <= kernel <= MOST_TERMS and not between_ends


def _moves_on_by_one(graph: Graph, push: Node, node: Node, first: int) -> bool:
    """Whether the node's terms are the newest rows of `push`, from row `first` on, of which a step
    makes one."""
    axis, kernel = node.attrs["axis"], node.attrs["kernel"]
    if push.op is not Op.PUSH or push.attrs["axis"] != axis:
        return False
    by_one = graph.shapes[push.inputs[1]][axis] == 1
    return by_one and bool(push.shape[axis] == first + kernel)
