"""Convolutions over time as dense layers on windows: time-major, padded, unfolded, multiplied."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.padding import pad_constant
from tqs_edge.frontend.aten.planes import flipped, planes_of_rows, rows_of_planes, stretched
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of

aten = torch.ops.aten


def convolution(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Value | None:
    """A convolution over one or two axes; None for three, and for transposed ones over two."""
    if not isinstance(weight, Constant) or not (bias is None or isinstance(bias, Constant)):
        return None
    if len(stride) == 2 and not transposed:
        rows, lead = rows_of_planes(e, x, weight.shape[2], stride[0], padding[0], dilation[0])
        merged = weight.value.reshape(weight.shape[0], -1, weight.shape[3])
        flat = Constant(merged, weight.path)
        window = (weight.shape[3], dilation[1], stride[1])
        return planes_of_rows(e, _over_last(e, rows, flat, bias, padding[1], window, groups), lead)
    if len(stride) != 1:
        return None
    kernel = weight.shape[-1]
    if not transposed:
        window = (kernel, dilation[0], stride[0])
        return _over_last(e, x, weight, bias, padding[0], window, groups)
    reach = (kernel - 1) * dilation[0] - padding[0]
    spread = pad_constant(e, stretched(e, x, stride[0]), 2, reach, reach + output_padding[0])
    return _over_last(e, spread, flipped(weight, groups), bias, 0, (kernel, dilation[0], 1), groups)


def _over_last(
    e: Emitter,
    x: Value,
    weight: Constant,
    bias: Constant | None,
    padding: int,
    window: tuple[int, int, int],
    groups: int,
) -> Value:
    """A convolution over the last axis of (N, C, T); window: kernel, dilation, stride."""
    rows = pad_constant(e, e.permute(x, (0, 2, 1)), 1, padding, padding)
    channels = shape_of(rows)[-1]
    if groups == 1:
        product = e.dense(windows(e, rows, *window), _matrix(weight), bias)
    elif groups == channels and weight.shape[0] == channels:
        product = _depthwise(e, rows, weight, bias, window)
    else:
        product = _grouped(e, rows, weight, bias, window, groups)
    return e.permute(product, (0, 2, 1))


def windows(e: Emitter, rows: Value, kernel: int, dilation: int, stride: int) -> Value:
    """(N, T, C) -> (N, T', kernel * C): the rows that each output reads, side by side."""
    batch, length, channels = shape_of(rows)
    if kernel == 1 and stride == 1:
        return rows
    if length == kernel and dilation == 1:
        return e.reshape(rows, (batch, 1, kernel * channels))
    return e.call(tqs.unfold.default, rows, kernel, dilation, stride)


def _matrix(weight: Constant) -> Constant:
    """(out, in, kernel) -> (out, kernel * in), columns as `windows` lays them out."""
    value = weight.value.permute(0, 2, 1).reshape(weight.shape[0], -1)
    return Constant(value.contiguous(), weight.path)


def _depthwise(
    e: Emitter, rows: Value, weight: Constant, bias: Constant | None, window: tuple[int, int, int]
) -> Value:
    """Each channel by itself: windows times a constant (kernel, C), summed over the kernel."""
    kernel, channels = window[0], shape_of(rows)[-1]
    unfolded = windows(e, rows, *window)
    batch, count, _ = shape_of(unfolded)
    split = e.reshape(unfolded, (batch, count, kernel, channels))
    factors = Constant(weight.value[:, 0].t().contiguous(), weight.path)
    product = e.binary(aten.mul.Tensor, split, factors)
    total = e.reshape(e.reduce(aten.sum.dim_IntList, product, [-2]), (batch, count, channels))
    return total if bias is None else e.binary(aten.add.Tensor, total, bias)


def _grouped(
    e: Emitter,
    rows: Value,
    weight: Constant,
    bias: Constant | None,
    window: tuple[int, int, int],
    groups: int,
) -> Value:
    """One dense layer for each group of channels, their results side by side."""
    width, out = shape_of(rows)[-1] // groups, weight.shape[0] // groups
    parts = []
    for g in range(groups):
        part = e.slice(rows, -1, g * width, (g + 1) * width)
        own = slice(g * out, (g + 1) * out)
        matrix = _matrix(Constant(weight.value[own], f"{weight.path}.{g}"))
        offset = None if bias is None else Constant(bias.value[own], f"{bias.path}.{g}")
        parts.append(e.dense(windows(e, part, *window), matrix, offset))
    return e.cat(parts, -1)


HANDLERS: Handlers = {aten.convolution.default: convolution}
