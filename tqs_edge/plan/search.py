"""From a damage table and limits to the best plan found, by joint rollouts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.plan.greedy import descend
from tqs_edge.plan.knapsack import solve
from tqs_edge.plan.linear_start import cancelling_choice, weight_responses
from tqs_edge.plan.problem import Problem
from tqs_edge.plan.refine import ROUNDS, Progress, Refined, refine
from tqs_edge.plan.uniform import uniform_choices

TRIED_STARTS = 4  # refined for one round
KEPT_STARTS = 2  # of them, refined to the end
FLAT = 0.5  # exponent that makes damages more alike: a second plan to start from
# Part of the uniform plan's damage that a plan must save: less does not carry over to windows that
# were not planned with, more often than not.
LEAST_SAVING = 0.1


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
class Found:
    """The best choice (sites,), its joint damage, other candidates (plans, sites) that keep the
    limits, and how many plans were rolled out."""

    choice: np.ndarray
    damage: float
    others: np.ndarray
    rollouts: int


def search(
    problem: Problem,
    method: Method,
    uniform: np.ndarray,
    *,
    known: np.ndarray | None = None,
    responses: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Found:
    """The best plan of `method`. Raises BudgetInfeasible when none fits or all overflow.

    uniform: the best uniform choice that fits, (1, sites) or (0, sites): "tqs" and "exact" return
    it unless they find a plan with LEAST_SAVING less damage. known: more choices to start from,
    (plans, sites). responses: from `weight_responses`, where they are measured already.
    """
    costs, damage, limits = problem.costs, problem.damage, problem.limits
    if method is Method.GREEDY:
        greedy = descend(costs, damage, limits)
        found = Found(greedy, float(problem.evaluate(greedy[None]).damage[0]), uniform, 1)
    else:
        found = _refined(problem, uniform, known, responses, progress)
    if not np.isfinite(found.damage):
        text = ", ".join(f"{name} {limit:g}" for name, limit in limits.items())
        raise BudgetInfeasible(f"every plan within {text} makes the rollout overflow; allow more")
    return found


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


def _refined(
    problem: Problem,
    uniform: np.ndarray,
    known: np.ndarray | None,
    responses: np.ndarray | None,
    progress: Progress | None,
) -> Found:
    """The best end of several descents.

    A descent ends in the valley it starts in, so there are several: from plans of the knapsack, the
    uniform plan, known ones, and what swaps by cancelling responses make of each. Those that start
    best get one round, and those that are best then go on.
    """
    costs, damage, limits = problem.costs, problem.damage, problem.limits
    allowed, evaluate = problem.allowed, problem.evaluate
    exact = np.stack([solve(costs, damage, limits), solve(costs, damage**FLAT, limits)])
    plans = np.concatenate([exact, uniform, *([] if known is None else [known])])
    spent = 0
    if responses is None:
        responses = weight_responses(problem.clean, problem.quantized, allowed)
        spent = responses.shape[0] * responses.shape[1]
    cancelling = [cancelling_choice(responses, costs, allowed, limits, plan) for plan in plans]
    starts = np.unique(np.stack([*plans, *cancelling]), axis=0)
    damages = evaluate(starts).damage
    tried = starts[np.argsort(damages, kind="stable")[:TRIED_STARTS]]
    begun = [refine(evaluate, costs, allowed, limits, start, rounds=1) for start in tried]
    begun.sort(key=lambda end: end.damage)
    ends = [
        refine(evaluate, costs, allowed, limits, end.choice, rounds=ROUNDS - 1, progress=progress)
        for end in begun[:KEPT_STARTS]
    ]
    ends.sort(key=lambda end: end.damage)
    spent += len(starts) + sum(end.rollouts for end in (*begun, *ends))
    best = _worthwhile(problem, uniform, ends[0])
    others = _distinct([*exact, *uniform, *(end.choice for end in ends)], best.choice)
    return Found(best.choice, best.damage, others, spent)


def _worthwhile(problem: Problem, uniform: np.ndarray, end: Refined) -> Refined:
    """The end of a descent, or the uniform plan where that is hardly worse."""
    if not len(uniform):
        return end
    damage = float(problem.evaluate(uniform).damage[0])
    if end.damage < (1.0 - LEAST_SAVING) * damage:
        return end
    return Refined(uniform[0], damage, 1)


def _distinct(choices: list[np.ndarray], without: np.ndarray) -> np.ndarray:
    """The choices (plans, sites) in their order, each once and none equal to `without`."""
    kept: list[np.ndarray] = []
    for choice in choices:
        if not any((choice == other).all() for other in (without, *kept)):
            kept.append(choice)
    return np.array(kept, np.int64).reshape(-1, len(without))
