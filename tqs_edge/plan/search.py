"""From a damage table and limits to the best plan found, by joint rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.greedy import descend
from tqs_edge.plan.knapsack import solve
from tqs_edge.plan.linear_start import cancelling_choice, weight_responses
from tqs_edge.plan.refine import Progress, Refined, refine
from tqs_edge.plan.uniform import uniform_choices
from tqs_edge.sensitivity.batch import CleanRollouts
from tqs_edge.sensitivity.fake_quant import QuantizedWeights, RolloutErrors, rollout_errors

REFINED_STARTS = 2


class Method(StrEnum):
    """How a plan is searched."""

    TQS = "tqs"  # predicted damages, exact knapsack, refinement
    EXACT = "exact"  # measured damages, exact knapsack, refinement
    GREEDY = "greedy"  # predicted damages, greedy descent, no refinement


def parse_method(name: str) -> Method:
    """The method called `name`; InputError lists the known ones."""
    try:
        return Method(name)
    except ValueError:
        raise InputError(f"no method '{name}'; use one of {', '.join(Method)}") from None


@dataclass(frozen=True, eq=False)
class Problem:
    """What a search needs.

    damage: (sites, widths), infinite where a width may not be chosen; limits by resource; clean and
    quantized: what rolls plans out
    """

    costs: CostTable
    damage: np.ndarray
    limits: Mapping[str, float]
    clean: CleanRollouts
    quantized: QuantizedWeights

    @property
    def allowed(self) -> np.ndarray:
        """(sites, widths) bool."""
        return np.asarray(self.costs.legal & np.isfinite(self.damage))

    def evaluate(self, choices: np.ndarray) -> RolloutErrors:
        """Joint rollout errors of choices (plans, sites)."""
        return rollout_errors(self.clean, self.quantized, choices)


def search(
    problem: Problem, method: Method, uniform: np.ndarray, progress: Progress | None = None
) -> Refined:
    """The best plan of `method`. Raises BudgetInfeasible when none fits or all overflow.

    uniform: the best uniform choice that fits, (1, sites) or (0, sites). Refinement is a descent
    and ends in the valley it starts in, so it starts from the best few of these: the knapsack's
    plan, the uniform plan, and what swaps by cancelling responses make of each.
    """
    costs, damage, limits = problem.costs, problem.damage, problem.limits
    if method is Method.GREEDY:
        greedy = descend(costs, damage, limits)
        best = Refined(greedy, float(problem.evaluate(greedy[None]).damage[0]), 1)
    else:
        plans = np.concatenate([solve(costs, damage, limits)[None], uniform])
        responses = weight_responses(problem.clean, problem.quantized, problem.allowed)
        cancelling = [
            cancelling_choice(responses, costs, problem.allowed, limits, start) for start in plans
        ]
        starts = np.unique(np.stack([*plans, *cancelling]), axis=0)
        damages = problem.evaluate(starts).damage
        spent = len(starts) + responses.shape[0] * responses.shape[1]
        found = []
        for start in starts[np.argsort(damages, kind="stable")[:REFINED_STARTS]]:
            found.append(refine(problem.evaluate, costs, problem.allowed, limits, start, progress))
            spent += found[-1].rollouts
        least = min(found, key=lambda refined: refined.damage)
        best = Refined(least.choice, least.damage, spent)
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
