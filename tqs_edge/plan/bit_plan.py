"""The planner's answer: one width for every site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RowBlock:
    """Rows [begin, end) of one weight tensor, stored at `bits` per weight."""

    begin: int
    end: int
    bits: int


@dataclass(frozen=True)
class BitPlan:
    """Widths by site.

    weights: weight path -> row blocks that cover all its rows in order (bits 2, 4, 8 or 16)
    activations: tensor read by a dense node -> 8 or 16
    states: state variable -> 8 or 16
    method: how it was found ("uniform", "tqs", "exact", "greedy", ...), for reports
    """

    weights: Mapping[str, tuple[RowBlock, ...]]
    activations: Mapping[str, int]
    states: Mapping[str, int]
    method: str
