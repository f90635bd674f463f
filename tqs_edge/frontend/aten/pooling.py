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
) -> Value | None:
    """Means of windows; at the ends over the true rows only, unless padding counts."""
    rows, step = _rows(e, x), (list(stride) or list(kernel))[0]
    length, pad = shape_of(rows)[1], padding[0]
    want = shape_of(node)[-1]
    if (length + 2 * pad - kernel[0]) // step + 1 != want:
        return None  # ceil_mode with a last window over the end
    result = _pooled(e, aten.mean.dim, pad_constant(e, rows, 1, pad, pad), kernel[0], 1, step)
    if pad and not count_include_pad:
        ones = torch.nn.functional.avg_pool1d(torch.ones(1, 1, length), kernel[0], step, pad)
        result = e.binary(aten.mul.Tensor, result, Constant(1 / ones[0], "pool.counts"))
    return e.reshape(result, shape_of(node))


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
    if (shape_of(rows)[1] + 2 * pad - reach) // step + 1 != shape_of(node)[-1]:
        return None
    if pad and dilation[0] != 1:
        return None
    result = _pooled(
        e, aten.amax.default, pad_edge(e, rows, 1, pad, pad), kernel[0], dilation[0], step
    )
    return e.reshape(result, shape_of(node))


def adaptive_avg_pool1d(e: Emitter, node: torch.fx.Node, x: Value, size: Sequence[int]) -> Value:
    """Means over `size` neighbouring ranges that cover the axis."""
    rows, count = _rows(e, x), size[0]
    length = shape_of(rows)[1]
    if length % count == 0:
        step = length // count
        return e.reshape(_pooled(e, aten.mean.dim, rows, step, 1, step), shape_of(node))
    bounds = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
    parts = [e.reduce(aten.mean.dim, e.slice(rows, 1, *bound), [1]) for bound in bounds]
    return e.reshape(e.permute(e.cat(parts, 1), (0, 2, 1)), shape_of(node))


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
}
