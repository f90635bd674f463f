"""The float step in torch, batched over any leading dimensions, with hooks on every tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tqs_edge.graph.functions import FUNCTIONS
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.layout import LAYOUT_OPS, move

if TYPE_CHECKING:
    import torch

Tap = Callable[[str, "torch.Tensor"], "torch.Tensor"]
Weight = Callable[[str], "torch.Tensor"]

BINARY: Mapping[Op, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    Op.ADD: lambda a, b: a + b,
    Op.SUB: lambda a, b: a - b,
    Op.MUL: lambda a, b: a * b,
    Op.DIV: lambda a, b: a / b,
    Op.MAXIMUM: lambda a, b: a.maximum(b),
    Op.MINIMUM: lambda a, b: a.minimum(b),
}


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
        put(node.name, compute(graph, node, tensors, weight))
    return tensors


def compute(
    graph: Graph, node: Node, tensors: Mapping[str, torch.Tensor], weight: Weight
) -> torch.Tensor:
    """The tensor of one node; arguments as in `step`."""
    import torch

    args = [tensors[n] if n in tensors else weight(n) for n in node.inputs]
    if node.op in BINARY:
        a, b = (_aligned(graph, n, arg, node) for n, arg in zip(node.inputs, args, strict=True))
        return BINARY[node.op](a, b)
    if node.op is Op.SELECT:
        x, a, b = (_aligned(graph, n, v, node) for n, v in zip(node.inputs, args, strict=True))
        threshold = float(node.attrs["threshold"])
        return torch.where(x > threshold if node.attrs["strict"] else x >= threshold, a, b)
    if node.op in LAYOUT_OPS:
        return move(node, args, len(_shape(graph, node.inputs[0])))
    x, attrs = args[0], node.attrs
    match node.op:
        case Op.DENSE:
            return _dense(node, x, weight)
        case Op.MATMUL:
            return x @ args[1]
        case Op.AFFINE:
            return x * float(attrs["scale"]) + float(attrs["offset"])
        case Op.CLAMP:
            return x.clamp(float(attrs["low"]), float(attrs["high"]))
        case Op.TANH:
            return torch.tanh(x)
        case Op.SIGMOID:
            return torch.sigmoid(x)
        case Op.RELU:
            return torch.relu(x)
        case Op.FUNCTION:
            return FUNCTIONS[attrs["function"]].apply(x)
        case Op.MEAN:
            return x.mean(attrs["axis"], keepdim=True)
        case Op.SUM:
            return x.sum(attrs["axis"], keepdim=True)
        case Op.MOVING_SUM:
            return _moving_sum(node, x)
        case Op.MAX:
            return x.amax(attrs["axis"], keepdim=True)
        case Op.SOFTMAX:
            return torch.softmax(x, -1)
        case Op.NORMALIZE:
            return (x - x.mean(-1, keepdim=True)) / _deviation(x, float(attrs["eps"]))
        case Op.DEVIATION:
            return _deviation(x, float(attrs["eps"]))
    raise AssertionError(node.op)


def _moving_sum(node: Node, x: torch.Tensor) -> torch.Tensor:
    import torch

    attrs, axis = node.attrs, x.ndim + node.attrs["axis"]
    places = torch.arange(-attrs["before"], x.shape[axis] + attrs["after"])
    padded = x.index_select(axis, places.clamp(0, x.shape[axis] - 1))
    summed: torch.Tensor = padded.unfold(axis, attrs["kernel"], 1).sum(-1) * attrs["gain"]
    return summed


def _deviation(x: torch.Tensor, eps: float) -> torch.Tensor:
    return (x.var(-1, keepdim=True, correction=0) + eps).sqrt()


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
