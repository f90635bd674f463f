"""ONNX operations that multiply, convolve, normalise and reduce."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from tqs_edge.frontend.onnx.node import (
    OnnxNode,
    Operand,
    Operator,
    Result,
    axes_of,
    operand,
)

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
MEAN_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _matmul(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    return torch.matmul(operands[0], operands[1])


def _gemm(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    a, b, c = operands[0], operands[1], operand(operands, 2)
    product = (a.t() if node.get("transA", 0) else a) @ (b.t() if node.get("transB", 0) else b)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    product = product if alpha == 1.0 else product * alpha
    if c is None or beta == 0.0:
        return product  # type: ignore[no-any-return]
    return product + (c if beta == 1.0 else c * beta)  # type: ignore[no-any-return]


def _einsum(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    return torch.einsum(node.get("equation"), *operands)


def _padding(node: OnnxNode, shape: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Values to add before all and after all of the spatial axes, as ONNX lists them."""
    rank, how = len(kernel), node.get("auto_pad", "NOTSET")
    if how == "NOTSET":
        return list(node.get("pads", [0] * 2 * rank))
    if how == "VALID":
        return [0] * 2 * rank
    strides, dilations = node.get("strides", [1] * rank), node.get("dilations", [1] * rank)
    before, after = [], []
    for extent, size, stride, dilation in zip(shape, kernel, strides, dilations, strict=True):
        reach = (size - 1) * dilation + 1
        total = max((-(-extent // stride) - 1) * stride + reach - extent, 0)
        less, more = total // 2, total - total // 2
        before.append(less if how == "SAME_UPPER" else more)
        after.append(more if how == "SAME_UPPER" else less)
    return before + after


def _padded(x: torch.Tensor, pads: Sequence[int], value: float) -> torch.Tensor:
    rank = len(pads) // 2
    amounts = [pads[i + side * rank] for i in reversed(range(rank)) for side in (0, 1)]
    return functional.pad(x, amounts, value=value) if any(amounts) else x


def _conv(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, weight, bias = operands[0], operands[1], operand(operands, 2)
    rank = weight.ndim - 2
    if rank not in CONVOLUTIONS:
        raise node.unsupported(f"over {rank} axes", "convolve over one axis, time")
    pads = _padding(node, x.shape[2:], weight.shape[2:])
    same = pads[:rank] == pads[rank:]
    result: torch.Tensor = CONVOLUTIONS[rank](
        x if same else _padded(x, pads, 0.0),
        weight,
        bias,
        stride=node.get("strides", [1] * rank),
        padding=pads[:rank] if same else [0] * rank,
        dilation=node.get("dilations", [1] * rank),
        groups=node.get("group", 1),
    )
    return result


def _pool(pools: dict[int, Callable[..., Any]], fill: float) -> Operator:
    def run(node: OnnxNode, operands: Sequence[Operand]) -> Result:
        x, kernel = operands[0], node.get("kernel_shape")
        rank = len(kernel)
        if any(d != 1 for d in node.get("dilations", [])):
            raise node.unsupported("with dilations", "pool without them")
        if rank not in pools or len(node.outputs) > 1:
            raise node.unsupported(f"over {rank} axes or with indices", "pool over one axis, time")
        pads, steps = _padding(node, x.shape[2:], kernel), node.get("strides", [1] * rank)
        whole, counted = bool(node.get("ceil_mode", 0)), bool(node.get("count_include_pad", 0))
        if pads[:rank] == pads[rank:] and fill == 0.0:
            even: torch.Tensor = pools[rank](x, kernel, steps, pads[:rank], whole, counted)
            return even
        if fill == 0.0 and any(pads) and not counted:
            raise node.unsupported("with padding that is not counted", "pad before pooling")
        padded = _padded(x, pads, fill)
        pooled: torch.Tensor = pools[rank](padded, kernel, steps, ceil_mode=whole)
        return pooled

    return Operator(run)


def _global_mean(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


def _global_max(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


def _softmax(function: Callable[..., torch.Tensor]) -> Operator:
    return Operator(lambda node, operands: function(operands[0], node.get("axis", -1)))


def _batch_norm(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    if node.get("training_mode", 0):
        raise node.unsupported("in training mode", "call model.eval() before exporting")
    x, scale, bias, mean, variance = operands
    epsilon = node.get("epsilon", 1e-5)
    return functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


def _layer_norm(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, scale, bias = operands[0], operand(operands, 1), operand(operands, 2)
    if len(node.outputs) > 1:
        raise node.unsupported("with its mean as an output", "use ReduceMean for it")
    shape = x.shape[node.get("axis", -1) % x.ndim :]
    return functional.layer_norm(
        x,
        shape,
        scale if scale is None or scale.shape == shape else scale.expand(shape),
        bias if bias is None or bias.shape == shape else bias.expand(shape),
        node.get("epsilon", 1e-5),
    )


def _instance_norm(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, scale, bias = operands
    return functional.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


def _group_norm(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, scale, bias = operands
    groups = node.get("num_groups")
    if scale.shape[0] != x.shape[1]:  # before opset 21 one value for each group
        repeat = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(repeat), bias.repeat_interleave(repeat)
    return functional.group_norm(x, groups, scale, bias, node.get("epsilon", 1e-5))


def _reduce(function: Callable[[torch.Tensor, tuple[int, ...], bool], torch.Tensor]) -> Operator:
    """A reduction over the axes in an attribute or an input, by default all of them."""

    def run(node: OnnxNode, operands: Sequence[Operand]) -> Result:
        x: torch.Tensor = operands[0]
        axes, keep = axes_of(node, operands), bool(node.get("keepdims", 1))
        if not axes:
            if node.get("noop_with_empty_axes", 0):
                return x
            axes = list(range(x.ndim))
        return function(x, tuple(axis % x.ndim for axis in axes), keep)

    return Operator(run, static=(1,))


def _product(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


OPERATORS: dict[str, Operator] = {
    "MatMul": Operator(_matmul),
    "Gemm": Operator(_gemm),
    "Einsum": Operator(_einsum),
    "Conv": Operator(_conv),
    "MaxPool": _pool(MAX_POOLS, float("-inf")),
    "AveragePool": _pool(MEAN_POOLS, 0.0),
    "GlobalAveragePool": Operator(_global_mean),
    "GlobalMaxPool": Operator(_global_max),
    "Softmax": _softmax(torch.softmax),
    "LogSoftmax": _softmax(torch.log_softmax),
    "BatchNormalization": Operator(_batch_norm),
    "LayerNormalization": Operator(_layer_norm),
    "InstanceNormalization": Operator(_instance_norm),
    "GroupNormalization": Operator(_group_norm),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin),
    "ReduceProd": _reduce(_product),
    "ReduceL1": _reduce(lambda x, axes, keep: x.abs().sum(axes, keep)),
    "ReduceL2": _reduce(lambda x, axes, keep: (x * x).sum(axes, keep).sqrt()),
    "ReduceSumSquare": _reduce(lambda x, axes, keep: (x * x).sum(axes, keep)),
    "ReduceLogSum": _reduce(lambda x, axes, keep: x.sum(axes, keep).log()),
    "ReduceLogSumExp": _reduce(torch.logsumexp),
}
