"""Integer operations that copy elements to other places: width and scale stay."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TransposeOp:
    """The output's axis i is the input's axis axes[i] (negative)."""

    output: str
    input: str
    axes: tuple[int, ...]


@dataclass(frozen=True)
class UnfoldOp:
    """output[..., t, j * C + c] = input[..., t * stride + j * dilation, c], j < kernel."""

    output: str
    input: str
    kernel: int
    dilation: int
    stride: int


@dataclass(frozen=True)
class PushOp:
    """output = state without its oldest rows, then row, along `axis` (negative)."""

    output: str
    state: str
    row: str
    axis: int
