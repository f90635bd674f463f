"""Convolutions and interpolations over two axes, as ones over one."""

from __future__ import annotations

import math
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.padding import pad_constant
from tqs_edge.frontend.aten.selections import take
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of

aten = torch.ops.aten
MOST_ENTRIES = 4096  # of the matrix of an interpolation between planes


def rows_of_planes(
    e: Emitter, x: Value, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[Value, tuple[int, int]]:
    """(N, C, H, W) -> ((N * H', C * kernel, W), (N, H')): the rows that each output row reads."""
    padded = pad_constant(e, x, 2, padding, padding)
    batch, channels, height, width = shape_of(padded)
    count = (height - (kernel - 1) * dilation - 1) // stride + 1
    parts = []
    for i in range(kernel):
        begin = i * dilation
        chosen = take(e, padded, 2, list(range(begin, begin + (count - 1) * stride + 1, stride)))
        moved = e.permute(chosen, (0, 2, 1, 3))
        parts.append(e.reshape(moved, (batch, count, channels, 1, width)))
    joined = e.cat(parts, 3)
    return e.reshape(joined, (batch * count, channels * kernel, width)), (batch, count)


def planes_of_rows(e: Emitter, rows: Value, lead: tuple[int, int]) -> Value:
    """(N * H', C, W) -> (N, C, H', W)."""
    _, channels, width = shape_of(rows)
    return e.permute(e.reshape(rows, (*lead, channels, width)), (0, 2, 1, 3))


def stretched(e: Emitter, x: Value, stride: int) -> Value:
    """(N, C, T) with stride - 1 zeros between neighbours of the last axis."""
    if stride == 1:
        return x
    batch, channels, length = shape_of(x)
    column = e.reshape(x, (batch, channels, length, 1))
    spaced = pad_constant(e, column, 3, 0, stride - 1)
    spread = e.reshape(spaced, (batch, channels, length * stride))
    return e.slice(spread, 2, 0, (length - 1) * stride + 1)


def flipped(weight: Constant, groups: int) -> Constant:
    """(in, out / groups, k) of a transposed convolution -> (out, in / groups, k) of a plain one."""
    inputs, outputs, kernel = weight.shape
    value = weight.value.reshape(groups, inputs // groups, outputs, kernel).flip(-1)
    turned = value.transpose(1, 2).reshape(groups * outputs, inputs // groups, kernel)
    return Constant(turned.contiguous(), weight.path)


def interpolated(
    e: Emitter, node: torch.fx.Node, x: Value, *args: Any, **kwargs: Any
) -> Value | None:
    """An interpolation of the last two axes by the matrix that it is."""
    *lead, height, width = shape_of(x)
    entries = height * width
    if entries * math.prod(shape_of(node)[-2:]) > MOST_ENTRIES:
        return None
    planes = torch.eye(entries).reshape(entries, 1, height, width)
    images = node.target(planes, *args, **kwargs).reshape(entries, -1)  # type: ignore[operator]
    name = str(node.target).split(".")[1]
    matrix = Constant(images.t().contiguous(), f"{name}.weight")
    return e.reshape(e.dense(e.reshape(x, (*lead, entries)), matrix), shape_of(node))


HANDLERS: Handlers = {
    getattr(packet, overload): interpolated
    for packet in (
        aten.upsample_bilinear2d,
        aten.upsample_bicubic2d,
        aten.upsample_nearest2d,
        aten._upsample_nearest_exact2d,
    )
    for overload in ("vec", "default")
}
