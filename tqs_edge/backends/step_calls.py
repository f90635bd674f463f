"""The graph's nodes as prepared torch calls: the evaluator without its bookkeeping at every step.

A rollout is hundreds of small steps, so that looking up what a node is costs as much as computing
it. tests/backends hold every call against `graph.evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn.functional import linear

from tqs_edge.graph.evaluate import BINARY, compute
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.layout import LAYOUT_OPS, move

Tensors = dict[str, torch.Tensor]
Call = Callable[[Tensors], torch.Tensor]


def tanh(x: torch.Tensor) -> torch.Tensor:
    """NumPy's, which in float64 is several times as fast as torch's."""
    return torch.from_numpy(np.tanh(x.numpy()))


_UNARY: dict[Op, Callable[[torch.Tensor], torch.Tensor]] = {
    Op.TANH: tanh,
    Op.SIGMOID: torch.sigmoid,
    Op.RELU: torch.relu,
}


def prepare_calls(
    graph: Graph, constants: Mapping[str, torch.Tensor]
) -> tuple[tuple[str, Call], ...]:
    """(name, call) of every node in order; a call takes all tensors and constants by name.

    Tensors are (V, N, *shape), constants as the graph has them.
    """
    return tuple((node.name, _call(graph, node, constants)) for node in graph.nodes)


def _call(graph: Graph, node: Node, constants: Mapping[str, torch.Tensor]) -> Call:
    x, *others = node.inputs
    if node.op is Op.DENSE:
        assert node.weight is not None
        weight = constants[node.weight]
        bias = constants[node.bias] if node.bias is not None else None
        return lambda tensors: linear(tensors[x], weight, bias)
    if node.op in BINARY and not _needs_aligning(graph, node):
        binary, y = BINARY[node.op], others[0]
        return lambda tensors: binary(tensors[x], tensors[y])
    if node.op in _UNARY:
        unary = _UNARY[node.op]
        return lambda tensors: unary(tensors[x])
    if node.op is Op.AFFINE:
        scale, offset = float(node.attrs["scale"]), float(node.attrs["offset"])
        return lambda tensors: tensors[x] * scale + offset
    if node.op in LAYOUT_OPS:
        names, rank = node.inputs, len(graph.shapes.get(x) or graph.constants[x].shape)
        return lambda tensors: move(node, [tensors[name] for name in names], rank)
    return lambda tensors: compute(graph, node, tensors, tensors.__getitem__)


def _needs_aligning(graph: Graph, node: Node) -> bool:
    """Whether a tensor of lower rank would broadcast against the batch axes."""
    ranks = {len(graph.shapes[name]) for name in node.inputs if name in graph.shapes}
    return ranks != {len(node.shape)}
