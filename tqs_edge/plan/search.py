"""From a damage table and limits to the best plan found, by joint rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.plan.budget import fits
from tqs_edge.plan.greedy import descend
from tqs_edge.plan.knapsack import solve, solve_or_none
from tqs_edge.plan.linear_start import cancelling_choice, weight_responses
from tqs_edge.plan.problem import Problem
from tqs_edge.plan.refine import ROUNDS, Progress, Refined, refine
from tqs_edge.plan.uniform import uniform_choices
from tqs_edge.sensitivity.sites import SiteKind

TRIED_STARTS = 4  # refined for one round
KEPT_STARTS = 2  # of them, refined to the end
START_GAP = 0.01  # how far from its optimum a plan may be that is only a start
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
class Measured:
    """A choice (sites,) and its joint damage."""

    choice: np.ndarray
    damage: float


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
    uniform: Measured | None,
    *,
    known: np.ndarray | None = None,
    responses: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Found:
    """The best plan of `method`. Raises BudgetInfeasible when none fits or all overflow.

    uniform: the best uniform plan that fits, if one does: "tqs" and "exact" return it unless they
    find a plan with LEAST_SAVING less damage. known: more choices to start from, (plans, sites).
    responses: from `weight_responses`, where they are measured already.
    """
    costs, damage, limits = problem.costs, problem.damage, problem.limits
    if method is Method.GREEDY:
        greedy = descend(costs, damage, limits)
        reached = float(problem.evaluate(greedy[None]).damage[0])
        others = _distinct([*_rows(uniform, len(greedy))], greedy)
        found = Found(greedy, reached, others, 1)
    else:
        found = _refined(problem, uniform, known, responses, progress)
    if not np.isfinite(found.damage):
        text = ", ".join(f"{name} {limit:g}" for name, limit in limits.items())
        raise BudgetInfeasible(f"every plan within {text} makes the rollout overflow; allow more")
    return found


def measured_uniforms(problem: Problem) -> tuple[Measured, ...]:
    """All uniform plans that fit and whose rollouts stay finite."""
    choices = uniform_choices(problem.costs, problem.damage, problem.limits)
    damages = problem.evaluate(choices).damage if len(choices) else np.zeros(0)
    return tuple(
        Measured(choice, float(damage))
        for choice, damage in zip(choices, damages, strict=True)
        if np.isfinite(damage)
    )


def best_uniform(problem: Problem, uniforms: Sequence[Measured]) -> Measured | None:
    """The one of `uniforms` with the least damage of those within the problem's limits."""
    fitting = [u for u in uniforms if fits(problem.costs, u.choice, problem.limits)[0]]
    return min(fitting, key=lambda u: u.damage, default=None)


def _refined(
    problem: Problem,
    uniform: Measured | None,
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
    exact = _knapsack_plans(problem)
    flat = _rows(uniform, len(damage))
    plans = np.concatenate([exact, flat, *([] if known is None else [known])])
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
    best = _worthwhile(uniform, ends[0])
    others = _distinct([*exact, *flat, *(end.choice for end in ends)], best.choice)
    return Found(best.choice, best.damage, others, spent)


def _knapsack_plans(problem: Problem) -> np.ndarray:
    """Optima (plans, sites) of the damages, of damages made more alike, and without the narrowest
    weights, whose errors are too large to add up as the knapsack has it."""
    costs, damage, limits = problem.costs, problem.damage, problem.limits
    weights = np.array([site.kind is SiteKind.WEIGHT for site in costs.sites])
    wide = damage.copy()
    wide[weights & (problem.allowed.sum(axis=1) > 1), 0] = np.inf
    others = (solve_or_none(costs, d, limits, gap=START_GAP) for d in (damage**FLAT, wide))
    plans = [solve(costs, damage, limits), *others]
    return np.stack([plan for plan in plans if plan is not None])


def _worthwhile(uniform: Measured | None, end: Refined) -> Measured:
    """The end of a descent, or the uniform plan where that is hardly worse."""
    if uniform is None or end.damage < (1.0 - LEAST_SAVING) * uniform.damage:
        return Measured(end.choice, end.damage)
    return uniform


def _rows(uniform: Measured | None, sites: int) -> np.ndarray:
    """Its choice as (1, sites), or (0, sites)."""
    return np.zeros((0, sites), np.int64) if uniform is None else uniform.choice[None]


def _distinct(choices: list[np.ndarray], without: np.ndarray) -> np.ndarray:
    """The choices (plans, sites) in their order, each once and none equal to `without`."""
    kept: list[np.ndarray] = []
    for choice in choices:
        if not any((choice == other).all() for other in (without, *kept)):
            kept.append(choice)
    return np.array(kept, np.int64).reshape(-1, len(without))
