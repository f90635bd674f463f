"""ONNX operations that act on every element by itself."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tqs_edge.frontend.onnx.node import OnnxNode, Operand, Operator, Result, number, operand


def _unary(function: Callable[[torch.Tensor], torch.Tensor]) -> Operator:
    return Operator(lambda _node, operands: function(operands[0]))


def _binary(function: Callable[[Any, Any], torch.Tensor]) -> Operator:
    return Operator(lambda _node, operands: function(*operands), numbers=True)


def _compare(function: Callable[[Any, Any], torch.Tensor]) -> Operator:
    return Operator(lambda _node, operands: function(*operands))


def _scaled(function: Callable[..., torch.Tensor], **defaults: float) -> Operator:
    """function(x, *attributes), the attributes in the order of their defaults."""

    def run(node: OnnxNode, operands: Sequence[Operand]) -> Result:
        return function(operands[0], *(node.get(key, value) for key, value in defaults.items()))

    return Operator(run)


def _div(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    a, b = operands
    whole = isinstance(a, torch.Tensor) and not a.is_floating_point()
    if whole and isinstance(b, torch.Tensor):
        return torch.div(a, b, rounding_mode="trunc")
    quotient: torch.Tensor = a / b
    return quotient


def _mod(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    rest: torch.Tensor = (torch.fmod if node.get("fmod", 0) else torch.remainder)(*operands)
    return rest


def _pow(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """x to a power; small whole powers as products, which lose no sign and need no table."""
    base, exponent = operands
    if isinstance(exponent, float) and exponent in (1.0, 2.0, 3.0):
        product: torch.Tensor = functools.reduce(operator.mul, [base] * int(exponent))
        return product
    if isinstance(exponent, float) and exponent == 0.5:
        return torch.sqrt(base)
    return torch.pow(base, exponent)


def _extremum(clamp: str, two: Callable[[Any, Any], torch.Tensor]) -> Operator:
    """The largest or smallest of any number of tensors; against a number it is a limit."""

    def both(a: Operand, b: Operand) -> torch.Tensor:
        if isinstance(a, float):
            a, b = b, a
        if isinstance(b, float):
            if clamp == "max":
                return torch.clamp(a, max=b)
            return functional.relu(a) if b == 0.0 else torch.clamp(a, min=b)
        return two(a, b)

    return Operator(lambda _node, operands: functools.reduce(both, operands), numbers=True)


def _clip(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x: torch.Tensor = operands[0]
    low, high = (number(operand(operands, position), None) for position in (1, 2))
    largest = float(np.finfo(np.float32).max)  # exporters write it for no limit
    low = None if low is not None and low <= -largest else low
    high = None if high is not None and high >= largest else high
    if low is None and high is None:
        return x
    if not x.is_floating_point():
        return torch.clamp(x, *(None if v is None else int(v) for v in (low, high)))
    return functional.relu(x) if low == 0.0 and high is None else torch.clamp(x, low, high)


def _gelu(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    return functional.gelu(operands[0], approximate=node.get("approximate", "none"))


def _prelu(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, slope = operands
    curve: torch.Tensor = torch.relu(x) - slope * torch.relu(-x)
    return curve


def _hard_sigmoid(x: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


def _celu(x: torch.Tensor, alpha: float) -> torch.Tensor:
    return functional.celu(x, alpha)


def _threshold(x: torch.Tensor, alpha: float) -> torch.Tensor:
    return functional.threshold(x, alpha, 0.0)


def _sum(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    total: torch.Tensor = functools.reduce(operator.add, operands)
    return total


def _mean(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    mean: torch.Tensor = functools.reduce(operator.add, operands) / float(len(operands))
    return mean


def _where(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    return torch.where(*operands)


OPERATORS: dict[str, Operator] = {
    "Add": _binary(operator.add),
    "Sub": _binary(operator.sub),
    "Mul": _binary(operator.mul),
    "Div": Operator(_div, numbers=True),
    "Mod": Operator(_mod),
    "Pow": Operator(_pow, numbers=True),
    "Max": _extremum("min", torch.maximum),
    "Min": _extremum("max", torch.minimum),
    "Sum": Operator(_sum, numbers=True),
    "Mean": Operator(_mean, numbers=True),
    "Neg": _unary(torch.neg),
    "Abs": _unary(torch.abs),
    "Exp": _unary(torch.exp),
    "Log": _unary(torch.log),
    "Sqrt": _unary(torch.sqrt),
    "Reciprocal": _unary(torch.reciprocal),
    "Sin": _unary(torch.sin),
    "Cos": _unary(torch.cos),
    "Erf": _unary(torch.erf),
    "Tan": _unary(torch.tan),
    "Asin": _unary(torch.asin),
    "Acos": _unary(torch.acos),
    "Atan": _unary(torch.atan),
    "Sinh": _unary(torch.sinh),
    "Cosh": _unary(torch.cosh),
    "Asinh": _unary(torch.asinh),
    "Floor": _unary(torch.floor),
    "Ceil": _unary(torch.ceil),
    "Round": _unary(torch.round),
    "Sign": _unary(torch.sign),
    "Not": _unary(torch.logical_not),
    "Tanh": _unary(torch.tanh),
    "Sigmoid": _unary(torch.sigmoid),
    "Relu": _unary(torch.relu),
    "Softplus": _unary(functional.softplus),
    "Softsign": _unary(functional.softsign),
    "HardSwish": _unary(lambda x: x * _hard_sigmoid(x, 1 / 6, 0.5)),
    "Mish": _unary(functional.mish),
    "Gelu": Operator(_gelu),
    "LeakyRelu": _scaled(functional.leaky_relu, alpha=0.01),
    "Elu": _scaled(functional.elu, alpha=1.0),
    "Selu": _unary(functional.selu),
    "Celu": _scaled(_celu, alpha=1.0),
    "ThresholdedRelu": _scaled(_threshold, alpha=1.0),
    "HardSigmoid": _scaled(_hard_sigmoid, alpha=0.2, beta=0.5),
    "PRelu": Operator(_prelu, numbers=True),
    "Clip": Operator(_clip, static=(1, 2)),
    "Equal": _compare(torch.eq),
    "Less": _compare(torch.lt),
    "LessOrEqual": _compare(torch.le),
    "Greater": _compare(torch.gt),
    "GreaterOrEqual": _compare(torch.ge),
    "And": _compare(torch.logical_and),
    "Or": _compare(torch.logical_or),
    "Xor": _compare(torch.logical_xor),
    "Where": Operator(_where),
}
