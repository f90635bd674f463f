"""One node of an ONNX graph and what the functions that carry nodes out have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tqs_edge.errors import InputError, UnsupportedOp

MAX_ELEMENTS = 1 << 26  # of a tensor made from a shape: more is no model for a microcontroller

Operand = Any  # a tensor, a Python number in its place, an array where static, None if left out
Result = torch.Tensor | tuple[torch.Tensor, ...]


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """A node with its attributes as Python values. name: as users find it in a viewer."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int

    def get(self, attribute: str, default: Any = None) -> Any:
        """The value of an attribute, or the default."""
        return self.attributes.get(attribute, default)

    def unsupported(self, what: str, alternative: str) -> UnsupportedOp:
        """The error for a use of this operation that has no counterpart."""
        return UnsupportedOp(self.name, f"{self.op} {what}".strip(), alternative)


@dataclass(frozen=True)
class Operator:
    """How an operation is carried out by torch.

    run: (node, operands) -> its outputs. static: the operands that must be known at import and
    come as NumPy arrays. numbers: whether a constant of one element may come as a Python number.
    """

    run: Callable[[OnnxNode, Sequence[Operand]], Result]
    static: tuple[int, ...] = ()
    numbers: bool = False


def operand(operands: Sequence[Operand], position: int) -> Operand:
    """The operand at a position, None where it is left out."""
    return operands[position] if position < len(operands) else None


def ints(value: Operand) -> list[int]:
    """The whole numbers that a static operand or an attribute holds."""
    return [int(item) for item in np.asarray(value).reshape(-1)]


def number(value: Operand, default: float | None) -> float | None:
    """The one number that a static operand holds."""
    return default if value is None else float(np.asarray(value).reshape(-1)[0])


def axes_of(node: OnnxNode, operands: Sequence[Operand], position: int = 1) -> list[int] | None:
    """The axes that a node names in its input at `position` or, before, in an attribute."""
    given = operand(operands, position)
    given = node.get("axes") if given is None else given
    return None if given is None else ints(given)


def check_size(node: OnnxNode, shape: Sequence[int]) -> None:
    """Raises InputError for a shape that no model on a microcontroller can have."""
    size = 1
    for extent in shape:
        size *= max(int(extent), 0)
    if size > MAX_ELEMENTS:
        raise InputError(f"node '{node.name}' makes {size} elements, want at most {MAX_ELEMENTS}")


def take(x: torch.Tensor, axis: int, places: Sequence[int]) -> torch.Tensor:
    """x[places] along an axis, as slices of consecutive places that are joined."""
    length = x.shape[axis]
    wanted = [place + length if place < 0 else place for place in places]
    runs: list[tuple[int, int]] = []
    for place in wanted:
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    if runs == [(0, length)]:
        return x
    parts = [x.narrow(axis, begin, end - begin) for begin, end in runs]
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)
