"""The planner's answer: one width for every site, and integers where they were fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class RowBlock:
    """Rows [begin, end) of one weight tensor, stored at `bits` per weight."""

    begin: int
    end: int
    bits: int


@dataclass(frozen=True, eq=False)
class FittedWeight:
    """Integers chosen for a weight by what the rollout makes of them (plan/rounding.py).

    integers: int16 (rows, depth), each within the width of its row; scales: float64 (rows,)
    """

    integers: np.ndarray
    scales: np.ndarray


@dataclass(frozen=True)
class BitPlan:
    """Widths by site.

    weights: weight path -> row blocks that cover all its rows in order (bits 2, 4, 8 or 16)
    activations: tensor read by a dense node -> 8 or 16
    states: state variable -> 8, 16 or 32
    method: how it was found ("uniform", "tqs", "exact", "greedy", ...), for reports
    fitted: weight path -> integers that take the place of the nearest ones; empty without fitting
    biases: bias path -> float32 (rows,) that takes the place of the model's; fitted alike
    feedback: activations of 8 bits whose rounding errors are carried over to the next step
    spans: activation of 8 bits -> (least, largest) value, where its numbers lie between these and
        have a zero point; others lie about 0
    """

    weights: Mapping[str, tuple[RowBlock, ...]]
    activations: Mapping[str, int]
    states: Mapping[str, int]
    method: str
    fitted: Mapping[str, FittedWeight] = field(default_factory=dict)
    biases: Mapping[str, np.ndarray] = field(default_factory=dict)
    feedback: tuple[str, ...] = ()
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)
