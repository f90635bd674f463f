"""Constants that a rewrite adds, and what it leaves unread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tqs_edge.graph.graph import Graph, Node


def store(constants: dict[str, np.ndarray], path: str, value: np.ndarray) -> str:
    """Where `value` now is: `path`, numbered where the same layers were merged for another map."""
    value, wanted, number = value.astype(np.float32), path, 1
    while path in constants and not np.array_equal(constants[path], value):
        number += 1
        path = f"{wanted}.{number}"
    constants[path] = value
    return path


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
