"""Greedy descent from the widest plan: the usual allocator, kept for comparison."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tqs_edge.plan.budget import fits
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.knapsack import solve


def descend(costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]) -> np.ndarray:
    """A choice (sites,) within `limits`: narrows what costs least damage per excess relieved.

    damage: (sites, widths), infinite where a width may not be chosen. Raises BudgetInfeasible when
    no plan fits; where a plan exists but the descent misses it, the exact optimum is returned.
    """
    allowed = costs.legal & np.isfinite(damage)
    widths = np.arange(allowed.shape[1])
    choice = np.where(allowed, widths, -1).max(axis=1)
    while not fits(costs, choice, limits)[0]:
        moves = _narrower(choice, allowed)
        if not len(moves):
            return solve(costs, damage, limits)
        site = (moves != choice).argmax(axis=1)
        added = damage[site, moves[np.arange(len(moves)), site]] - damage[site, choice[site]]
        relief = _excess(costs, choice, limits)[0] - _excess(costs, moves, limits)
        # A move that relieves no excess is taken only when there is no other.
        price = np.where(relief > 0.0, np.maximum(added, 0.0) / np.maximum(relief, 1e-12), np.inf)
        choice = moves[int(price.argmin())]
    return np.asarray(choice)


def _narrower(choice: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """All choices with one site at its next narrower allowed width, (moves, sites)."""
    moves = []
    for site, current in enumerate(choice):
        below = np.flatnonzero(allowed[site, :current])
        if len(below):
            moves.append(choice.copy())
            moves[-1][site] = below[-1]
    return np.array(moves, np.int64).reshape(-1, len(choice))


def _excess(costs: CostTable, choices: np.ndarray, limits: Mapping[str, float]) -> np.ndarray:
    """Summed relative overshoot of the limits (plans,)."""
    usage = costs.usage(choices)
    over = [np.maximum(0.0, usage[name] / limit - 1.0) for name, limit in limits.items()]
    return np.asarray(np.sum(over, axis=0))
