"""Integer operations along one axis, which stays with extent 1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SumOp:
    """y = sat((sum x * factor + 2^(shift-1)) >> shift), the sum along `axis` (negative).

    A sum or a mean: the factor holds the ratio of the scales and 1 / n. factor >= 0; shift in
    [32, 62]; |sum x| * factor + 2^(shift-1) < 2^63 is proven.
    """

    output: str
    input: str
    axis: int
    factor: int
    shift: int


@dataclass(frozen=True)
class MaxOp:
    """y = the largest x along `axis` (negative), at the input's width and scale."""

    output: str
    input: str
    axis: int
