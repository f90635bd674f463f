"""Means, sums, maxima, variances and norms over axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.hidden import without_hidden
from tqs_edge.frontend.aten.values import Handlers, Value, shape_of
from tqs_edge.frontend.aten.variance import (
    mean_over,
    remember,
    root_of_variance,
    variance_over,
)

aten = torch.ops.aten


def _axes(x: Value, dims: int | Sequence[int] | None) -> list[int]:
    rank = len(shape_of(x))
    if dims is None or dims == []:
        return list(range(rank))
    return [dim % rank for dim in ([dims] if isinstance(dims, int) else dims)]


def mean(
    e: Emitter, node: torch.fx.Node, x: Value, dims: Any = None, keepdim: bool = False, **_kw: Any
) -> Value:
    """The mean over axes."""
    axes = _axes(x, dims)
    result = mean_over(e, x, axes[0]) if len(axes) == 1 else e.reduce(aten.mean.dim, x, axes)
    return e.reshape(result, shape_of(node))


def reduction(target: Any, scale: float = 1.0) -> Callable[..., Value]:
    """A handler of sums and maxima; scale: -1 for a minimum, both before and after."""

    def handle(
        e: Emitter,
        node: torch.fx.Node,
        x: Value,
        dims: Any = None,
        keepdim: bool = False,
        **_kw: Any,
    ) -> Value:
        axes = _axes(x, dims)
        x = without_hidden(e, x, axes) if target is aten.amax.default and scale > 0 else x
        reduced = e.reduce(target, e.affine(x, scale), axes)
        return e.reshape(e.affine(reduced, scale), shape_of(node))

    return handle


def extreme_and_index(scale: float) -> Callable[..., tuple[Value, None] | None]:
    """A handler of x.max(dim) (1) or x.min(dim) (-1) where nothing reads the index."""

    def handle(
        e: Emitter, node: torch.fx.Node, x: Value, dim: int, keepdim: bool = False
    ) -> tuple[Value, None] | None:
        if any(user.args[1] == 1 and user.users for user in node.users):
            return None
        x = without_hidden(e, x, [dim]) if scale > 0 else x
        values = e.affine(e.reduce(aten.amax.default, e.affine(x, scale), [dim]), scale)
        return e.reshape(values, tuple(node.meta["val"][0].shape)), None

    return handle


def _flattened(e: Emitter, x: Value, axes: list[int]) -> tuple[Value, int]:
    """(x with the axes as one, which one); the last one where other axes stand between them."""
    shape, first, last = shape_of(x), min(axes), max(axes)
    extent = math.prod(shape[axis] for axis in axes)
    if sorted(axes) != list(range(first, last + 1)):
        others = [axis for axis in range(len(shape)) if axis not in axes]
        moved = e.permute(x, [*others, *axes])
        return e.reshape(moved, [*(shape[axis] for axis in others), extent]), len(others)
    return e.reshape(x, [*shape[:first], extent, *shape[last + 1 :]]), first


def variance(
    e: Emitter,
    node: torch.fx.Node,
    x: Value,
    dims: Any = None,
    *,
    correction: float | None = 1,
    keepdim: bool = False,
) -> Value | None:
    """The variance over axes, over n - correction."""
    axes = _axes(x, dims)
    flat = (x, axes[0]) if len(axes) == 1 else _flattened(e, x, axes)
    less = 1.0 if correction is None else correction
    if shape_of(flat[0])[flat[1]] <= less:
        return None
    result = variance_over(e, *flat, less)
    return result if len(axes) == 1 and keepdim else _reshaped(e, result, shape_of(node))


def _reshaped(e: Emitter, variance: Value, shape: tuple[int, ...]) -> Value:
    """A variance without its axis; its square root is a reshaped deviation all the same."""
    result = e.reshape(variance, shape)
    if isinstance(variance, torch.fx.Node) and variance in e.facts:
        remember(e, result, e.facts[variance])
    return result


def deviation(
    e: Emitter, node: torch.fx.Node, x: Value, dims: Any = None, **options: Any
) -> Value | None:
    """The standard deviation over axes."""
    found = variance(e, node, x, dims, **options)
    root = None if found is None else root_of_variance(e, found)
    return None if root is None else e.reshape(root, shape_of(node))


def norm(
    e: Emitter,
    node: torch.fx.Node,
    x: Value,
    order: float = 2,
    dims: Any = None,
    keepdim: bool = False,
    **_kw: Any,
) -> Value | None:
    """The Euclidean or absolute norm over axes."""
    axes = _axes(x, dims)
    if order == 1:
        total = e.reduce(aten.sum.dim_IntList, e.function(x, "abs"), axes)
    elif order == 2:
        squares = e.binary(aten.mul.Tensor, x, x)
        total = e.function(e.reduce(aten.sum.dim_IntList, squares, axes), "sqrt")
    else:
        return None
    return e.reshape(total, shape_of(node))


def distances(
    e: Emitter, node: torch.fx.Node, a: Value, b: Value, order: float, _mode: int | None = None
) -> Value | None:
    """torch.cdist: the norm of a[..., i, :] - b[..., j, :] for every i and j."""
    rows, others = shape_of(a), shape_of(b)
    apart = e.binary(
        aten.sub.Tensor,
        e.reshape(a, (*rows[:-1], 1, rows[-1])),
        e.reshape(b, (*others[:-2], 1, *others[-2:])),
    )
    return norm(e, node, apart, order, [-1])


HANDLERS: Handlers = {
    aten._cdist_forward.default: distances,
    aten.mean.default: mean,
    aten.mean.dim: mean,
    aten.sum.default: reduction(aten.sum.dim_IntList),
    aten.sum.dim_IntList: reduction(aten.sum.dim_IntList),
    aten.amax.default: reduction(aten.amax.default),
    aten.max.default: reduction(aten.amax.default),
    aten.amin.default: reduction(aten.amax.default, -1.0),
    aten.min.default: reduction(aten.amax.default, -1.0),
    aten.max.dim: extreme_and_index(1.0),
    aten.min.dim: extreme_and_index(-1.0),
    aten.var.correction: variance,
    aten.std.correction: deviation,
    aten.linalg_vector_norm.default: norm,
}
