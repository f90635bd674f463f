"""Running products, maxima and logarithms of sums along an axis, one entry after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tqs_edge.frontend.aten.arithmetic import mul
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.values import Handlers, Value, shape_of

aten = torch.ops.aten
LONGEST = 128  # entries; each is an operation of its own
Join = Callable[[Emitter, torch.fx.Node, Value, Value], Value]


def _entries(e: Emitter, x: Value, dim: int) -> list[Value]:
    """Slices of extent 1 along an axis."""
    return [e.slice(x, dim, i, i + 1) for i in range(shape_of(x)[dim])]


def running(join: Join) -> Callable[..., Value | None]:
    """The handler of y[i] = join(y[i - 1], x[i]) along an axis."""

    def handle(
        e: Emitter, node: torch.fx.Node, x: Value, dim: int, dtype: Any = None
    ) -> Value | None:
        if not shape_of(x) or shape_of(x)[dim] > LONGEST:
            return None
        first, *others = _entries(e, x, dim)
        made = [first]
        for entry in others:
            made.append(join(e, node, made[-1], entry))
        return e.cat(made, dim)

    return handle


def log_of_sum(e: Emitter, _node: torch.fx.Node, a: Value, b: Value) -> Value:
    """log(exp(a) + exp(b)) = max(a, b) + log(1 + exp(-|a - b|))."""
    apart = e.function(e.binary(aten.sub.Tensor, a, b), "abs")
    rest = e.function(e.affine(apart, -1.0), "softplus")
    return e.binary(aten.add.Tensor, e.binary(aten.maximum.default, a, b), rest)


def _larger(e: Emitter, _node: torch.fx.Node, a: Value, b: Value) -> Value:
    return e.binary(aten.maximum.default, a, b)


def running_maximum(
    e: Emitter, node: torch.fx.Node, x: Value, dim: int
) -> tuple[Value, None] | None:
    """x.cummax(dim) where nothing reads the index."""
    if any(user.args[1] == 1 and user.users for user in node.users):
        return None
    made = running(_larger)(e, node, x, dim)
    return None if made is None else (made, None)


def product_over(
    e: Emitter, node: torch.fx.Node, x: Value, dim: int, keepdim: bool = False, dtype: Any = None
) -> Value | None:
    """The product of the entries along an axis."""
    if shape_of(x)[dim] > LONGEST:
        return None
    first, *others = _entries(e, x, dim)
    for entry in others:
        first = mul(e, node, first, entry)
    return e.reshape(first, shape_of(node))


def log_of_sum_over(
    e: Emitter, node: torch.fx.Node, x: Value, dims: Any, keepdim: bool = False
) -> Value:
    """log(sum(exp(x))) over axes, past the largest entry."""
    largest = e.reduce(aten.amax.default, x, dims)
    shifted = e.function(e.binary(aten.sub.Tensor, x, largest), "exp")
    total = e.function(e.reduce(aten.sum.dim_IntList, shifted, dims), "log")
    return e.reshape(e.binary(aten.add.Tensor, largest, total), shape_of(node))


HANDLERS: Handlers = {
    aten.cumprod.default: running(mul),
    aten.logcumsumexp.default: running(log_of_sum),
    aten.cummax.default: running_maximum,
    aten.prod.dim_int: product_over,
    aten.logsumexp.default: log_of_sum_over,
    aten.logaddexp.default: log_of_sum,
}
