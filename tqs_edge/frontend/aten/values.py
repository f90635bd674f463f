"""What the arguments of a rewritten operation are: tensors of the step, or known constants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that no input of the step changes, and the path that it is known under."""

    value: torch.Tensor
    path: str

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def transposed(self) -> Constant:
        """The matrix with its axes swapped; "W" becomes "W.T" and "W.T" becomes "W"."""
        path = self.path.removesuffix(".T") if self.path.endswith(".T") else f"{self.path}.T"
        return Constant(self.value.t().contiguous(), path)


@dataclass(frozen=True, eq=False)
class Condition:
    """x > threshold, x >= threshold unless `strict`, the opposite where `negated`.

    node: the comparison as it was exported, for what reads it in another way than as a choice
    """

    x: torch.fx.Node
    threshold: float
    strict: bool
    negated: bool
    node: torch.fx.Node


@dataclass(frozen=True, eq=False)
class Pair:
    """A complex tensor as two real ones; imag: None for zero.

    node: the operation as it was exported, for what cannot read it in parts
    """

    real: Value
    imag: Value | None
    node: torch.fx.Node

    @property
    def shape(self) -> tuple[int, ...]:
        return shape_of(self.real)


Value = torch.fx.Node | Constant
Operand = Value | float
# Each takes (emitter, old node, *arguments of the operation) and returns the new value, several
# for an operation with several outputs, or None for what the graph cannot express.
Handlers = dict[Any, Callable[..., Any]]


def shape_of(value: Value | Pair) -> tuple[int, ...]:
    """The shape of a tensor."""
    if isinstance(value, Constant | Pair):
        return value.shape
    return tuple(value.meta["val"].shape)


def derived_path(paths: Iterable[str], layer: str, op: str) -> str:
    """The path of a constant computed from others: theirs if it is one's, else layer and op.

    The two halves of a weight normalisation count as the weight that they make.
    """
    merged = dict.fromkeys(_merged(path) for path in paths)
    if len(merged) == 1:
        return next(iter(merged))
    layer = "step" if layer == "forward" else layer
    return f"{layer}.{op}"  # the dot keeps it apart from the names of nodes


def _merged(path: str) -> str:
    path = re.sub(r"(^|\.)parametrizations\.(\w+)\.original\d*$", r"\1\2", path)
    return re.sub(r"(^|\.)(\w+)_[gv]$", r"\1\2", path)


def uniform_value(value: torch.Tensor) -> float | None:
    """The number that every entry of a tensor of floats or integers is, or None."""
    if value.numel() == 0 or value.dtype == torch.bool:
        return None
    first = value.flatten()[0]
    return float(first) if bool((value == first).all()) else None


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(axes.index(i) for i in range(len(axes)))
