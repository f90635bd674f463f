"""The choice of widths as linear constraints on zeros and ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, vstack

from tqs_edge.plan.cost import CALL_BYTES, CostTable
from tqs_edge.sensitivity.fake_quant import WIDTHS

W = len(WIDTHS)


@dataclass(frozen=True, eq=False)
class Choices:
    """What may be chosen: sites (sites, widths), pairs (uses, weight widths, act widths), bool."""

    sites: np.ndarray
    pairs: np.ndarray

    def among(self, sites: np.ndarray, pairs: np.ndarray) -> Choices:
        """Those that are also in `sites` and `pairs`."""
        return Choices(self.sites & sites, self.pairs & pairs)


def choices_of(costs: CostTable, sites: np.ndarray) -> Choices:
    """All pairs of the widths `sites`."""
    uses = costs.stacked
    return Choices(sites, sites[uses.weight][:, :, None] & sites[uses.activation][:, None, :])


@dataclass(frozen=True, eq=False)
class WidthProgram:
    """Constraints low <= matrix @ v <= high on v in {0, 1}.

    The first sites * W variables are the choice: v[site * W + k] = 1 where `site` has the width of
    index k. resources: coefficients over all variables of each resource asked for. codes: variable
    of the code of each kernel, -1 where none can be called. below: row by which each pair stays
    below the code of its kernel, -1 where there is none.
    """

    matrix: csr_array
    low: np.ndarray
    high: np.ndarray
    resources: Mapping[str, np.ndarray]
    codes: np.ndarray
    below: np.ndarray

    @property
    def variables(self) -> int:
        return int(self.matrix.shape[1])


class _Rows:
    """Constraint rows and variables as they are added."""

    def __init__(self, variables: int) -> None:
        self.variables, self.count = variables, 0
        self.entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.bounds: list[tuple[np.ndarray, np.ndarray]] = []

    def number(self, where: np.ndarray) -> np.ndarray:
        """A new variable for every True of `where`; -1 elsewhere."""
        numbers = np.full(where.shape, -1)
        numbers[where] = self.variables + np.arange(where.sum())
        self.variables += int(where.sum())
        return numbers

    def rows(self, where: np.ndarray, low: float, high: float) -> np.ndarray:
        """A new row for every True of `where`; -1 elsewhere."""
        numbers = np.full(where.shape, -1)
        count = int(where.sum())
        numbers[where] = self.count + np.arange(count)
        self.count += count
        self.bounds.append((np.full(count, low), np.full(count, high)))
        return numbers

    def put(self, rows: np.ndarray, variables: np.ndarray, value: float) -> None:
        """`value` at each pair of row and variable."""
        self.entries.append((np.ravel(rows), np.ravel(variables), np.full(rows.size, value)))

    def finish(self) -> tuple[csr_array, np.ndarray, np.ndarray]:
        row, column, value = (np.concatenate(parts) for parts in zip(*self.entries, strict=True))
        matrix = csr_array((value, (row, column)), shape=(self.count, self.variables))
        low, high = (np.concatenate(parts) for parts in zip(*self.bounds, strict=True))
        return matrix, low, high


def width_program(costs: CostTable, choices: Choices, names: Collection[str]) -> WidthProgram:
    """The program over `choices` with the resources `names`.

    Flash and instructions of a dense block depend on the pair (weight width, activation width).
    Each pair has a variable; its sums over either width equal the choice of the other, which makes
    the product exact. Neighbouring blocks with the same kernel share a call: a variable below the
    pairs of both takes it off the cost. A kernel's code is paid once, by a variable above the pairs
    of all blocks that call it. Without limits on flash and instructions none of this is needed.
    """
    sites = len(costs.sites)
    rows = _Rows(sites * W)
    choice = np.arange(sites * W).reshape(sites, W)
    one = rows.rows(np.ones(sites, bool), 1.0, 1.0)
    rows.put(np.repeat(one, W), choice, 1.0)
    terms = {
        "avg_bits": [(choice, costs.shares[:, None] * np.array(WIDTHS))],
        "ram": [(choice, costs.ram)],
        "insns": [(choice, costs.insns)],
        "flash": [],
    }
    codes, below = np.full(costs.kernels.size, -1), np.full(choices.pairs.shape, -1)
    if {"flash", "insns"} & set(names):
        pairs = _add_pairs(rows, costs, choices, choice, terms)
        _add_merges(rows, costs, pairs, terms)
        codes, below = _add_codes(rows, costs, pairs, terms)
    resources = {name: np.zeros(rows.variables) for name in names}
    for name, coefficients in resources.items():
        for variables, values in terms[name]:
            np.add.at(coefficients, np.ravel(variables), np.ravel(values))
    return WidthProgram(*rows.finish(), resources, codes, below)


Terms = Mapping[str, list[tuple[np.ndarray, np.ndarray]]]


def _add_pairs(
    rows: _Rows, costs: CostTable, choices: Choices, choice: np.ndarray, terms: Terms
) -> np.ndarray:
    """Variables of the pairs, -1 for those that may not be chosen."""
    uses, legal = costs.stacked, choices.pairs
    pairs = rows.number(legal)
    use, weight, act = np.nonzero(legal)
    for widths, site in ((weight, uses.weight), (act, uses.activation)):
        # A width that has lost all its pairs is kept from being chosen by an empty sum.
        sums = rows.rows(choices.sites[site], 0.0, 0.0)
        rows.put(sums[use, widths], pairs[legal], 1.0)
        which, width = np.nonzero(choices.sites[site])
        rows.put(sums[which, width], choice[site[which], width], -1.0)
    terms["flash"].append((pairs[legal], uses.flash[legal]))
    terms["insns"].append((pairs[legal], uses.insns[legal]))
    return pairs


def _add_merges(rows: _Rows, costs: CostTable, pairs: np.ndarray, terms: Terms) -> None:
    uses = costs.stacked
    both = uses.merges & (pairs >= 0) & (pairs[uses.previous] >= 0)
    merged = rows.number(both)
    use, weight, act = np.nonzero(both)
    for owner in (use, uses.previous[use]):
        below = rows.rows(both, -np.inf, 0.0)
        rows.put(below[both], merged[both], 1.0)
        rows.put(below[both], pairs[owner, weight, act], -1.0)
    terms["flash"].append((merged[both], np.full(len(use), -float(CALL_BYTES))))
    terms["insns"].append((merged[both], -uses.call_insns[both]))


def _add_codes(
    rows: _Rows, costs: CostTable, pairs: np.ndarray, terms: Terms
) -> tuple[np.ndarray, np.ndarray]:
    """(variables of the kernels' codes, rows that keep pairs below them)."""
    legal = pairs >= 0
    kernel = costs.stacked.kernel[legal]
    called = np.zeros(costs.kernels.size, bool)
    called[kernel] = True
    codes = rows.number(called)
    below = rows.rows(legal, -np.inf, 0.0)
    rows.put(below[legal], pairs[legal], 1.0)
    rows.put(below[legal], codes[kernel], -1.0)
    terms["flash"].append((codes[called], costs.kernels.ravel()[called]))
    return codes, below


def with_limits(
    program: WidthProgram, limits: Mapping[str, float], fixed: Mapping[str, float]
) -> WidthProgram:
    """The program with fixed + resource <= limit, in units of the limit, for every limit."""
    extra = [csr_array(program.resources[name][None] / limits[name]) for name in limits]
    room = [1.0 - fixed[name] / limits[name] for name in limits]
    return replace(
        program,
        matrix=csr_array(vstack([program.matrix, *extra])) if extra else program.matrix,
        low=np.concatenate([program.low, np.full(len(extra), -np.inf)]),
        high=np.concatenate([program.high, room]),
    )
