"""The plan that takes least of one resource, of those that are good enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.plan.linear_start import weight_responses
from tqs_edge.plan.pareto import spread
from tqs_edge.plan.problem import Problem
from tqs_edge.plan.refine import Progress
from tqs_edge.plan.search import Method, best_uniform, measured_uniforms, search

LIMITS = 32  # of the resource; each a fixed part more than the one before


def cheapest(
    problem: Problem,
    resource: str,
    method: Method,
    is_good: Callable[[BitPlan], bool],
    *,
    progress: Progress | None = None,
) -> bool:
    """Searches the least limit of `resource`, by halves, whose plan `is_good`; whether any is.

    The other limits of `problem` are kept. is_good sees each plan as it is found, and the last one
    for which it was true is the cheapest, as far as more never makes a plan worse. Raises
    BudgetInfeasible where no plan keeps the other limits.
    """
    others = {name: limit for name, limit in problem.limits.items() if name != resource}
    open_ = replace(problem, limits=others)
    limits = spread(open_, resource, LIMITS)
    responses = weight_responses(problem.clean, problem.quantized, problem.allowed)
    uniforms = measured_uniforms(open_)
    below = np.zeros((0, len(problem.costs.sites)), np.int64)  # the dearest plan that would not do
    trials = LIMITS.bit_length()

    def found(limit: float) -> np.ndarray | None:
        here = replace(problem, limits={**others, resource: limit})
        uniform = best_uniform(here, uniforms)
        try:
            return search(here, method, uniform, known=below, responses=responses).choice
        except BudgetInfeasible:  # too little for a finite rollout
            return None

    def does(choice: np.ndarray | None) -> bool:
        return choice is not None and is_good(to_bit_plan(problem.costs, choice, method.value))

    if not does(found(limits[-1])):
        return False
    low, high = 0, len(limits) - 1
    for done in range(trials):
        if progress:
            progress(done, trials)
        if low == high:
            break
        middle = (low + high) // 2
        choice = found(limits[middle])
        if does(choice):
            high = middle
        else:
            low = middle + 1
            below = below if choice is None else choice[None]
    return True
