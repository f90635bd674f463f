"""From scores and a budget to a checked plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.plan.damage import damage_matrix
from tqs_edge.plan.fixed_cost import NOTHING_FIXED, Fixed
from tqs_edge.plan.knapsack import solve_or_none
from tqs_edge.plan.problem import NOTHING_DECIDED, Decided, Problem, decided_damage, make_problem
from tqs_edge.plan.refine import Progress
from tqs_edge.plan.search import Method, best_uniform, measured_uniforms, parse_method, search
from tqs_edge.sensitivity.exact import DamageTable
from tqs_edge.sensitivity.score import SensitivityReport


@dataclass(frozen=True)
class PlanResult:
    """A plan and what is expected of it.

    predicted: summed damage of the sites; measured: joint damage of the whole plan on the planning
    contexts (mean squared standardised rollout error; `nrmse` is its root); uniform: the same for
    the best uniform plan that fits, None when none does; usage: flash, ram, insns, avg_bits;
    rollouts: how many plans were rolled out; alternatives: other plans within the budget, which
    may be better once their integers are fitted (plan/rounding.py)
    """

    plan: BitPlan
    predicted: float
    measured: float
    uniform: float | None
    usage: Mapping[str, float]
    rollouts: int
    alternatives: tuple[BitPlan, ...] = ()

    @property
    def nrmse(self) -> float:
        """Root of the measured damage: rollout error in standard deviations."""
        return float(np.sqrt(self.measured))


def plan(
    model: RolloutModel,
    scores: SensitivityReport | DamageTable,
    ranges: Mapping[str, float],
    contexts: np.ndarray,
    horizon: int,
    budget: Budget,
    isa: str,
    method: str = Method.TQS,
    *,
    exog: np.ndarray | None = None,
    decided: Decided = NOTHING_DECIDED,
    fixed: Fixed = NOTHING_FIXED,
    progress: Progress | None = None,
) -> PlanResult:
    """The plan of least rollout damage within `budget` on cores of class `isa`.

    scores: a report for "tqs" and "greedy", a table for "exact". contexts (N, rows, F) are for
    planning: judge the plan on others. decided: widths that are not the planner's to choose;
    uniform plans keep to them too. "tqs" and "exact" plans are never worse, on these contexts, than
    the best uniform plan that fits; that one is returned where little is saved
    (search.LEAST_SAVING). Raises BudgetInfeasible naming the binding limit, InputError for a
    mismatch.
    """
    chosen = check_method(method, scores)
    problem = make_problem(
        model,
        scores,
        ranges,
        contexts,
        horizon,
        budget.limits(),
        isa,
        decided,
        exog=exog,
        fixed=fixed,
    )
    uniform = best_uniform(problem, measured_uniforms(problem))
    try:
        best = search(problem, chosen, uniform, progress=progress)
    except BudgetInfeasible as error:
        free = decided_damage(
            *damage_matrix(model.graph, scores, ranges), replace(decided, pins={})
        )
        blame = _blame(problem, free, decided.pins)
        raise BudgetInfeasible(f"{error}{blame}{_kept_rows(model, budget)}") from None
    costs = problem.costs
    return PlanResult(
        plan=to_bit_plan(costs, best.choice, chosen.value),
        predicted=problem.predicted(best.choice),
        measured=best.damage,
        uniform=None if uniform is None else uniform.damage,
        usage={name: float(value[0]) for name, value in costs.usage(best.choice).items()},
        rollouts=best.rollouts,
        alternatives=tuple(to_bit_plan(costs, other, chosen.value) for other in best.others),
    )


def _kept_rows(model: RolloutModel, budget: Budget) -> str:
    """What to add where streaming takes RAM of which there is too little."""
    kept = sum(prod(state.shape) for state in model.graph.states if state.rows_of is not None)
    if budget.ram is None or not kept:
        return ""
    return f"; rows kept for streaming take up to {2 * kept:,} bytes (none with --no-stream)"


def check_method(method: str, scores: SensitivityReport | DamageTable) -> Method:
    """The method called `method`; InputError where it does not plan from such scores."""
    chosen = parse_method(method)
    if isinstance(scores, DamageTable) != (chosen is Method.EXACT):
        wanted = "a measured table" if chosen is Method.EXACT else "a score"
        raise InputError(f"method '{chosen}' plans from {wanted}, which was not given")
    return chosen


def _blame(problem: Problem, free: np.ndarray, pins: Mapping[str, int]) -> str:
    """What to add to an infeasible budget's text where a plan fits once the pins are dropped.

    free: damages (sites, widths) without the pins
    """
    if not pins:
        return ""
    named = ", ".join(f"{name}={bits}" for name, bits in pins.items())
    alone = solve_or_none(problem.costs, free, problem.limits) is None
    return f" with the pins {named}" + ("" if alone else "; without them a plan fits")
