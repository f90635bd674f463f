"""From a damage table and limits to the best plan found, by joint rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.greedy import descend
from tqs_edge.plan.knapsack import solve
from tqs_edge.plan.refine import Evaluate, Progress, Refined, refine
from tqs_edge.plan.uniform import uniform_choices


class Method(StrEnum):
    """How a plan is searched."""

    TQS = "tqs"  # predicted damages, exact knapsack, refinement
    EXACT = "exact"  # measured damages, exact knapsack, refinement
    GREEDY = "greedy"  # predicted damages, greedy descent, no refinement


@dataclass(frozen=True, eq=False)
class Problem:
    """What a search needs.

    damage: (sites, widths), infinite where a width may not be chosen; limits by resource;
    evaluate: joint rollout errors of choices (plans, sites); evaluate_half: over half the horizon
    """

    costs: CostTable
    damage: np.ndarray
    limits: Mapping[str, float]
    evaluate: Evaluate
    evaluate_half: Evaluate

    @property
    def allowed(self) -> np.ndarray:
        """(sites, widths) bool."""
        return np.asarray(self.costs.legal & np.isfinite(self.damage))


def search(
    problem: Problem, method: Method, uniform: np.ndarray, progress: Progress | None = None
) -> Refined:
    """The best plan of `method`. Raises BudgetInfeasible when none fits or all overflow.

    uniform: the best uniform choice that fits, (1, sites) or (0, sites). Refinement is a descent
    and ends in the valley it starts in, so it starts from the knapsack's and from the uniform plan,
    and each descends over half the horizon first, where the damage has saturated less.
    """
    costs, damage, limits = problem.costs, problem.damage, problem.limits
    if method is Method.GREEDY:
        greedy = descend(costs, damage, limits)
        best = Refined(greedy, float(problem.evaluate(greedy[None]).damage[0]), 1)
    else:
        starts = np.stack([solve(costs, damage, limits), *uniform])
        found = [_descend_twice(problem, start, progress) for start in starts]
        least = min(found, key=lambda refined: refined.damage)
        best = Refined(least.choice, least.damage, sum(refined.rollouts for refined in found))
    if not np.isfinite(best.damage):
        text = ", ".join(f"{name} {limit:g}" for name, limit in limits.items())
        raise BudgetInfeasible(f"every plan within {text} makes the rollout overflow; allow more")
    return best


def best_uniform(problem: Problem) -> tuple[np.ndarray, float | None]:
    """The best uniform choice that fits, (1, sites), and its damage; (0, sites), None if none."""
    choices = uniform_choices(problem.costs, problem.damage, problem.limits)
    if not len(choices):
        return choices, None
    damages = problem.evaluate(choices).damage
    best = int(damages.argmin())
    if not np.isfinite(damages[best]):
        return choices[:0], None
    return choices[best : best + 1], float(damages[best])


def _descend_twice(problem: Problem, start: np.ndarray, progress: Progress | None) -> Refined:
    """A descent over half the horizon, then over all of it; never worse than `start`."""
    costs, allowed, limits = problem.costs, problem.allowed, problem.limits
    half = refine(problem.evaluate_half, costs, allowed, limits, start, progress)
    kept = float(problem.evaluate(start[None]).damage[0])
    full = refine(problem.evaluate, costs, allowed, limits, half.choice, progress)
    spent = half.rollouts + full.rollouts + 1
    if kept < full.damage:  # the first descent left a better place: keep the promise to its start
        return Refined(start, kept, spent)
    return Refined(full.choice, full.damage, spent)
