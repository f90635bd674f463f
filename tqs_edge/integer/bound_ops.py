"""Integer operations that choose between values of one width and scale; nothing is rounded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExtremumOp:
    """y = the larger ("maximum") or smaller ("minimum") of two inputs, NumPy broadcasting.

    Both have the output's width and scale; an input may be a constant of the program.
    """

    output: str
    inputs: tuple[str, str]
    function: str


@dataclass(frozen=True)
class ClampOp:
    """y = min(max(x, low), high); x has the output's width and scale, low <= high."""

    output: str
    input: str
    low: int
    high: int


@dataclass(frozen=True)
class SelectOp:
    """y = a where x >= least, b elsewhere; NumPy broadcasting.

    inputs: (a, b) of the output's width and scale, constants of the program or tensors; x has a
    width and scale of its own.
    """

    output: str
    condition: str
    inputs: tuple[str, str]
    least: int
