"""Selections by indices that are known: slices, strides, flips, rolls, gathers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import Constant, Handlers, Value, shape_of

aten = torch.ops.aten


def take(e: Emitter, x: Value, axis: int, indices: Sequence[int]) -> Value:
    """x with entries `indices` along an axis: one slice for each run of neighbours."""
    axis %= len(shape_of(x))
    if not indices:
        return e.slice(x, axis, 0, 0)
    steps = {b - a for a, b in pairwise(indices)}
    if len(indices) > 2 and len(steps) == 1 and min(steps) > 1:
        return strided(e, x, axis, indices[0], len(indices), steps.pop())
    parts, begin = [], 0
    for at in range(1, len(indices) + 1):
        if at == len(indices) or indices[at] != indices[at - 1] + 1:
            parts.append(e.slice(x, axis, indices[begin], indices[at - 1] + 1))
            begin = at
    return e.cat(parts, axis)


def strided(e: Emitter, x: Value, axis: int, begin: int, count: int, step: int) -> Value:
    """Every step-th entry along an axis: a column of the entries in rows of `step`."""
    shape = list(shape_of(x))
    if begin + count * step <= shape[axis]:
        whole = e.slice(x, axis, begin, begin + count * step)
        rows = e.reshape(whole, [*shape[:axis], count, step, *shape[axis + 1 :]])
        column = e.slice(rows, axis + 1, 0, 1)
        return e.reshape(column, [*shape[:axis], count, *shape[axis + 1 :]])
    last = begin + (count - 1) * step
    rows = strided(e, x, axis, begin, count - 1, step)
    return e.cat([rows, e.slice(x, axis, last, last + 1)], axis)


def slice_(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Value:
    """x[start:end:step] along an axis, as Python counts."""
    extent = shape_of(x)[dim]
    begin, stop, _ = slice(start, end).indices(extent)
    if step == 1:
        return e.slice(x, dim, begin, max(begin, stop))
    return take(e, x, dim, list(range(begin, stop, step)))


def select(e: Emitter, _node: torch.fx.Node, x: Value, dim: int, index: int) -> Value:
    """One entry of an axis, which goes."""
    dim %= len(shape_of(x))
    index %= shape_of(x)[dim]
    row = e.slice(x, dim, index, index + 1)
    return e.reshape(row, [n for i, n in enumerate(shape_of(x)) if i != dim])


def flip(e: Emitter, _node: torch.fx.Node, x: Value, dims: Sequence[int]) -> Value:
    """Entries of axes in reverse order."""
    for dim in dims:
        x = take(e, x, dim, list(reversed(range(shape_of(x)[dim]))))
    return x


def roll(
    e: Emitter, _node: torch.fx.Node, x: Value, shifts: Sequence[int], dims: Sequence[int] = ()
) -> Value:
    """Entries moved along axes, round the end."""
    if not dims:
        flat = e.reshape(x, [torch.Size(shape_of(x)).numel()])
        return e.reshape(roll(e, _node, flat, shifts, [0]), shape_of(x))
    for shift, dim in zip(shifts, dims, strict=True):
        extent = shape_of(x)[dim]
        x = take(e, x, dim, [(i - shift) % extent for i in range(extent)])
    return x


def index_select(
    e: Emitter, _node: torch.fx.Node, x: Value, dim: int, index: Value
) -> Value | None:
    """Entries of an axis by constant indices."""
    if not isinstance(index, Constant) or not isinstance(x, torch.fx.Node):
        return None
    return take(e, x, dim, [int(i) % shape_of(x)[dim] for i in index.value.flatten()])


def index(
    e: Emitter, _node: torch.fx.Node, x: Value, indices: Sequence[Value | None]
) -> Value | None:
    """x[..., indices, ...] with constant indices along one axis or several neighbouring ones."""
    used = [(axis, part) for axis, part in enumerate(indices) if part is not None]
    values = [part.value for _, part in used if isinstance(part, Constant)]
    first, last = used[0][0], used[-1][0]
    if len(values) != len(used) or len(used) != last - first + 1:
        return None
    if values[0].dtype == torch.bool:
        if len(values) > 1 or values[0].ndim != 1:
            return None
        values = [values[0].nonzero().flatten()]
    shape = shape_of(x)
    extents = shape[first : last + 1]
    places = torch.zeros((), dtype=torch.int64)
    for value, extent in zip(values, extents, strict=True):
        places = places * extent + value % extent
    merged = e.reshape(x, [*shape[:first], math.prod(extents), *shape[last + 1 :]])
    rows = take(e, merged, first, [int(i) for i in places.flatten()])
    return e.reshape(rows, [*shape[:first], *places.shape, *shape[last + 1 :]])


def diagonal(
    e: Emitter, node: torch.fx.Node, x: Value, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Value | None:
    """The entries x[i, i + offset] of two axes, as a new last axis."""
    rank = len(shape_of(x))
    axes = [dim1 % rank, dim2 % rank]
    moved = e.permute(x, [*(i for i in range(rank) if i not in axes), *axes])
    *lead, rows, columns = shape_of(moved)
    begin = offset if offset >= 0 else -offset * columns
    count = shape_of(node)[-1]
    flat = e.reshape(moved, [*lead, rows * columns])
    return take(e, flat, -1, [begin + i * (columns + 1) for i in range(count)])


def gather(
    e: Emitter, _node: torch.fx.Node, x: Value, dim: int, index: Value, sparse_grad: bool = False
) -> Value | None:
    """gather by constant indices that are the same in every row."""
    if not isinstance(index, Constant):
        return None
    moved = index.value.movedim(dim, -1).reshape(-1, index.shape[dim])
    others = [a == b for i, (a, b) in enumerate(zip(shape_of(x), index.shape, strict=True))]
    others[dim] = True
    if not all(others) or not bool((moved == moved[:1]).all()):
        return None
    return take(e, x, dim, [int(i) for i in moved[0]])


def unfold(
    e: Emitter, _node: torch.fx.Node, x: Value, dim: int, size: int, step: int
) -> Value | None:
    """Windows of an axis: (..., count, ..., size), `size` in a new last axis."""
    if not isinstance(x, torch.fx.Node):
        return None
    moved, back = e.to_last(x, dim)
    shape = shape_of(moved)
    count = (shape[-1] - size) // step + 1
    if step == size:
        rows = e.reshape(e.slice(moved, -1, 0, count * size), [*shape[:-1], count, size])
    else:
        column = e.reshape(moved, [*shape, 1])
        rows = e.call(tqs.unfold.default, column, size, 1, step)
    return e.permute(rows, [*back, len(shape)])


def split(
    e: Emitter, _node: torch.fx.Node, x: Value, sizes: Any, dim: int = 0
) -> tuple[Value, ...]:
    """Parts of an axis, of given sizes or all of one size."""
    extent = shape_of(x)[dim]
    if isinstance(sizes, int):
        sizes = [min(sizes, extent - begin) for begin in range(0, extent, sizes)]
    parts, begin = [], 0
    for size in sizes:
        parts.append(e.slice(x, dim, begin, begin + size))
        begin += size
    return tuple(parts)


def unbind(e: Emitter, node: torch.fx.Node, x: Value, dim: int = 0) -> tuple[Value, ...]:
    """Every entry of an axis, which goes."""
    return tuple(select(e, node, x, dim, i) for i in range(shape_of(x)[dim]))


HANDLERS: Handlers = {
    aten.slice.Tensor: slice_,
    aten.select.int: select,
    aten.narrow.default: lambda e, _node, x, dim, start, n: e.slice(x, dim, start, start + n),
    aten.flip.default: flip,
    aten.roll.default: roll,
    aten.index_select.default: index_select,
    aten.index.Tensor: index,
    aten._unsafe_index.Tensor: index,
    aten.diagonal.default: diagonal,
    aten.gather.default: gather,
    aten.unfold.default: unfold,
    aten.split_with_sizes.default: split,
    aten.split.Tensor: split,
    aten.chunk.default: lambda e, node, x, n, dim=0: split(
        e, node, x, -(-shape_of(x)[dim] // n), dim
    ),
    aten.unbind.int: unbind,
}
