"""Scalar functions that a FUNCTION node applies to every element, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ScalarFunction:
    """apply: elementwise, in the dtype of its argument. low, high: where it is defined."""

    apply: Callable[[torch.Tensor], torch.Tensor]
    low: float = -inf
    high: float = inf


def _torch(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    def apply(x: torch.Tensor) -> torch.Tensor:
        import torch

        result: torch.Tensor = getattr(torch, name)(x)
        return result

    return apply


def _arcsine(x: torch.Tensor) -> torch.Tensor:
    """arcsin of x within [-1, 1], at its ends beyond: rounding must not lead out of the domain."""
    import torch

    return torch.asin(x.clamp(-1.0, 1.0))


def _activation(name: str, **options: str) -> Callable[[torch.Tensor], torch.Tensor]:
    def apply(x: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        result: torch.Tensor = getattr(functional, name)(x, **options)
        return result

    return apply


FUNCTIONS: Mapping[str, ScalarFunction] = MappingProxyType(
    {
        "exp": ScalarFunction(_torch("exp")),
        "log": ScalarFunction(_torch("log"), low=0.0),
        "sqrt": ScalarFunction(_torch("sqrt"), low=0.0),
        "rsqrt": ScalarFunction(_torch("rsqrt"), low=0.0),
        "reciprocal": ScalarFunction(_torch("reciprocal"), low=0.0),
        "sin": ScalarFunction(_torch("sin")),
        "cos": ScalarFunction(_torch("cos")),
        "atan": ScalarFunction(_torch("atan")),
        "asin": ScalarFunction(_arcsine),
        "sinh": ScalarFunction(_torch("sinh")),
        "cosh": ScalarFunction(_torch("cosh")),
        "asinh": ScalarFunction(_torch("asinh")),
        "abs": ScalarFunction(_torch("abs")),
        "erf": ScalarFunction(_torch("erf")),
        "gelu": ScalarFunction(_activation("gelu")),
        "gelu_tanh": ScalarFunction(_activation("gelu", approximate="tanh")),
        "silu": ScalarFunction(_activation("silu")),
        "softplus": ScalarFunction(_activation("softplus")),
        "elu": ScalarFunction(_activation("elu")),
        "mish": ScalarFunction(_activation("mish")),
    }
)
