"""Activations and scalar functions become functions of the graph, limits and products."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.frontend.aten.rewritten import check

X = torch.linspace(-4, 4, 24).reshape(1, 8, 3)

BECOMES = {
    "tanh": (torch.tanh, {"tanh": 1}),
    "sigmoid": (torch.sigmoid, {"sigmoid": 1}),
    "relu": (torch.relu, {"relu": 1}),
    "gelu": (F.gelu, {"gelu": 1}),
    "gelu tanh": (nn.GELU("tanh"), {"gelu_tanh": 1}),
    "silu": (F.silu, {"silu": 1}),
    "mish": (F.mish, {"mish": 1}),
    "softplus": (F.softplus, {"softplus": 1}),
    "softplus with beta": (nn.Softplus(beta=2), {"softplus": 1, "mul": 2}),
    "softplus that turns straight": (
        nn.Softplus(beta=2, threshold=3),
        {"softplus": 1, "mul": 2, "choose": 1},
    ),
    "elu": (F.elu, {"elu": 1}),
    "elu with alpha": (nn.ELU(0.5), {"elu": 1, "relu": 1, "mul": 2, "add": 1}),
    "selu": (F.selu, {"elu": 1, "relu": 1, "mul": 2, "add": 1}),
    "celu": (nn.CELU(2.0), {"elu": 1, "mul": 2}),
    "leaky relu": (F.leaky_relu, {"mul": 1, "maximum": 1}),
    "steep leaky relu": (nn.LeakyReLU(2.0), {"mul": 1, "minimum": 1}),
    "relu6": (F.relu6, {"clamp": 1}),
    "hardtanh": (F.hardtanh, {"clamp": 1}),
    "hardsigmoid": (F.hardsigmoid, {"mul": 1, "add": 1, "clamp": 1}),
    "hardswish": (F.hardswish, {"mul": 2, "add": 1, "clamp": 1}),
    "logsigmoid": (F.logsigmoid, {"mul": 2, "softplus": 1}),
    "softsign": (F.softsign, {"abs": 1, "add": 1, "div": 1}),
    "tanhshrink": (F.tanhshrink, {"tanh": 1, "sub": 1}),
    "clamp": (lambda x: x.clamp(-1, 2), {"clamp": 1}),
    "clamp above": (lambda x: x.clamp(max=1.0), {"minimum": 1}),
    "clamp below": (lambda x: x.clamp(min=-1.0), {"maximum": 1}),
    "exp": (torch.exp, {"exp": 1}),
    "expm1": (torch.expm1, {"exp": 1, "add": 1}),
    "sin and cos": (lambda x: torch.sin(x) + torch.cos(x), {"sin": 1, "cos": 1, "add": 1}),
    "abs": (torch.abs, {"abs": 1}),
    "only numbers": (lambda x: torch.nan_to_num(x.exp()), {"exp": 1}),
    "erf": (torch.erf, {"erf": 1}),
    "square": (torch.square, {"mul": 1}),
    "cube": (lambda x: x**3, {"mul": 2}),
    "fourth power": (lambda x: x**4, {"mul": 2}),
    "arctangent": (torch.atan, {"atan": 1}),
    "arcsine": (lambda x: torch.asin(x / 4), {"mul": 1, "asin": 1}),
    "arccosine": (lambda x: torch.acos(x / 4), {"mul": 2, "asin": 1, "add": 1}),
    "hyperbolic sine": (torch.sinh, {"sinh": 1}),
    "hyperbolic cosine": (torch.cosh, {"cosh": 1}),
    "inverse hyperbolic sine": (torch.asinh, {"asinh": 1}),
    "rest of erf": (torch.erfc, {"erf": 1, "mul": 1, "add": 1}),
    "power of two": (torch.exp2, {"mul": 1, "exp": 1}),
    "hypotenuse": (lambda x: torch.hypot(x, x.exp()), {"exp": 1, "mul": 2, "add": 1, "sqrt": 1}),
    "clamp by tensors": (
        lambda x: torch.clamp(x, x.mean(1, keepdim=True), x.exp()),
        {"mean": 1, "exp": 1, "maximum": 1, "minimum": 1},
    ),
    "power of a number": (lambda x: 2.0**x, {"mul": 1, "exp": 1}),
    "softmax": (lambda x: x.softmax(-1), {"softmax": 1}),
    "softmax over time": (lambda x: x.softmax(1), {"softmax": 1, "permute": 2}),
    "log softmax": (
        lambda x: x.log_softmax(-1),
        {"amax": 1, "sub": 2, "exp": 1, "sum": 1, "log": 1},
    ),
}
POSITIVE = {
    "log": (torch.log, {"log": 1}),
    "log1p": (torch.log1p, {"add": 1, "log": 1}),
    "log2": (torch.log2, {"log": 1, "mul": 1}),
    "sqrt": (torch.sqrt, {"sqrt": 1}),
    "rsqrt": (torch.rsqrt, {"rsqrt": 1}),
    "power of a half": (lambda x: x**0.5, {"sqrt": 1}),
    "reciprocal": (lambda x: x.exp().reciprocal(), {"exp": 1, "reciprocal": 1}),
    "quotient of a number": (lambda x: 3 / x.exp(), {"exp": 1, "reciprocal": 1, "mul": 1}),
    "power of one and a half": (lambda x: x**1.5, {"mul": 1, "sqrt": 1}),
    "any power": (lambda x: x**0.3, {"log": 1, "mul": 1, "exp": 1}),
    "power of a tensor": (lambda x: x ** x.tanh(), {"log": 1, "mul": 1, "exp": 1, "tanh": 1}),
    "inverse square": (lambda x: x**-2, {"mul": 1, "reciprocal": 1}),
}


@pytest.mark.parametrize("name", BECOMES)
def test_activation_becomes(name):
    function, expected = BECOMES[name]
    assert check(function, X) == expected


@pytest.mark.parametrize("name", POSITIVE)
def test_function_of_positive_numbers_becomes(name):
    function, expected = POSITIVE[name]
    assert check(function, X + 4.5) == expected


def test_the_larger_of_a_tensor_and_itself_is_that_tensor() -> None:
    assert check(lambda x: torch.maximum(x.exp(), x.exp()) + 1, X) == {"exp": 1, "add": 1}


def test_a_tangent_is_a_quotient_that_keeps_its_sign() -> None:
    assert check(lambda x: torch.tan(x / 5), X)["div"] == 1


def test_glu_is_a_gated_half():
    assert check(F.glu, X[..., :2]) == {"slice": 2, "sigmoid": 1, "mul": 1}


def test_prelu_has_a_slope_for_each_channel():
    layer = nn.PReLU(8)
    with torch.no_grad():
        layer.weight.uniform_(-1, 2)
    check(lambda part, x: part(x), X, parts=(layer,))
