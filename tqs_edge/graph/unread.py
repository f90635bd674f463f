"""Graphs without what nothing reads."""

from __future__ import annotations

from dataclasses import replace

from tqs_edge.graph.graph import Graph, Node


def without_unread(graph: Graph) -> Graph:
    """`graph` without the nodes and constants that neither its output nor a state needs."""
    read = {graph.output, *(state.update for state in graph.states)}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if node.name in read:
            nodes.insert(0, node)
            read.update((*node.inputs, *(path for path in (node.weight, node.bias) if path)))
    gone = {node.name for node in graph.nodes} - {node.name for node in nodes}
    return replace(
        graph,
        nodes=tuple(nodes),
        constants={path: value for path, value in graph.constants.items() if path in read},
        shapes={name: shape for name, shape in graph.shapes.items() if name not in gone},
    )
