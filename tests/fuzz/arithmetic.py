"""Rules of elementwise operations. A rule picks a function that suits the first of the values."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Tensors = Sequence[torch.Tensor]


@dataclass(frozen=True, eq=False)
class Rule:
    """function(*parts, *constants, x, *others): others are places among the values there are."""

    function: Callable[..., Any]
    others: tuple[int, ...] = ()
    parts: tuple[nn.Module, ...] = ()
    constants: tuple[torch.Tensor, ...] = ()
    text: str = ""


NUMBERS = (0.5, -0.7, 1.0, -1.0, 2.5, 1e-3, -1e-3, 40.0, -40.0, 0.0)
UNARY: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softplus": F.softplus,
    "softplus_beta": lambda x: F.softplus(x, beta=2.0, threshold=5.0),
    "elu": F.elu,
    "elu_alpha": lambda x: F.elu(x, alpha=0.4),
    "celu": lambda x: F.celu(x, alpha=0.7),
    "selu": F.selu,
    "mish": F.mish,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "leaky_negative": lambda x: F.leaky_relu(x, -0.2),
    "leaky_steep": lambda x: F.leaky_relu(x, 1.5),
    "logsigmoid": F.logsigmoid,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": lambda x: F.hardtanh(x, -0.4, 0.9),
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "hardshrink": lambda x: F.hardshrink(x, 0.3),
    "softshrink": lambda x: F.softshrink(x, 0.3),
    "threshold": lambda x: F.threshold(x, 0.2, -0.5),
    "relu6": F.relu6,
    "sin": torch.sin,
    "cos": torch.cos,
    "sin_wide": lambda x: torch.sin(9 * x),
    "tan": lambda x: torch.tan(0.3 * torch.tanh(x)),
    "atan": torch.atan,
    "sinh": lambda x: torch.sinh(torch.tanh(x)),
    "cosh": lambda x: torch.cosh(torch.tanh(x)),
    "asinh": torch.asinh,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "exp": lambda x: torch.exp(x.clamp(max=2.0)),
    "exp_negative": lambda x: torch.exp(-x.abs()),
    "expm1": lambda x: torch.expm1(x.clamp(max=1.0)),
    "exp2": lambda x: torch.exp2(x.clamp(max=2.0)),
    "log": lambda x: torch.log(x.abs() + 0.2),
    "log1p": lambda x: torch.log1p(x.square()),
    "log2": lambda x: torch.log2(x.abs() + 0.5),
    "sqrt": lambda x: torch.sqrt(x.abs() + 0.1),
    "rsqrt": lambda x: torch.rsqrt(x.square() + 0.2),
    "reciprocal": lambda x: 1.0 / (x.abs() + 0.4),
    "reciprocal_negative": lambda x: 1.0 / (-0.4 - x.abs()),
    "reciprocal_signed": lambda x: torch.reciprocal(x + 0.5 * torch.sign(x) + 0.01),
    "abs": torch.abs,
    "neg": torch.neg,
    "square": torch.square,
    "cube": lambda x: x**3,
    "power": lambda x: (x.abs() + 0.1) ** 1.7,
    "power_negative": lambda x: (x.abs() + 0.5) ** -0.6,
    "power_of": lambda x: 1.5 ** x.clamp(-3, 3),
    "sign": torch.sign,
    "clamp": lambda x: x.clamp(-0.5, 0.8),
    "clamp_low": lambda x: x.clamp(min=0.3),
    "clamp_high": lambda x: x.clamp(max=-0.2),
    "clamp_far": lambda x: x.clamp(-90.0, 90.0),
    "clamp_beyond": lambda x: x.clamp(20.0, 30.0),
    "clamp_one": lambda x: x.clamp(0.25, 0.25),
    "zero": lambda x: x * 0.0,
    "double": lambda x: x + x,
    "none": lambda x: x - x * 0.5,
    "frac": lambda x: x - x.clamp(-0.5, 0.5),
    "choose": lambda x: torch.where(x > 0.1, x * 0.5, -x),
    "choose_le": lambda x: torch.where(x <= -0.2, 0.3, x),
    "choose_two": lambda x: torch.where((x > -0.5) & (x < 0.5), x, torch.ones_like(x)),
    "choose_not": lambda x: torch.where(~(x > 0.0) | (x > 1.0), x.abs(), 0.2 * x),
    "mask_number": lambda x: x * (x > 0.0),
    "masked_fill": lambda x: x.masked_fill(x < 0.0, 0.1),
    "mask_sum": lambda x: (x > 0.0).float() * 0.3 + x,
    "nan_to_num": lambda x: torch.nan_to_num(x),
}
BINARY: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "add": torch.add,
    "add_alpha": lambda a, b: torch.add(a, b, alpha=-0.4),
    "sub": torch.sub,
    "rsub": lambda a, b: torch.rsub(a, b, alpha=0.3),
    "mul": torch.mul,
    "div_positive": lambda a, b: a / (b.abs() + 0.3),
    "div_negative": lambda a, b: a / (torch.tanh(b) - 1.6),
    "div_signed": lambda a, b: a / (b + torch.where(b < 0, -0.5, 0.5)),
    "div_sigmoid": lambda a, b: a / (torch.sigmoid(b) + 0.05),
    "div_softplus": lambda a, b: a / (F.softplus(b) + 0.2),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda a, b: torch.where(a > b, a, 0.5 * b),
    "where_of": lambda a, b: torch.where(b >= 0.0, a, -a),
    "hypot": torch.hypot,
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "lerp_of": lambda a, b: torch.lerp(a, b, torch.sigmoid(a)),
    "gate": lambda a, b: a * torch.sigmoid(b),
    "gru": lambda a, b: (1 - torch.sigmoid(a)) * torch.tanh(b) + torch.sigmoid(a) * a,
    "addcmul": lambda a, b: torch.addcmul(a, a, b, value=0.5),
    "addcdiv": lambda a, b: torch.addcdiv(a, b, b.abs() + 0.7, value=-0.5),
    "logaddexp": torch.logaddexp,
    "squared_difference": lambda a, b: (a - b).square(),
    "power": lambda a, b: (a.abs() + 0.3) ** torch.tanh(b),
    "clamp_by": lambda a, b: a.clamp(min=b - 0.5),
    "xor": lambda a, b: torch.where((a > 0) ^ (b > 0), 0.5 * a, b),
}


def unary(rng: random.Random, values: Tensors) -> Rule | None:
    name = rng.choice(tuple(UNARY))
    return Rule(UNARY[name], text=name)


def number(rng: random.Random, values: Tensors) -> Rule | None:
    """A number before or behind an operator."""
    n = rng.choice(NUMBERS)
    nonzero = n or 0.3
    kinds: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "x + n": lambda x: x + n,
        "x - n": lambda x: x - n,
        "n - x": lambda x: n - x,
        "x * n": lambda x: x * n,
        "x / n": lambda x: x / nonzero,
        "n / x": lambda x: n / (x.abs() + 0.5),
        "max": lambda x: torch.maximum(x, torch.tensor(n)),
        "min": lambda x: torch.minimum(x, torch.full((1,), n)),
        "x + n - n": lambda x: (x + n) - n,
    }
    kind = rng.choice(tuple(kinds))
    return Rule(kinds[kind], text=f"{kind} n={n}")


def binary(rng: random.Random, values: Tensors) -> Rule | None:
    """Two values that broadcast, in either order."""
    x, *there = values
    suits = [i for i, other in enumerate(there) if _broadcasts(x, other)]
    name = rng.choice(tuple(BINARY))
    function = BINARY[name]
    if rng.random() < 0.5:
        return Rule(function, (rng.choice(suits),), text=name)
    return Rule(lambda a, b: function(b, a), (rng.choice(suits),), text=f"{name} turned")


def _broadcasts(a: torch.Tensor, b: torch.Tensor) -> bool:
    pairs = zip(reversed(a.shape), reversed(b.shape), strict=False)
    return all(1 in pair or pair[0] == pair[1] for pair in pairs)


def constant(rng: random.Random, values: Tensors) -> Rule | None:
    """A stored tensor that broadcasts against x, on either side of an operator."""
    x = values[0]
    shape = [n if rng.random() < 0.6 else 1 for n in x.shape][rng.randint(0, x.ndim) :]
    size = rng.choice((1.0, 1.0, 1e-3, 30.0))
    stored = torch.randn(shape) * size
    kinds: Mapping[str, Callable[..., torch.Tensor]] = {
        "add": lambda c, x: x + c,
        "sub": lambda c, x: x - c,
        "rsub": lambda c, x: c - x,
        "mul": lambda c, x: x * c,
        "div": lambda c, x: x / (c + torch.where(c < 0, -0.3, 0.3)),
        "rdiv": lambda c, x: c / (x.abs() + 0.4),
        "maximum": lambda c, x: torch.maximum(c, x),
        "minimum": lambda c, x: torch.minimum(x, c),
        "where": lambda c, x: torch.where(c > 0, x, c),
        "where_both": lambda c, x: torch.where(x > c, x, c),
        "masked_fill": lambda c, x: x.masked_fill(c > 0.3, -0.4),
        "prelu": lambda c, x: torch.where(x > 0, x, c * x),
        "lerp": lambda c, x: torch.lerp(x, c, 0.4),
    }
    kind = rng.choice(tuple(kinds))
    return Rule(kinds[kind], constants=(stored,), text=f"{kind} {shape} of {size}")
