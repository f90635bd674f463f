"""The graph's nodes as prepared torch calls: the evaluator without its bookkeeping at every step.

A rollout is hundreds of small steps, so that looking up what a node is costs as much as computing
it. tests/backends hold every call against `graph.evaluate`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn.functional import linear

from tqs_edge.graph.graph import Graph, Node, Op

Tensors = dict[str, torch.Tensor]
Call = Callable[[Tensors], torch.Tensor]

_BINARY: dict[Op, Callable[[Any, Any], Any]] = {
    Op.ADD: operator.add,
    Op.SUB: operator.sub,
    Op.MUL: operator.mul,
}


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
    if node.op in _BINARY:
        binary, y = _BINARY[node.op], others[0]
        return lambda tensors: binary(tensors[x], tensors[y])
    if node.op in _UNARY:
        unary = _UNARY[node.op]
        return lambda tensors: unary(tensors[x])
    if node.op is Op.AFFINE:
        scale, offset = float(node.attrs["scale"]), float(node.attrs["offset"])
        return lambda tensors: tensors[x] * scale + offset
    return _moving_call(graph, node)


def _moving_call(graph: Graph, node: Node) -> Call:
    """Slices, concatenations and reshapes."""
    x, shape = node.inputs[0], node.shape
    if node.op is Op.SLICE:
        axis, begin = node.attrs["axis"], node.attrs["begin"]
        length = node.attrs["end"] - begin
        return lambda tensors: tensors[x].narrow(axis, begin, length)
    if node.op is Op.CONCAT:
        names, axis = node.inputs, node.attrs["axis"]
        return lambda tensors: torch.cat([tensors[name] for name in names], dim=axis)
    assert node.op is Op.RESHAPE, node.op
    rank = len(graph.shapes[x] if x in graph.shapes else graph.constants[x].shape)
    return lambda tensors: tensors[x].reshape(*tensors[x].shape[: tensors[x].ndim - rank], *shape)
