"""Integer operations along one axis: of all its elements, or of neighbours."""

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


@dataclass(frozen=True)
class MovingSumOp:
    """y[t] = sat((s[t] * factor + 2^(shift-1)) >> shift), s[t] = sum_{j < kernel} x[t + j - before]

    along `axis` (negative); places beyond its ends, `before` and `after` of them, are those of the
    ends. factor and shift as of SumOp, |s[t]| * factor + 2^(shift-1) < 2^63 is proven. Neighbouring
    sums differ by one element in and one out, and sums of integers are exact: however they are
    computed, they are these.
    """

    output: str
    input: str
    axis: int
    kernel: int
    before: int
    after: int
    factor: int
    shift: int
