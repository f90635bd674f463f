"""Swaps that lower the damage of a whole plan, judged by joint rollouts.

Site errors neither add up nor are they independent: the knapsack's answer is a start. Each round
measures every single change of the current plan by a rollout. Near the plan the rollout error is
about e + sum_i d_i (d_i: what change i does to it), so a Gram matrix of the d_i predicts the damage
of any set of changes, cancellations included. The best predicted pairs, and sets built up pair by
pair, are then rolled out; the best plan that keeps the limits starts the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.plan.budget import fits
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.swaps import Changes, best_pairs, swap_path
from tqs_edge.sensitivity.fake_quant import RolloutErrors

Evaluate = Callable[[np.ndarray], RolloutErrors]
Progress = Callable[[int, int], None]

ROUNDS = 24
PAIRS_PER_ROUND = 48
PATH_SWAPS = 16
LEAST_GAIN = 1e-3  # relative improvement worth another round


@dataclass(frozen=True, eq=False)
class Refined:
    """The best choice (sites,), its joint damage, and the rollouts spent."""

    choice: np.ndarray
    damage: float
    rollouts: int


def refine(
    evaluate: Evaluate,
    costs: CostTable,
    allowed: np.ndarray,
    limits: Mapping[str, float],
    start: np.ndarray,
    progress: Progress | None = None,
) -> Refined:
    """The best plan reachable from `start` (sites,), which must keep the limits.

    evaluate: joint rollout errors of choices (plans, sites); allowed: (sites, widths) bool. The
    result is never worse than the start.
    """
    tried = evaluate(start[None])
    spent = 1
    choice, damage, error = start, float(tried.damage[0]), tried.samples[0]
    for done in range(ROUNDS):
        if progress is not None:
            progress(done, ROUNDS)
        singles = _single_changes(choice, allowed)
        measured = evaluate(singles)
        changes = _changes(choice, singles, measured, error, costs)
        moves = np.concatenate(
            [
                best_pairs(choice, changes, costs, limits, PAIRS_PER_ROUND),
                swap_path(choice, changes, costs, limits, PATH_SWAPS),
            ]
        )
        joint = evaluate(moves)
        spent += len(singles) + len(moves)
        candidates = np.concatenate([singles, moves])
        values = np.concatenate([measured.damage, joint.damage])
        values = np.where(fits(costs, candidates, limits), values, np.inf)
        best = int(values.argmin())
        if not values[best] < damage * (1.0 - LEAST_GAIN):
            break
        choice, damage = candidates[best], float(values[best])
        samples = measured.samples if best < len(singles) else joint.samples
        error = samples[best if best < len(singles) else best - len(singles)]
    return Refined(choice, damage, spent)


def _single_changes(choice: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """All choices that differ at one site, (changes, sites)."""
    site, width = np.nonzero(allowed)
    other = choice[site] != width
    site, width = site[other], width[other]
    plans = np.repeat(choice[None], len(site), axis=0)
    plans[np.arange(len(site)), site] = width
    return plans


def _changes(
    choice: np.ndarray,
    singles: np.ndarray,
    measured: RolloutErrors,
    error: np.ndarray,
    costs: CostTable,
) -> Changes:
    """The single changes whose rollouts stayed finite, with their effects and costs."""
    finite = np.isfinite(measured.damage)
    singles = singles[finite]
    site = (singles != choice).argmax(axis=1) if len(singles) else np.zeros(0, np.int64)
    effects = measured.samples[finite] - error
    gram = (effects @ effects.T).astype(np.float64)
    linear = np.diagonal(gram) + 2.0 * (effects @ error)
    before, after = costs.usage(choice), costs.usage(singles)
    usage = {name: after[name] - before[name] for name in after}
    return Changes(site, singles[np.arange(len(site)), site], linear, gram, usage)
