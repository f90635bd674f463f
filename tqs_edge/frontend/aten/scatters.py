"""Assignments into parts of a tensor (x[:, 0] = y) as concatenations."""

from __future__ import annotations

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.layout import expand
from tqs_edge.frontend.aten.values import Handlers, Value, shape_of

aten = torch.ops.aten


def slice_scatter(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    part: Value,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Value:
    """x with x[start:end:step] along an axis replaced by `part`."""
    extent = shape_of(x)[dim]
    dim %= len(shape_of(x))
    begin, stop, _ = slice(start, end).indices(extent)
    if step == 1:
        before, after = e.slice(x, dim, 0, begin), e.slice(x, dim, stop, extent)
        return e.cat([before, part, after], dim)
    count = shape_of(part)[dim]
    whole = min(count, (extent - begin) // step)  # rows of `step` entries, the first replaced
    middle = _first_columns(e, x, part, dim, begin, whole, step)
    rest = begin + whole * step
    last = [] if whole == count else [e.slice(part, dim, whole, count)]
    after = e.slice(x, dim, rest + len(last), extent)
    return e.cat([e.slice(x, dim, 0, begin), *middle, *last, after], dim)


def _first_columns(
    e: Emitter, x: Value, part: Value, dim: int, begin: int, count: int, step: int
) -> list[Value]:
    """x[begin : begin + count * step] with every step-th entry from `part`, none for no count."""
    if count == 0:
        return []
    shape = shape_of(x)
    lead, tail = shape[:dim], shape[dim + 1 :]
    block = e.slice(x, dim, begin, begin + count * step)
    rows = e.reshape(block, (*lead, count, step, *tail))
    new = e.reshape(e.slice(part, dim, 0, count), (*lead, count, 1, *tail))
    joined = e.cat([new, e.slice(rows, dim + 1, 1, step)], dim + 1)
    return [e.reshape(joined, (*lead, count * step, *tail))]


def select_scatter(
    e: Emitter, node: torch.fx.Node, x: Value, part: Value, dim: int, index: int
) -> Value | None:
    """x with one entry of an axis replaced by `part`."""
    dim %= len(shape_of(x))
    index %= shape_of(x)[dim]
    row = e.reshape(part, [*shape_of(part)[:dim], 1, *shape_of(part)[dim:]])
    return slice_scatter(e, node, x, row, dim, index, index + 1)


def copy(e: Emitter, node: torch.fx.Node, x: Value, source: Value, *_args: object) -> Value:
    """What overwrites x: the source, repeated to the shape of x."""
    return expand(e, node, source, None)


HANDLERS: Handlers = {
    aten.slice_scatter.default: slice_scatter,
    aten.select_scatter.default: select_scatter,
    aten.copy.default: copy,
}
