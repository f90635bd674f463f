"""Swaps that lower the damage of a whole plan, judged by joint rollouts.

The damages of single sites do not add up exactly, so the knapsack's answer is a start. Each round
measures every single change of the current plan, ranks pairs of changes by the sum of their
effects, rolls the most promising ones out, and takes the best plan found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.plan.budget import fits
from tqs_edge.plan.cost import CostTable

Evaluate = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[int, int], None]

ROUNDS = 24
PAIRS_PER_ROUND = 96
RANKED_PAIRS = 4096  # looked at for one that keeps the limits
STACKS = (2, 3, 4, 6, 8, 12)  # independent changes taken together
LEAST_GAIN = 1e-3  # relative improvement worth another round


@dataclass(frozen=True, eq=False)
class Refined:
    """The best choice (sites,), its joint damage, and the rollouts spent."""

    choice: np.ndarray
    damage: float
    rollouts: int


@dataclass(frozen=True, eq=False)
class _Changes:
    """Single changes of a plan: site and new width index (changes,), effect on the damage."""

    site: np.ndarray
    width: np.ndarray
    effect: np.ndarray


def refine(
    evaluate: Evaluate,
    costs: CostTable,
    allowed: np.ndarray,
    limits: Mapping[str, float],
    starts: np.ndarray,
    progress: Progress | None = None,
) -> Refined:
    """The best plan reachable from `starts` (plans, sites), all of which must keep the limits.

    evaluate: joint damage (plans,) of choices (plans, sites); allowed: (sites, widths) bool. The
    result is never worse than any start.
    """
    damages = evaluate(starts)
    spent = len(starts)
    best = int(damages.argmin())
    choice, damage = starts[best], float(damages[best])
    for done in range(ROUNDS):
        if progress is not None:
            progress(done, ROUNDS)
        changes = _single_changes(choice, allowed)
        trials = _apply(choice, changes.site[:, None], changes.width[:, None])
        measured = evaluate(trials)
        changes = _Changes(changes.site, changes.width, measured - damage)
        moves = _combinations(choice, changes, costs, limits)
        joint = evaluate(moves)
        spent += len(trials) + len(moves)
        candidates = np.concatenate([trials, moves])
        values = np.concatenate([measured, joint])
        values = np.where(fits(costs, candidates, limits), values, np.inf)
        best = int(values.argmin())
        if not values[best] < damage * (1.0 - LEAST_GAIN):
            break
        choice, damage = candidates[best], float(values[best])
    return Refined(choice, damage, spent)


def _single_changes(choice: np.ndarray, allowed: np.ndarray) -> _Changes:
    site, width = np.nonzero(allowed)
    other = choice[site] != width
    return _Changes(site[other], width[other], np.zeros(int(other.sum())))


def _apply(choice: np.ndarray, sites: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The choice with (plans, changes) sites set to widths."""
    plans = np.repeat(choice[None], len(sites), axis=0)
    plans[np.arange(len(sites))[:, None], sites] = widths
    return plans


def _combinations(
    choice: np.ndarray, changes: _Changes, costs: CostTable, limits: Mapping[str, float]
) -> np.ndarray:
    """Pairs of changes expected to help and within the limits, and stacks of such pairs."""
    finite = np.flatnonzero(np.isfinite(changes.effect))
    first, second = np.triu_indices(len(finite), 1)
    first, second = finite[first], finite[second]
    expected = changes.effect[first] + changes.effect[second]
    useful = (changes.site[first] != changes.site[second]) & (expected < 0.0)
    order = np.argsort(expected[useful], kind="stable")[:RANKED_PAIRS]
    pairs = np.stack([first[useful][order], second[useful][order]], axis=1)
    moves = _apply(choice, changes.site[pairs], changes.width[pairs])
    keep = np.flatnonzero(fits(costs, moves, limits))[:PAIRS_PER_ROUND] if len(moves) else []
    moves, pairs = moves[keep], pairs[keep]
    return np.concatenate([moves, _stacks(choice, moves, costs, limits)])


def _stacks(
    choice: np.ndarray, moves: np.ndarray, costs: CostTable, limits: Mapping[str, float]
) -> np.ndarray:
    """The best moves that touch different sites, several at once, within the limits."""
    stacked = choice.copy()
    touched = np.zeros(len(choice), bool)
    found = []
    size = 0
    for move in moves:
        changed = move != choice
        if (changed & touched).any():
            continue
        trial = np.where(changed, move, stacked)
        if not fits(costs, trial, limits)[0]:
            continue
        stacked, touched = trial, touched | changed
        size += 1
        if size in STACKS:
            found.append(stacked)
    return np.array(found, np.int64).reshape(-1, len(choice))
