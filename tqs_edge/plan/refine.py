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

ROUNDS = 16
STEPS_PER_ROUND = 4  # moves made on one measurement of the single changes
PAIRS_PER_STEP = 32
PATH_SWAPS = 16
LEAST_GAIN = 1e-3  # relative improvement worth another step


@dataclass(frozen=True, eq=False)
class Refined:
    """The best choice (sites,), its joint damage, and the rollouts spent."""

    choice: np.ndarray
    damage: float
    rollouts: int


@dataclass(frozen=True, eq=False)
class _Position:
    """A plan, its damage and its error samples."""

    choice: np.ndarray
    damage: float
    error: np.ndarray


def refine(
    evaluate: Evaluate,
    costs: CostTable,
    allowed: np.ndarray,
    limits: Mapping[str, float],
    start: np.ndarray,
    *,
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> Refined:
    """The best plan reachable from `start` (sites,), which must keep the limits.

    evaluate: joint rollout errors of choices (plans, sites); allowed: (sites, widths) bool. The
    result is never worse than the start.
    """
    tried = evaluate(start[None])
    here = _Position(start, float(tried.damage[0]), tried.samples[0])
    spent = 1
    for done in range(rounds):
        if progress is not None:
            progress(done, rounds)
        before = here.damage
        moves = _single_changes(here.choice, allowed)
        tried = evaluate(moves)
        spent += len(moves)
        finite = np.isfinite(tried.damage)
        singles, effects = moves[finite], tried.samples[finite] - here.error
        home = here.choice
        here = _best(here, moves, tried, costs, limits)
        for _ in range(STEPS_PER_ROUND):
            changes = _changes(home, here, singles, effects, costs)
            moves = np.concatenate(
                [
                    best_pairs(here.choice, changes, costs, limits, PAIRS_PER_STEP),
                    swap_path(here.choice, changes, costs, limits, PATH_SWAPS),
                ]
            )
            reached = _best(here, moves, evaluate(moves), costs, limits)
            spent += len(moves)
            if reached is here:
                break
            here = reached
        if not here.damage < before:
            break
    return Refined(here.choice, here.damage, spent)


def _best(
    here: _Position,
    moves: np.ndarray,
    tried: RolloutErrors,
    costs: CostTable,
    limits: Mapping[str, float],
) -> _Position:
    """The best of the moves within the limits, or `here` itself when none is worth it."""
    if not len(moves):
        return here
    damage = np.where(fits(costs, moves, limits), tried.damage, np.inf)
    best = int(damage.argmin())
    if not damage[best] < here.damage * (1.0 - LEAST_GAIN):
        return here
    return _Position(moves[best], float(damage[best]), tried.samples[best])


def _single_changes(choice: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """All choices that differ at one site, (changes, sites)."""
    site, width = np.nonzero(allowed)
    other = choice[site] != width
    site, width = site[other], width[other]
    plans = np.repeat(choice[None], len(site), axis=0)
    plans[np.arange(len(site)), site] = width
    return plans


def _changes(
    home: np.ndarray,
    here: _Position,
    singles: np.ndarray,
    effects: np.ndarray,
    costs: CostTable,
) -> Changes:
    """The changes of the plan `here`, by what they did at `home`, where they were measured.

    Sites that have moved since are left out: their effects are known from `home` only.
    """
    site = (singles != home).argmax(axis=1)
    kept = (home == here.choice)[site]
    site, effects = site[kept], effects[kept]
    width = singles[kept, site]
    moved = np.repeat(here.choice[None], len(site), axis=0)
    moved[np.arange(len(site)), site] = width
    gram = (effects @ effects.T).astype(np.float64)
    alone = np.diagonal(gram) + 2.0 * (effects @ here.error)
    before, after = costs.usage(here.choice), costs.usage(moved)
    usage = {name: after[name] - before[name] for name in after}
    return Changes(site, width, alone, gram, usage)
