"""Masks on scores, bounded by what the scores can reach, so that scores keep a fine scale.

A mask adds -1e4 or -1e9 where nothing may count. At a scale that holds such numbers the scores
themselves would be lost; but what lies 16 below the largest score of a row weighs less than half an
LSB of the softmax, however far below it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.ranges import RANGE_HEADROOM

NEGLIGIBLE = 16.0  # exp(-16) is 1.1e-7, an LSB 3.1e-5


def bounded_masks(graph: Graph, ranges: Mapping[str, float]) -> tuple[Graph, Mapping[str, float]]:
    """(graph, ranges) with constants that are added to scores raised to what still counts nothing.

    Scores are tensors that only softmaxes read. ranges: largest magnitude per tensor.
    """
    nodes, constants, bounded = list(graph.nodes), dict(graph.constants), dict(ranges)
    for i, node in enumerate(nodes):
        scores, path = _masked(graph, node)
        if path is None or scores is None:
            continue
        mask = np.asarray(constants[path], np.float32)
        raised = raised_mask(mask, RANGE_HEADROOM * ranges[scores])
        if np.array_equal(raised, mask):
            continue
        own = f"{node.name}.mask"
        constants[own] = raised
        nodes[i] = replace(node, inputs=(scores, own))
        reach = ranges[scores] + float(np.abs(raised).max())
        for name in _with_views(graph, node.name):
            bounded[name] = min(bounded[name], reach)
    return replace(graph, nodes=tuple(nodes), constants=constants), bounded


def raised_mask(mask: np.ndarray, reach: float) -> np.ndarray:
    """The mask (..., row) with no number further below its row's largest than NEGLIGIBLE beyond
    what scores within +-reach can make up for."""
    top = mask.max(axis=-1, keepdims=True)
    raised: np.ndarray = np.maximum(mask, top - np.float32(2.0 * reach + NEGLIGIBLE))
    return raised


def _masked(graph: Graph, node: Node) -> tuple[str | None, str | None]:
    """(scores, mask) that `node` adds up for softmaxes over rows of the mask; else (None, None)."""
    if node.op is not Op.ADD:
        return None, None
    scores, path = node.inputs
    mask = graph.constants.get(path)
    if mask is None or scores in graph.constants or not np.ndim(mask):
        return None, None
    rows = np.shape(mask)[-1] == node.shape[-1]
    return (scores, path) if rows and _only_softmax_reads(graph, node) else (None, None)


def _only_softmax_reads(graph: Graph, node: Node) -> bool:
    carried = {graph.output, *(state.update for state in graph.states)}
    readers = graph.consumers(node.name)
    return (
        bool(readers)
        and node.name not in carried
        and all(
            reader.op is Op.SOFTMAX
            or (_keeps_rows(reader, node) and _only_softmax_reads(graph, reader))
            for reader in readers
        )
    )


def _keeps_rows(reader: Node, node: Node) -> bool:
    return reader.op is Op.RESHAPE and reader.shape[-1] == node.shape[-1]


def _with_views(graph: Graph, name: str) -> list[str]:
    views = [reader.name for reader in graph.consumers(name) if reader.op is Op.RESHAPE]
    return [name, *(deeper for view in views for deeper in _with_views(graph, view))]
