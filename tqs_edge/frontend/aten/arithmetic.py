"""Sums, differences, products, quotients, powers and choices by a constant mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.hidden import hidden_of, noted
from tqs_edge.frontend.aten.masks import add_mask, only_softmax_reads, scaled_scores
from tqs_edge.frontend.aten.quotients import quotient, reciprocal
from tqs_edge.frontend.aten.values import Constant, Handlers, Operand, Value
from tqs_edge.frontend.aten.variance import (
    Centred,
    Mean,
    Squared,
    Variance,
    known,
    normalized,
    reciprocal_root,
    remember,
    root_of_variance,
)

aten = torch.ops.aten


def _scaled(e: Emitter, x: Operand, alpha: float) -> Operand:
    if alpha == 1:
        return x
    return x * alpha if isinstance(x, int | float) else e.affine(x, alpha)


def add(e: Emitter, node: torch.fx.Node, a: Operand, b: Operand, alpha: float = 1) -> Value:
    """a + alpha * b; to scores that only a softmax reads, a mask of minus infinities."""
    b = _scaled(e, b, alpha)
    for x, mask in ((a, b), (b, a)):
        if isinstance(mask, Constant) and isinstance(x, torch.fx.Node):
            if only_softmax_reads(node):
                return add_mask(e, x, mask)
    result = noted(e, e.binary(aten.add.Tensor, a, b), hidden_of(e, a, b))
    for x, eps in ((a, b), (b, a)):
        number = _number(eps)
        if isinstance(known(e, x), Variance) and number is not None:
            fact = known(e, x)
            return remember(e, result, replace(fact, eps=fact.eps + number))
    return result


def sub(e: Emitter, _node: torch.fx.Node, a: Operand, b: Operand, alpha: float = 1) -> Value:
    """a - alpha * b."""
    if isinstance(b, int | float):
        assert not isinstance(a, int | float)
        return noted(e, e.affine(a, 1.0, -b * alpha), hidden_of(e, a))
    result = noted(e, e.binary(aten.sub.Tensor, a, _scaled(e, b, alpha)), hidden_of(e, a))
    fact = known(e, b)
    if isinstance(fact, Mean) and fact.x is a and alpha == 1:
        return remember(e, result, Centred(fact.x, fact.axis))
    return result


def mul(e: Emitter, _node: torch.fx.Node, a: Operand, b: Operand) -> Value:
    """a * b."""
    for x, y in ((a, b), (b, a)):
        whole = normalized(e, x, y, inverse=True)
        if whole is not None:
            return whole
        number = _number(y)
        if number is not None and isinstance(x, torch.fx.Node):
            scores = scaled_scores(e, x, number)
            if scores is not None:
                return scores
    result = e.binary(aten.mul.Tensor, a, b)
    fact = known(e, a)
    if a is b and isinstance(fact, Centred):
        return remember(e, result, Squared(fact.x, fact.axis))
    for x, factor in ((a, b), (b, a)):
        scale, fact = _number(factor), known(e, x)
        if isinstance(fact, Variance) and scale is not None:
            return remember(
                e, result, replace(fact, scale=fact.scale * scale, eps=fact.eps * scale)
            )
    return result


def div(
    e: Emitter, node: torch.fx.Node, a: Operand, b: Operand, rounding_mode: str | None = None
) -> Value | None:
    """a / b: by a constant a product, of a number a reciprocal, else a division."""
    if rounding_mode is not None:
        return None
    if isinstance(b, int | float):
        return mul(e, node, a, 1 / b)
    if isinstance(b, Constant):
        return e.binary(aten.mul.Tensor, a, Constant(1 / b.value, b.path))
    whole = normalized(e, a, b, inverse=False)
    if whole is not None:
        return whole
    if not isinstance(a, torch.fx.Node):
        return e.binary(aten.mul.Tensor, reciprocal(e, node, b), a)
    return quotient(e, node, a, b)


def power(e: Emitter, node: torch.fx.Node, x: Value, exponent: float) -> Value | None:
    """Products for small whole exponents, roots for halves, else exp(exponent * log(x))."""
    if exponent in (0.5, -0.5):
        root = root_of_variance(e, x) if exponent > 0 else reciprocal_root(e, x)
        return root or e.function(x, "sqrt" if exponent > 0 else "rsqrt")
    if exponent in (1.5, 2.5):
        whole = x if exponent == 1.5 else mul(e, node, x, x)
        return mul(e, node, whole, e.function(x, "sqrt"))
    if exponent != int(exponent):
        return e.function(e.affine(e.function(x, "log"), exponent), "exp")
    if not 1 <= abs(exponent) <= 16:
        return None
    result: Value | None = None
    square, left = x, abs(int(exponent))
    while True:
        if left % 2:
            result = square if result is None else mul(e, node, result, square)
        left //= 2
        if not left:
            break
        square = mul(e, node, square, square)
    assert result is not None
    return reciprocal(e, node, result) if exponent < 0 else result


def power_of_scalar(e: Emitter, _node: torch.fx.Node, base: float, x: Value) -> Value | None:
    """base ** x as exp(x * log(base))."""
    if base <= 0:
        return None
    scale = float(torch.tensor(float(base)).double().log())
    return e.function(e.affine(x, scale), "exp")


def power_of_tensors(e: Emitter, node: torch.fx.Node, a: Value, b: Value) -> Value:
    """a ** b as exp(b * log(a)), for a above 0."""
    return e.function(mul(e, node, b, e.function(a, "log")), "exp")


def hypot(e: Emitter, node: torch.fx.Node, a: Value, b: Value) -> Value:
    """sqrt(a * a + b * b)."""
    return e.function(add(e, node, mul(e, node, a, a), mul(e, node, b, b)), "sqrt")


def extremum(target: Any) -> Callable[..., Value]:
    """maximum or minimum of two tensors."""
    return lambda e, _node, a, b: e.binary(target, a, b)


def addcmul(
    e: Emitter, node: torch.fx.Node, x: Value, a: Value, b: Value, *, value: float = 1
) -> Value:
    """x + value * a * b."""
    return add(e, node, x, mul(e, node, a, b), value)


def lerp(e: Emitter, node: torch.fx.Node, a: Value, b: Value, weight: Operand) -> Value:
    """a + weight * (b - a)."""
    return add(e, node, a, mul(e, node, sub(e, node, b, a), weight))


def _number(x: Operand) -> float | None:
    if isinstance(x, Constant):
        return float(x.value) if x.value.numel() == 1 else None
    return float(x) if isinstance(x, int | float) else None


HANDLERS: Handlers = {
    aten.add.Tensor: add,
    aten.add.Scalar: add,
    aten.sub.Tensor: sub,
    aten.sub.Scalar: sub,
    aten.rsub.Scalar: lambda e, node, a, b, alpha=1: sub(e, node, b, a, alpha),
    aten.rsub.Tensor: lambda e, node, a, b, alpha=1: sub(e, node, b, a, alpha),
    aten.mul.Tensor: mul,
    aten.mul.Scalar: mul,
    aten.div.Tensor: div,
    aten.div.Scalar: div,
    aten.div.Tensor_mode: div,
    aten.neg.default: lambda e, _node, x: e.affine(x, -1.0),
    aten.square.default: lambda e, node, x: mul(e, node, x, x),
    aten.pow.Tensor_Scalar: power,
    aten.pow.Scalar: power_of_scalar,
    aten.pow.Tensor_Tensor: power_of_tensors,
    aten.hypot.default: hypot,
    aten.fmax.default: extremum(aten.maximum.default),
    aten.fmin.default: extremum(aten.minimum.default),
    aten.maximum.default: extremum(aten.maximum.default),
    aten.minimum.default: extremum(aten.minimum.default),
    aten.addcmul.default: addcmul,
    aten.lerp.Scalar: lerp,
    aten.lerp.Tensor: lerp,
}
