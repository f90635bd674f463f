"""Means, variances and deviations recognised in the arithmetic that models spell them in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import Value, shape_of

aten = torch.ops.aten


@dataclass(frozen=True)
class Mean:
    """The mean of x over one axis, which stays with extent 1."""

    x: Value
    axis: int


@dataclass(frozen=True)
class Centred:
    """x - mean(x)."""

    x: Value
    axis: int


@dataclass(frozen=True)
class Squared:
    """(x - mean(x)) ** 2."""

    x: Value
    axis: int


@dataclass(frozen=True)
class Variance:
    """scale * variance(x) + eps over one axis, the variance over n."""

    x: Value
    axis: int
    scale: float = 1.0
    eps: float = 0.0


@dataclass(frozen=True)
class Deviation:
    """sqrt(scale) * sqrt(variance(x) + eps), or its reciprocal."""

    x: Value
    axis: int
    scale: float
    eps: float
    inverse: bool = False


def remember(e: Emitter, value: Value, fact: Any) -> Value:
    """value, of which `fact` is known from now on."""
    if isinstance(value, torch.fx.Node):
        e.facts[value] = fact
    return value


def known(e: Emitter, value: Any) -> Any:
    """What is known of a value, or None."""
    return e.facts.get(value) if isinstance(value, torch.fx.Node) else None


def mean_over(e: Emitter, x: Value, axis: int) -> Value:
    """The mean over one axis, which stays; of squares of centred values, a variance."""
    axis %= len(shape_of(x))
    result = e.reduce(aten.mean.dim, x, [axis])
    if result is x:
        return x
    squared = known(e, x)
    if isinstance(squared, Squared) and squared.axis == axis:
        return remember(e, result, Variance(squared.x, axis))
    return remember(e, result, Mean(x, axis))


def variance_over(e: Emitter, x: Value, axis: int, correction: float) -> Value:
    """The variance over one axis, which stays with extent 1."""
    axis %= len(shape_of(x))
    count = shape_of(x)[axis]
    centred = e.binary(aten.sub.Tensor, x, e.reduce(aten.mean.dim, x, [axis]))
    squares = e.binary(aten.mul.Tensor, centred, centred)
    scale = count / (count - correction)
    result = e.affine(e.reduce(aten.mean.dim, squares, [axis]), scale)
    return remember(e, result, Variance(x, axis, scale))


def root_of_variance(e: Emitter, x: Value) -> Value | None:
    """sqrt(x) as a deviation where x is a variance, in the shape of x; else None."""
    fact = known(e, x)
    if not isinstance(fact, Variance) or fact.scale <= 0:
        return None
    moved, back = e.to_last(fact.x, fact.axis)
    eps = fact.eps / fact.scale
    deviation = e.permute(e.call(tqs.deviation.default, moved, eps), back)
    result = e.affine(deviation, math.sqrt(fact.scale))
    remember(e, result, Deviation(fact.x, fact.axis, fact.scale, eps))
    return e.reshape(result, shape_of(x))


def reciprocal_root(e: Emitter, x: Value) -> Value | None:
    """1 / sqrt(x) by a deviation where x is a variance, else None."""
    root = root_of_variance(e, x)
    if root is None:
        return None
    fact, result = known(e, root), e.function(root, "reciprocal")
    return result if fact is None else remember(e, result, replace(fact, inverse=True))


def normalized(e: Emitter, centred: Any, deviation: Any, *, inverse: bool) -> Value | None:
    """centred / deviation (inverse: times its reciprocal) as one normalisation, else None.

    Both must be of the same tensor.
    """
    top, bottom = known(e, centred), known(e, deviation)
    if not isinstance(top, Centred) or not isinstance(bottom, Deviation):
        return None
    if (top.x, top.axis, inverse) != (bottom.x, bottom.axis, bottom.inverse):
        return None
    moved, back = e.to_last(top.x, top.axis)
    result = e.permute(e.call(tqs.normalize.default, moved, bottom.eps), back)
    return e.affine(result, 1 / math.sqrt(bottom.scale))
