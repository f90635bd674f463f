"""Pooling over time: means and maxima of windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tqs_edge.frontend.aten.convolutions import windows
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.padding import pad_constant, pad_edge
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of

aten = torch.ops.aten


def _pooled(e: Emitter, target: Any, rows: Value, kernel: int, dilation: int, stride: int) -> Value:
    """(N, T, C) -> (N, C, T'): each window of each channel reduced."""
    unfolded = windows(e, rows, kernel, dilation, stride)
    batch, count, _ = shape_of(unfolded)
    channels = shape_of(rows)[-1]
    split = e.reshape(unfolded, (batch, count, kernel, channels))
    reduced = e.reduce(target, split, [-2])
    return e.permute(e.reshape(reduced, (batch, count, channels)), (0, 2, 1))


def _rows(e: Emitter, x: Value) -> Value:
    """(N, C, T) or (C, T) -> (N, T, C)."""
    shape = shape_of(x)
    return e.permute(e.reshape(x, (1,) * (3 - len(shape)) + shape), (0, 2, 1))


def avg_pool1d(
    e: Emitter,
    node: torch.fx.Node,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Value:
    """Means of windows; at the ends over the true rows only, unless padding counts."""
    rows, step = _rows(e, x), (list(stride) or list(kernel))[0]
    length, pad = shape_of(rows)[1], padding[0]
    over = _overhang(length, kernel[0], step, pad, shape_of(node)[-1])
    padded = pad_constant(e, rows, 1, pad, pad + over)
    result = _pooled(e, aten.mean.dim, padded, kernel[0], 1, step)
    ones = torch.ones(1, 1, length)
    pool = torch.nn.functional.avg_pool1d
    counted = pool(torch.nn.functional.pad(ones, (pad, pad + over)), kernel[0], step)
    want = pool(ones, kernel[0], step, pad, ceil_mode, count_include_pad)
    if not torch.equal(counted, want):
        result = e.binary(aten.mul.Tensor, result, Constant(want[0] / counted[0], "pool.counts"))
    return e.reshape(result, shape_of(node))


def _overhang(length: int, reach: int, step: int, pad: int, count: int) -> int:
    """How far the last of `count` windows reaches over the padded rows (in ceil_mode)."""
    return max(0, (count - 1) * step + reach - (length + 2 * pad))


def max_pool1d(
    e: Emitter,
    node: torch.fx.Node,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Value | None:
    """Maxima of windows. Every window holds the edge that it reaches over, so edges may repeat."""
    rows, step = _rows(e, x), (list(stride) or list(kernel))[0]
    reach, pad = (kernel[0] - 1) * dilation[0] + 1, padding[0]
    over = _overhang(shape_of(rows)[1], reach, step, pad, shape_of(node)[-1])
    if (pad or over) and dilation[0] != 1:
        return None
    padded = pad_edge(e, rows, 1, pad, pad + over)
    result = _pooled(e, aten.amax.default, padded, kernel[0], dilation[0], step)
    return e.reshape(result, shape_of(node))


def _adaptive(e: Emitter, target: Any, node_shape: Sequence[int], x: Value) -> Value:
    """Neighbouring ranges that cover the axis, each reduced to one entry."""
    rows, count = _rows(e, x), node_shape[-1]
    length = shape_of(rows)[1]
    if length % count == 0:
        step = length // count
        return e.reshape(_pooled(e, target, rows, step, 1, step), node_shape)
    bounds = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
    parts = [e.reduce(target, e.slice(rows, 1, *bound), [1]) for bound in bounds]
    return e.reshape(e.permute(e.cat(parts, 1), (0, 2, 1)), node_shape)


def adaptive_avg_pool1d(e: Emitter, node: torch.fx.Node, x: Value, size: Sequence[int]) -> Value:
    """Means over `size` neighbouring ranges that cover the axis."""
    return _adaptive(e, aten.mean.dim, shape_of(node), x)


def adaptive_max_pool1d(
    e: Emitter, node: torch.fx.Node, x: Value, size: Sequence[int]
) -> tuple[Value, None] | None:
    """Maxima over `size` neighbouring ranges, where nothing reads the indices."""
    if any(user.args[1] == 1 and user.users for user in node.users):
        return None
    return _adaptive(e, aten.amax.default, tuple(node.meta["val"][0].shape), x), None


def _flat(pool: Callable[..., Value | None]) -> Callable[..., Value | None]:
    """A handler of two-dimensional pooling that pools one row of height 1."""

    def handle(e: Emitter, node: torch.fx.Node, x: Value, kernel: Any, *options: Any) -> Any:
        shape = shape_of(x)
        lists = [list(o) if isinstance(o, list | tuple) else o for o in (kernel, *options)]
        pairs = [o for o in lists if isinstance(o, list) and len(o) == 2]
        if shape[-2] != 1 or pairs[0][0] != 1:
            return None
        ends = [o[-1:] if isinstance(o, list) else o for o in lists]
        return pool(e, node, e.reshape(x, (*shape[:-2], shape[-1])), *ends)

    return handle


HANDLERS: Handlers = {
    aten.avg_pool1d.default: avg_pool1d,
    aten.avg_pool2d.default: _flat(avg_pool1d),
    aten.max_pool1d.default: max_pool1d,
    aten.adaptive_avg_pool1d.default: adaptive_avg_pool1d,
    aten.adaptive_max_pool1d.default: adaptive_max_pool1d,
}
