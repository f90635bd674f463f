"""Reshapes, transposes, concatenations and repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tqs_edge.frontend.aten import padding
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.values import Handlers, Pair, Value, shape_of

aten = torch.ops.aten


def to_own_shape(e: Emitter, node: torch.fx.Node, x: Value, *_args: Any, **_kwargs: Any) -> Value:
    """Any operation that only changes the shape: to the one that torch found."""
    return e.reshape(x, shape_of(node))


def same(_e: Emitter, _node: torch.fx.Node, x: Value, *_args: Any, **_kwargs: Any) -> Value:
    """Copies, what only training does, and what replaces numbers that are not finite."""
    return x


def to_copy(
    _e: Emitter, node: torch.fx.Node, x: Value, *, dtype: torch.dtype | None = None, **_kwargs: Any
) -> Value | Pair | None:
    """A copy in the same type, with more digits of the same numbers, or as a complex tensor."""
    if dtype is not None and dtype.is_complex:
        return Pair(x, None, node)
    source = node.args[0]
    counted = isinstance(source, torch.fx.Node) and source.meta["val"].dtype == torch.bool
    return x if counted or dtype in (None, torch.float32, torch.float64) else None


def cat(e: Emitter, _node: torch.fx.Node, parts: Sequence[Value], dim: int = 0) -> Value:
    """Parts side by side; those of shape (0,) count for nothing."""
    return e.cat([part for part in parts if shape_of(part) != (0,)], dim)


def stack(e: Emitter, node: torch.fx.Node, parts: Sequence[Value], dim: int = 0) -> Value:
    """Parts side by side along a new axis."""
    dim %= len(shape_of(node))
    return e.cat([e.reshape(p, [*shape_of(p)[:dim], 1, *shape_of(p)[dim:]]) for p in parts], dim)


def transpose(e: Emitter, _node: torch.fx.Node, x: Value, a: int, b: int) -> Value:
    """x with two axes swapped."""
    axes = list(range(len(shape_of(x))))
    axes[a], axes[b] = axes[b], axes[a]
    return e.permute(x, axes)


def matrix_transpose(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """The transpose of a matrix."""
    return e.permute(x, [1, 0]) if len(shape_of(x)) == 2 else x


def repeat(e: Emitter, _node: torch.fx.Node | None, x: Value, counts: Sequence[int]) -> Value:
    """Copies of x along its axes."""
    rank = len(counts)
    source = e.reshape(x, (1,) * (rank - len(shape_of(x))) + shape_of(x))
    value, plain = source, True
    for axis, count in enumerate(counts):
        plain = plain and (count == 1 or shape_of(value)[axis] == 1)
        value = e.cat([value] * count, axis)
    if plain and value is not source and isinstance(value, torch.fx.Node):
        e.copies[value] = source
    return value


def expanded(e: Emitter, x: Value, shape: tuple[int, ...]) -> Value:
    """x repeated along axes of extent 1 and new leading ones."""
    own = (1,) * (len(shape) - len(shape_of(x))) + shape_of(x)
    return repeat(e, None, x, [want // have for want, have in zip(shape, own, strict=True)])


def expand(
    e: Emitter, node: torch.fx.Node, x: Value, _sizes: Any, *, implicit: bool = False
) -> Value:
    """x repeated to the shape that torch found."""
    return expanded(e, x, shape_of(node))


HANDLERS: Handlers = {
    **{
        target: to_own_shape
        for target in (
            aten.view.default,
            aten.reshape.default,
            aten._unsafe_view.default,
            aten.unsqueeze.default,
            aten.squeeze.dims,
            aten.squeeze.dim,
            aten.squeeze.default,
            aten.flatten.using_ints,
            aten.unflatten.int,
        )
    },
    **{
        target: same
        for target in (
            aten.clone.default,
            aten.alias.default,
            aten.detach.default,
            aten.contiguous.default,
            aten.lift_fresh_copy.default,
            aten.dropout.default,
            aten.nan_to_num.default,
        )
    },
    aten.native_dropout.default: lambda _e, _node, x, *_args: (x, None),
    aten._to_copy.default: to_copy,
    aten.permute.default: lambda e, _node, x, axes: e.permute(x, axes),
    aten.transpose.int: transpose,
    aten.t.default: matrix_transpose,
    aten.cat.default: cat,
    aten.stack.default: stack,
    aten.repeat.default: repeat,
    aten.expand.default: expand,
    **padding.HANDLERS,
}
