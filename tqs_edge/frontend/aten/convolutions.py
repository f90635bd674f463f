"""Convolutions over time as dense layers on windows: time-major, padded, unfolded, multiplied."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.padding import pad_constant
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
    _output_padding: Sequence[int],
    groups: int,
) -> Value | None:
    """A convolution over the last axis of (N, C, T); None for more axes and transposed ones."""
    constant = isinstance(weight, Constant) and (bias is None or isinstance(bias, Constant))
    if transposed or len(stride) != 1 or not constant:
        return None
    assert isinstance(weight, Constant) and (bias is None or isinstance(bias, Constant))
    rows = pad_constant(e, e.permute(x, (0, 2, 1)), 1, padding[0], padding[0])
    window = (weight.shape[-1], dilation[0], stride[0])
    channels = shape_of(rows)[-1]
    if groups == 1:
        product = e.dense(windows(e, rows, *window), _matrix(weight), bias)
    elif groups == channels and groups > 1 and weight.shape[0] == channels:
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
