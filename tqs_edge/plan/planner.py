"""From scores and a budget to a checked plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.plan.cost import Fixed, cost_table
from tqs_edge.plan.damage import damage_matrix, pin_widths
from tqs_edge.plan.refine import Progress
from tqs_edge.plan.search import Method, Problem, best_uniform, parse_method, search
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.exact import DamageTable
from tqs_edge.sensitivity.fake_quant import quantized_weights
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import SiteKind


@dataclass(frozen=True)
class PlanResult:
    """A plan and what is expected of it.

    predicted: summed damage of the sites; measured: joint damage of the whole plan on the planning
    contexts (mean squared standardised rollout error; `nrmse` is its root); uniform: the same for
    the best uniform plan that fits, None when none does; usage: flash, ram, insns, avg_bits;
    rollouts: how many plans were rolled out
    """

    plan: BitPlan
    predicted: float
    measured: float
    uniform: float | None
    usage: Mapping[str, float]
    rollouts: int

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
    act_bits: int | None = None,
    state_bits: int | None = None,
    fixed: Fixed | None = None,
    progress: Progress | None = None,
) -> PlanResult:
    """The plan of least rollout damage within `budget` on cores of class `isa`.

    scores: a report for "tqs" and "greedy", a table for "exact". contexts (N, rows, F) are for
    planning: judge the plan on others. act_bits and state_bits pin the width of all activations or
    states. "tqs" and "exact" plans are never worse, on these contexts, than the best uniform plan
    that fits. Raises BudgetInfeasible naming the binding limit, InputError for a mismatch.
    """
    chosen = _method(method, scores)
    sites, damage = damage_matrix(model.graph, scores, ranges)
    damage = pin_widths(sites, damage, SiteKind.ACTIVATION, act_bits)
    damage = pin_widths(sites, damage, SiteKind.STATE, state_bits)
    costs = cost_table(model.graph, sites, ranges, isa, fixed)
    clean = clean_rollouts(model, contexts, horizon, exog)
    quantized = quantized_weights(clean, sites, ranges)
    problem = Problem(costs, damage, budget.limits(), clean, quantized)
    uniform, uniform_damage = best_uniform(problem)
    best = search(problem, chosen, uniform, progress)
    return PlanResult(
        plan=to_bit_plan(costs, best.choice, chosen.value),
        predicted=float(damage[np.arange(len(sites)), best.choice].sum()),
        measured=best.damage,
        uniform=uniform_damage,
        usage={name: float(value[0]) for name, value in costs.usage(best.choice).items()},
        rollouts=best.rollouts,
    )


def _method(method: str, scores: SensitivityReport | DamageTable) -> Method:
    chosen = parse_method(method)
    if isinstance(scores, DamageTable) != (chosen is Method.EXACT):
        wanted = "a measured table" if chosen is Method.EXACT else "a score"
        raise InputError(f"method '{chosen}' plans from {wanted}, which was not given")
    return chosen
