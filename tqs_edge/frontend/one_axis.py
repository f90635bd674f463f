"""Tensors without axes get one: code runs over elements, and constants are arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tqs_edge.graph.graph import Graph


def has_scalars(graph: Graph) -> bool:
    """Whether a tensor or constant of the graph has no axes."""
    return any(not np.shape(c) for c in graph.constants.values()) or () in graph.shapes.values()


def with_one_axis(graph: Graph) -> Graph:
    """The graph with shape (1,) for every tensor and constant of shape ().

    They broadcast alike, and nothing but elementwise operations and reshapes takes either.
    """
    return replace(
        graph,
        nodes=tuple(replace(node, shape=node.shape or (1,)) for node in graph.nodes),
        constants={path: np.reshape(c, np.shape(c) or (1,)) for path, c in graph.constants.items()},
        shapes={name: shape or (1,) for name, shape in graph.shapes.items()},
    )
