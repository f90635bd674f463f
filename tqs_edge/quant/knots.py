"""Tables of 16-bit knots made for one scalar function; twin of kernels/tqs_table.h."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOW, HIGH = -(1 << 15), (1 << 15) - 1
MAX_CELLS = 512
SHORTEST_END = 2048
TOLERANCE = 2.0  # output LSBs: the coarsest table that errs by no more is taken
EVERY_INPUT = np.arange(LOW, HIGH + 1, dtype=np.int64)

Real = NDArray[np.float64]
Function = Callable[[Real], Real]


@dataclass(frozen=True, eq=False)
class Knots:
    """values int16 (cells + 1,) at the inputs first, first + 2^step_bits, ...

    max_error: largest |table - function| in output LSBs over all 65,536 inputs, the function
    saturated like the output.
    """

    values: NDArray[np.int16]
    first: int
    step_bits: int
    max_error: float


def lookup(x: NDArray[np.int64], knots: Knots) -> NDArray[np.int64]:
    """The table at x, linear between the knots around it, constant beyond the end ones."""
    values, cells = knots.values.astype(np.int64), len(knots.values) - 1
    place = np.clip(x - knots.first, 0, cells << knots.step_bits)
    index, fraction = place >> knots.step_bits, place & ((1 << knots.step_bits) - 1)
    low = values[index]
    rise = values[np.minimum(index + 1, cells)] - low
    y: NDArray[np.int64] = low + (
        (rise * fraction + (1 << (knots.step_bits - 1))) >> knots.step_bits
    )
    return y


def fit_knots(function: Function, x_scale: float, y_scale: float) -> Knots:
    """The coarsest table of `function` within TOLERANCE, or the best one of MAX_CELLS.

    function: real values of real values, infinite or NaN where it is not defined.
    """

    def wanted(x: NDArray[np.int64]) -> Real:
        with np.errstate(all="ignore"):
            values = function(np.asarray(x * x_scale, np.float64)) / y_scale
        return np.clip(np.nan_to_num(values, nan=0.0, posinf=HIGH, neginf=LOW), LOW, HIGH)

    targets = wanted(EVERY_INPUT)
    begin, end = _changing(targets)
    best: Knots | None = None
    for step_bits in range(15, 0, -1):
        cells = max(1, -(-(end - begin) >> step_bits))
        if cells > MAX_CELLS:
            break
        first = end - (cells << step_bits)  # a knot where the output begins to saturate
        places = first + (np.arange(cells + 1, dtype=np.int64) << step_bits)
        exact = wanted(places)
        for values in (exact, _least_squares(targets, exact, first, step_bits)):
            made = _measured(values, first, step_bits, targets)
            if best is None or made.max_error < best.max_error:
                best = made
        assert best is not None
        if best.max_error <= TOLERANCE:
            break
    assert best is not None
    return best


def _changing(targets: Real) -> tuple[int, int]:
    """The inputs between which the targets are not at their end values; the second exclusive.

    [LOW, HIGH + 1] where nothing is constant at the ends.
    """
    before = np.flatnonzero(targets != targets[0])
    after = np.flatnonzero(targets != targets[-1])
    if not len(before):
        return LOW, LOW + 2
    begin, end = LOW + int(before[0]) - 1, LOW + int(after[-1]) + 1
    # A short constant end is not worth knots that miss the inputs where a function has its corner.
    return (
        begin if begin - LOW >= SHORTEST_END else LOW,
        end if HIGH - end >= SHORTEST_END else HIGH + 1,
    )


def _least_squares(targets: Real, exact: Real, first: int, step_bits: int) -> Real:
    """Knots of least squared error over the inputs; where no input lies, the exact ones."""
    cells = len(exact) - 1
    place = EVERY_INPUT - first
    inside = (place >= 0) & (place < cells << step_bits)
    index, wanted = place[inside] >> step_bits, targets[inside]
    right = (place[inside] & ((1 << step_bits) - 1)) / (1 << step_bits)
    left = 1.0 - right

    def total(at: NDArray[np.int64], weight: Real) -> Real:
        return np.asarray(np.bincount(at, weight, cells + 1), np.float64)

    diagonal = total(index, left * left) + total(index + 1, right * right)
    beside = total(index, left * right)[:-1]
    matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    moments = total(index, left * wanted) + total(index + 1, right * wanted)
    ridge = 1e-6 * (1.0 + diagonal.max(initial=0.0))
    solved: Real = np.linalg.solve(matrix + ridge * np.eye(cells + 1), moments + ridge * exact)
    return solved


def _measured(values: Real, first: int, step_bits: int, targets: Real) -> Knots:
    rounded = np.clip(np.floor(values + 0.5), LOW, HIGH).astype(np.int16)
    knots = Knots(rounded, first, step_bits, 0.0)
    error = np.abs(lookup(EVERY_INPUT, knots) - targets).max()
    return Knots(rounded, first, step_bits, float(error))
