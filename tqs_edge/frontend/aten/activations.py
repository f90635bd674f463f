"""Scalar functions and activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.hidden import exponential
from tqs_edge.frontend.aten.quotients import quotient, reciprocal
from tqs_edge.frontend.aten.step_ops import tqs
from tqs_edge.frontend.aten.values import Constant, Handlers, Operand, Value, shape_of
from tqs_edge.frontend.aten.variance import reciprocal_root, root_of_variance

aten = torch.ops.aten
SAME_AS_STRAIGHT = 16.0  # from here on softplus is its argument in float32


def _function(name: str) -> Callable[..., Value]:
    return lambda e, _node, x: e.function(x, name)


def _same(target: Any) -> Callable[..., Value]:
    return lambda e, _node, x: e.unary(target, x)


def sqrt(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """Square root; of a variance, a deviation."""
    return root_of_variance(e, x) or e.function(x, "sqrt")


def rsqrt(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """1 / sqrt(x); of a variance, the reciprocal of a deviation."""
    return reciprocal_root(e, x) or e.function(x, "rsqrt")


def gelu(e: Emitter, _node: torch.fx.Node, x: Value, *, approximate: str = "none") -> Value:
    """Both spellings of GELU."""
    return e.function(x, "gelu" if approximate == "none" else "gelu_tanh")


def elu(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    alpha: float = 1.0,
    scale: float = 1.0,
    input_scale: float = 1.0,
) -> Value | None:
    """scale * (max(x, 0) + alpha * (exp(min(x, 0)) - 1))."""
    if input_scale != 1:
        return None
    curved = e.affine(e.function(x, "elu"), alpha * scale)
    if alpha == 1:
        return curved
    straight = e.affine(e.unary(aten.relu.default, x), scale * (1 - alpha))
    return e.binary(aten.add.Tensor, curved, straight)


def selu(e: Emitter, node: torch.fx.Node, x: Value) -> Value | None:
    """Self-normalising ELU."""
    return elu(e, node, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def celu(e: Emitter, _node: torch.fx.Node, x: Value, alpha: float = 1.0) -> Value:
    """alpha * elu(x / alpha) where alpha > 0."""
    return e.affine(e.function(e.affine(x, 1 / alpha), "elu"), alpha)


def softplus(
    e: Emitter, _node: torch.fx.Node, x: Value, beta: float = 1.0, threshold: float = 20.0
) -> Value:
    """log(1 + exp(beta x)) / beta, x where beta x lies beyond the threshold."""
    scaled = e.affine(x, beta)
    curved = e.affine(e.function(scaled, "softplus"), 1 / beta)
    if threshold >= SAME_AS_STRAIGHT or not isinstance(scaled, torch.fx.Node):
        return curved
    return e.call(tqs.choose.default, scaled, x, curved, float(threshold), True)


def log_sigmoid(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """-softplus(-x)."""
    return e.affine(e.function(e.affine(x, -1.0), "softplus"), -1.0)


def log_sigmoid_forward(e: Emitter, node: torch.fx.Node, x: Value) -> tuple[Value, None]:
    """log_sigmoid with a second output that only training reads."""
    return log_sigmoid(e, node, x), None


def leaky_relu(e: Emitter, _node: torch.fx.Node, x: Value, slope: float = 0.01) -> Value:
    """max(x, slope * x), the minimum for a slope above 1."""
    target = aten.maximum.default if slope <= 1 else aten.minimum.default
    return e.binary(target, x, e.affine(x, slope))


def prelu(e: Emitter, _node: torch.fx.Node, x: Value, weight: Value) -> Value | None:
    """Leaky relu with one trained slope per channel (axis 1)."""
    if not isinstance(weight, Constant):
        return None
    rank = len(shape_of(x))
    channels = weight.shape[0] if weight.shape else 1
    slope = e.reshape(weight, (channels, *(1,) * max(rank - 2, 0)))
    above = e.unary(aten.relu.default, x)
    below = e.binary(aten.mul.Tensor, e.binary(aten.sub.Tensor, x, above), slope)
    return e.binary(aten.add.Tensor, above, below)


def clamp(
    e: Emitter,
    _node: torch.fx.Node,
    x: Value,
    min: Operand | None = None,
    max: Operand | None = None,
) -> Value:
    """Limits on both sides, or on one by a maximum or minimum; tensors limit entry by entry."""
    if not isinstance(min, int | float | None) or not isinstance(max, int | float | None):
        low = x if min is None else _beside(e, "maximum", x, min)
        return low if max is None else _beside(e, "minimum", low, max)
    if min is not None and max is not None:
        return e.unary(aten.clamp.default, x, float(min), float(max))
    if min is not None:
        return e.unary(aten.relu.default, x) if min == 0 else _beside(e, "maximum", x, min)
    return x if max is None else _beside(e, "minimum", x, max)


def _beside(e: Emitter, which: str, x: Value, limit: Operand) -> Value:
    """maximum or minimum with a tensor, or with a number, which ATen wants as a tensor."""
    target = aten.maximum.default if which == "maximum" else aten.minimum.default
    if not isinstance(limit, int | float):
        return e.binary(target, x, limit)
    return e.unary(target, x, Constant(torch.tensor([float(limit)]), f"{which}.limit"))


def hardtanh(
    e: Emitter, node: torch.fx.Node, x: Value, low: float = -1.0, high: float = 1.0
) -> Value:
    """clamp(x, low, high)."""
    return clamp(e, node, x, low, high)


def hardsigmoid(e: Emitter, node: torch.fx.Node, x: Value) -> Value:
    """clamp(x / 6 + 1/2, 0, 1)."""
    return clamp(e, node, e.affine(x, 1 / 6, 0.5), 0.0, 1.0)


def hardswish(e: Emitter, node: torch.fx.Node, x: Value) -> Value:
    """x * hardsigmoid(x)."""
    return e.binary(aten.mul.Tensor, x, hardsigmoid(e, node, x))


def glu(e: Emitter, _node: torch.fx.Node, x: Value, dim: int = -1) -> Value:
    """a * sigmoid(b) for the halves a, b of an axis."""
    extent = shape_of(x)[dim]
    a, b = e.slice(x, dim, 0, extent // 2), e.slice(x, dim, extent // 2, extent)
    return e.binary(aten.mul.Tensor, a, e.unary(aten.sigmoid.default, b))


def log1p(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """log(x + 1)."""
    return e.function(e.affine(x, 1.0, 1.0), "log")


def erfc(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """1 - erf(x)."""
    return e.affine(e.function(x, "erf"), -1.0, 1.0)


def tan(e: Emitter, node: torch.fx.Node, x: Value) -> Value:
    """sin(x) / cos(x)."""
    cosine = e.function(x, "cos")
    assert isinstance(cosine, torch.fx.Node)
    return quotient(e, node, e.function(x, "sin"), cosine)


def acos(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """pi / 2 - asin(x)."""
    return e.affine(e.function(x, "asin"), -1.0, math.pi / 2)


def exp2(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """exp(x * log(2))."""
    return e.function(e.affine(x, math.log(2)), "exp")


def expm1(e: Emitter, _node: torch.fx.Node, x: Value) -> Value:
    """exp(x) - 1."""
    return e.affine(e.function(x, "exp"), 1.0, -1.0)


def _logarithm(base: float) -> Callable[..., Value]:
    return lambda e, _node, x: e.affine(e.function(x, "log"), 1 / math.log(base))


HANDLERS: Handlers = {
    **{
        getattr(aten, name).default: _function(name)
        for name in ("log sin cos atan asin sinh cosh asinh abs erf silu mish".split())
    },
    **{getattr(aten, n).default: _same(getattr(aten, n).default) for n in ("tanh", "sigmoid")},
    aten.exp.default: exponential,
    aten.reciprocal.default: reciprocal,
    aten.relu.default: _same(aten.relu.default),
    aten.sqrt.default: sqrt,
    aten.rsqrt.default: rsqrt,
    aten.gelu.default: gelu,
    aten.elu.default: elu,
    aten.selu.default: selu,
    aten.celu.default: celu,
    aten.softplus.default: softplus,
    aten.log_sigmoid.default: log_sigmoid,
    aten.log_sigmoid_forward.default: log_sigmoid_forward,
    aten.leaky_relu.default: leaky_relu,
    aten.prelu.default: prelu,
    aten._prelu_kernel.default: prelu,
    aten.clamp.default: clamp,
    aten.clamp.Tensor: clamp,
    aten.clamp_min.Tensor: lambda e, node, x, low: clamp(e, node, x, low),
    aten.clamp_max.Tensor: lambda e, node, x, high: clamp(e, node, x, None, high),
    aten.clamp_min.default: lambda e, node, x, low: clamp(e, node, x, low),
    aten.clamp_max.default: lambda e, node, x, high: clamp(e, node, x, None, high),
    aten.hardtanh.default: hardtanh,
    aten.relu6.default: lambda e, node, x: clamp(e, node, x, 0.0, 6.0),
    aten.hardsigmoid.default: hardsigmoid,
    aten.hardswish.default: hardswish,
    aten.glu.default: glu,
    aten.log1p.default: log1p,
    aten.expm1.default: expm1,
    aten.tan.default: tan,
    aten.acos.default: acos,
    aten.exp2.default: exp2,
    aten.erfc.default: erfc,
    aten.log2.default: _logarithm(2),
    aten.log10.default: _logarithm(10),
}
