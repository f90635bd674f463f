"""The inputs of dense nodes as tensors of their own, so that they alone can be disturbed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from tqs_edge.graph.graph import Graph, Node, Op


def dense_inputs(graph: Graph) -> tuple[str, ...]:
    """The tensors that dense nodes read, in order of first use."""
    names = (node.inputs[0] for node in graph.dense_nodes())
    return tuple(dict.fromkeys(name for name in names if name not in graph.constants))


# Operations whose elements are elements of what they move, the operand at this position.
MOVED_OPERAND = MappingProxyType(
    {Op.SLICE: 0, Op.RESHAPE: 0, Op.TRANSPOSE: 0, Op.UNFOLD: 0, Op.PUSH: 1}
)


def moved_operand(graph: Graph, node: Node) -> str | None:
    """The tensor that a node moves without a change; None where it computes or joins tensors."""
    if node.op in MOVED_OPERAND:
        return node.inputs[MOVED_OPERAND[node.op]]
    if node.op is Op.CONCAT:  # padding
        tensors = [name for name in node.inputs if name not in graph.constants]
        return tensors[0] if len(tensors) == 1 else None
    return None


def unmoved(graph: Graph, tensor: str) -> str:
    """The tensor whose elements `tensor` holds in another place; itself for any other."""
    made = {node.name: node for node in graph.nodes}
    while tensor in made:
        source = moved_operand(graph, made[tensor])
        if source is None:
            break
        tensor = source
    return tensor


def view_name(tensor: str) -> str:
    """The name of the copy that dense nodes read."""
    return f"{tensor}__dense_view"


def expose_dense_inputs(graph: Graph) -> tuple[Graph, Mapping[str, str]]:
    """The same step with a copy of every dense input, and the copies' names by tensor.

    Dense nodes read the copies, everything else reads the originals: an activation site is what
    dense kernels see of a tensor, and a tap on the copy changes nothing else.
    """
    views = {name: view_name(name) for name in dense_inputs(graph)}
    shapes = dict(graph.shapes)
    nodes: list[Node] = []
    made: set[str] = set()
    for node in graph.nodes:
        source = node.inputs[0] if node.inputs else ""
        if node.op is Op.DENSE and source in views:
            if source not in made:
                made.add(source)
                shapes[views[source]] = shapes[source]
                nodes.append(Node(views[source], Op.RESHAPE, (source,), shapes[source]))
            node = replace(node, inputs=(views[source], *node.inputs[1:]))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), shapes=shapes), views
