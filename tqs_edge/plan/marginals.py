"""What every choice of a width adds to the least damage, by a Lagrangian relaxation.

With a price on every limit, and the code of a kernel paid in parts by the blocks that call it,
what is left to choose falls apart: given the width of its activation, a dense node is a chain of
row blocks that only merged calls connect. Two passes along the chains give, for every pair of
widths, the least sum of damages and prices with it. For any prices that are not negative these sums
are lower bounds on the damage of plans within the limits (Geoffrion 1974, "Lagrangean relaxation
for integer programming").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.plan.cost import CALL_BYTES, CostTable
from tqs_edge.plan.width_program import Choices
from tqs_edge.sensitivity.fake_quant import WIDTHS


@dataclass(frozen=True, eq=False)
class Prices:
    """Damage per unit of each resource, and what each pair of widths (uses, weight widths, act
    widths) pays for the code of its kernel. None is negative."""

    resources: Mapping[str, float]
    code: np.ndarray

    def of(self, resource: str) -> float:
        """Zero for resources without a limit."""
        return self.resources.get(resource, 0.0)


@dataclass(frozen=True, eq=False)
class Marginals:
    """Lower bounds on the damage of all plans, of those with a width (sites, widths), and of those
    with a pair of widths (uses, weight widths, act widths); infinite where none may be chosen."""

    bound: float
    sites: np.ndarray
    pairs: np.ndarray


def marginals(
    costs: CostTable,
    damage: np.ndarray,
    choices: Choices,
    limits: Mapping[str, float],
    prices: Prices,
    paid: Collection[int],
) -> Marginals:
    """Bounds over the plans of `choices` within `limits`; the codes of the kernels of index `paid`
    count whether called or not."""
    uses = costs.stacked
    alone = np.where(choices.sites, damage, np.inf)
    alone = alone + prices.of("ram") * costs.ram + prices.of("insns") * costs.insns
    alone = alone + prices.of("avg_bits") * costs.shares[:, None] * np.array(WIDTHS)
    count = np.bincount(uses.weight, minlength=len(alone))[:, None]
    # Blocks that several uses share are split between them, as if each use chose anew.
    part = np.where(count > 0, alone, 0.0) / np.maximum(count, 1)
    cost = prices.of("flash") * uses.flash + prices.of("insns") * uses.insns + prices.code
    cost = np.where(choices.pairs, cost + part[uses.weight][:, :, None], np.inf)
    saved = prices.of("flash") * CALL_BYTES + prices.of("insns") * uses.call_insns
    through, heads = _chains(cost, np.where(uses.merges, saved, 0.0), uses.previous)
    node = np.full((len(heads), len(WIDTHS)), np.inf)  # least of the use's whole chain
    np.minimum.at(node, heads, through.min(axis=1))

    total = np.where(count > 0, 0.0, alone)
    first = np.flatnonzero(heads == np.arange(len(heads)))
    np.add.at(total, uses.activation[first], node[first])
    least = np.where(count[:, 0] > 0, 0.0, total.min(axis=1))
    bound = float(least.sum()) + _constant(costs, choices, limits, prices, paid)
    sites = np.where(count > 0, bound, bound + total - least[:, None])
    others = (total - least[:, None])[uses.activation] - _finite(node[heads])
    pairs = np.where(np.isfinite(through), bound + through + others[:, None, :], np.inf)
    np.maximum.at(sites, uses.weight, pairs.min(axis=2))
    return Marginals(bound, np.where(choices.sites, sites, np.inf), pairs)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, 0.0)


def _chains(
    cost: np.ndarray, saved: np.ndarray, previous: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(least cost of a chain through every pair, index of each chain's first use).

    cost, saved: (uses, weight widths, act widths); a pair costs `saved` less where the previous use
    has the same widths.
    """
    before, after = cost.copy(), np.zeros_like(cost)
    heads = np.arange(len(cost))
    for use, last in enumerate(previous):
        if last >= 0:
            heads[use] = heads[last]
            before[use] += np.minimum(before[last].min(axis=0), before[last] - saved[use])
    for use, last in reversed(list(enumerate(previous))):
        if last >= 0:
            here = after[use] + cost[use]
            after[last] = np.minimum(here.min(axis=0), here - saved[use])
    return before + after, heads


def _constant(
    costs: CostTable,
    choices: Choices,
    limits: Mapping[str, float],
    prices: Prices,
    paid: Collection[int],
) -> float:
    """What the prices make of the limits, of what plans share, and of the kernels' codes."""
    fixed = costs.fixed_usage
    rest = sum(prices.of(name) * (fixed[name] - limit) for name, limit in limits.items())
    left = prices.of("flash") * costs.kernels.ravel()
    kernel = costs.stacked.kernel[choices.pairs]
    np.subtract.at(left, kernel, prices.code[choices.pairs])
    free = np.setdiff1d(np.unique(kernel), list(paid))
    return float(rest + np.minimum(left[free], 0.0).sum() + left[list(paid)].sum())
