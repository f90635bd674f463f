"""The float step in torch, batched over any leading dimensions, with hooks on every tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tqs_edge.graph.graph import Graph, Node, Op

if TYPE_CHECKING:
    import torch

Tap = Callable[[str, "torch.Tensor"], "torch.Tensor"]
Weight = Callable[[str], "torch.Tensor"]


def step(
    graph: Graph, values: Mapping[str, torch.Tensor], *, weight: Weight, tap: Tap | None = None
) -> dict[str, torch.Tensor]:
    """All tensors of one step by name, each shaped (*batch, *graph.shapes[name]).

    values: the input, exog and state tensors. weight: returns the constant of a parameter path; a
    dense weight may carry leading variant dimensions, (*variants, rows, depth), that broadcast
    against the leading batch dimensions. tap: sees every tensor right after it is made (inputs and
    states too) and returns what the consumers read instead.
    """
    tensors: dict[str, torch.Tensor] = {}

    def put(name: str, value: torch.Tensor) -> None:
        tensors[name] = value if tap is None else tap(name, value)

    for name, value in values.items():
        put(name, value)
    for node in graph.nodes:
        put(node.name, _compute(graph, node, tensors, weight))
    return tensors


def _compute(
    graph: Graph, node: Node, tensors: Mapping[str, torch.Tensor], weight: Weight
) -> torch.Tensor:
    import torch

    args = [tensors[n] if n in tensors else weight(n) for n in node.inputs]
    if node.op in (Op.ADD, Op.SUB, Op.MUL):
        args = [
            _aligned(graph, name, arg, node) for name, arg in zip(node.inputs, args, strict=True)
        ]
    x = args[0]
    match node.op:
        case Op.DENSE:
            return _dense(node, x, weight)
        case Op.ADD:
            return x + args[1]
        case Op.SUB:
            return x - args[1]
        case Op.MUL:
            return x * args[1]
        case Op.AFFINE:
            return x * float(node.attrs["scale"]) + float(node.attrs["offset"])
        case Op.TANH:
            return torch.tanh(x)
        case Op.SIGMOID:
            return torch.sigmoid(x)
        case Op.RELU:
            return torch.relu(x)
        case Op.SLICE:
            begin, end = node.attrs["begin"], node.attrs["end"]
            return x.narrow(node.attrs["axis"], begin, end - begin)
        case Op.CONCAT:
            return torch.cat(args, dim=node.attrs["axis"])
        case Op.RESHAPE:
            source = len(_shape(graph, node.inputs[0]))
            return x.reshape(*x.shape[: x.ndim - source], *node.shape)
    raise AssertionError(node.op)


def _dense(node: Node, x: torch.Tensor, weight: Weight) -> torch.Tensor:
    """Dense over the last axis; the graph's leading axes are folded into one for the product."""
    assert node.weight is not None
    matrix = weight(node.weight)
    batch = x.shape[: x.ndim - len(node.shape)]
    folded = x.reshape(*batch[: matrix.ndim - 2], -1, x.shape[-1])
    out = folded @ matrix.transpose(-1, -2)
    if node.bias is not None:
        out = out + weight(node.bias)
    shaped: torch.Tensor = out.reshape(*out.shape[:-2], *batch[matrix.ndim - 2 :], *node.shape)
    return shaped


def _aligned(graph: Graph, name: str, value: torch.Tensor, node: Node) -> torch.Tensor:
    """The value with the rank of the node's result after its batch dimensions, so that it
    broadcasts against the other operand and never against the batch."""
    shape = _shape(graph, name)
    missing = len(node.shape) - len(shape)
    if not missing:
        return value
    batch = value.shape[: value.ndim - len(shape)]
    return value.reshape(*batch, *[1] * missing, *shape)


def _shape(graph: Graph, name: str) -> tuple[int, ...]:
    return graph.shapes[name] if name in graph.shapes else graph.constants[name].shape
