"""From scores and a budget to a checked plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.plan.cost import CostTable, Fixed, cost_table
from tqs_edge.plan.greedy import descend
from tqs_edge.plan.knapsack import solve
from tqs_edge.plan.refine import Progress, refine
from tqs_edge.plan.uniform import uniform_choices
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.exact import DamageTable
from tqs_edge.sensitivity.fake_quant import WIDTHS, quantized_weights, rollout_damage
from tqs_edge.sensitivity.predict import predict_damage
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import Site, SiteKind


class Method(StrEnum):
    """How a plan is searched."""

    TQS = "tqs"  # predicted damages, exact knapsack, refinement
    EXACT = "exact"  # measured damages, exact knapsack, refinement
    GREEDY = "greedy"  # predicted damages, greedy descent, no refinement


@dataclass(frozen=True)
class PlanResult:
    """A plan and what is expected of it.

    predicted: summed damage of the sites; measured: joint damage of the whole plan on the planning
    contexts (mean squared standardised rollout error; nrmse is its root); uniform: the same for
    the best uniform plan that fits, None when none does; usage: flash, ram, insns, avg_bits
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
    damage = _pin(sites, damage, SiteKind.ACTIVATION, act_bits)
    damage = _pin(sites, damage, SiteKind.STATE, state_bits)
    costs = cost_table(model.graph, sites, ranges, isa, fixed)
    limits = budget.limits()
    clean = clean_rollouts(model, contexts, horizon, exog)
    quantized = quantized_weights(clean, sites, ranges)

    def evaluate(choices: np.ndarray) -> np.ndarray:
        return rollout_damage(clean, quantized, choices)

    uniform, uniform_damage = _best_uniform(evaluate, costs, damage, limits)
    if chosen is Method.GREEDY:
        choice = descend(costs, damage, limits)
        measured, rollouts = float(evaluate(choice[None])[0]), 1
    else:
        starts = np.concatenate([solve(costs, damage, limits)[None], uniform])
        allowed = costs.legal & np.isfinite(damage)
        refined = refine(evaluate, costs, allowed, limits, starts, progress)
        choice, measured, rollouts = refined.choice, refined.damage, refined.rollouts
    return PlanResult(
        plan=to_bit_plan(costs, choice, chosen.value),
        predicted=float(damage[np.arange(len(choice)), choice].sum()),
        measured=_finite(measured, limits),
        uniform=uniform_damage,
        usage={name: float(value[0]) for name, value in costs.usage(choice).items()},
        rollouts=rollouts,
    )


def damage_matrix(
    graph: Graph, scores: SensitivityReport | DamageTable, ranges: Mapping[str, float]
) -> tuple[tuple[Site, ...], np.ndarray]:
    """The sites and their damages (sites, widths), infinite where illegal or overflowing."""
    if isinstance(scores, DamageTable):
        sites, table = scores.sites, scores.measured()
    else:
        sites = tuple(s.site for s in scores.sites)
        table = dict(predict_damage(scores, graph, ranges))
    damage = np.full((len(sites), len(WIDTHS)), np.inf)
    for i, site in enumerate(sites):
        for bits in site.widths:
            value = table[site.id, bits]
            damage[i, WIDTHS.index(bits)] = np.inf if value is None else value
    return sites, damage


def _method(method: str, scores: SensitivityReport | DamageTable) -> Method:
    try:
        chosen = Method(method)
    except ValueError:
        raise InputError(f"no method '{method}'; use one of {', '.join(Method)}") from None
    if isinstance(scores, DamageTable) != (chosen is Method.EXACT):
        wanted = "a measured table" if chosen is Method.EXACT else "a score"
        raise InputError(f"method '{chosen}' plans from {wanted}; the file holds something else")
    return chosen


def _pin(
    sites: tuple[Site, ...], damage: np.ndarray, kind: SiteKind, bits: int | None
) -> np.ndarray:
    """The damages with every width of `kind` but `bits` forbidden."""
    if bits is None:
        return damage
    pinned = damage.copy()
    for i, site in enumerate(sites):
        if site.kind is not kind:
            continue
        if bits not in site.widths:
            raise InputError(f"{kind} widths are {site.widths}, not {bits}")
        pinned[i, [k for k, width in enumerate(WIDTHS) if width != bits]] = np.inf
    return pinned


def _best_uniform(
    evaluate: Callable[[np.ndarray], np.ndarray],
    costs: CostTable,
    damage: np.ndarray,
    limits: Mapping[str, float],
) -> tuple[np.ndarray, float | None]:
    """The best uniform choice that fits (1, sites) and its damage; (0, sites) and None if none."""
    choices = uniform_choices(costs, damage, limits)
    if not len(choices):
        return choices, None
    damages = evaluate(choices)
    best = int(damages.argmin())
    if not np.isfinite(damages[best]):
        return choices[:0], None
    return choices[best : best + 1], float(damages[best])


def _finite(measured: float, limits: Mapping[str, float]) -> float:
    if not np.isfinite(measured):
        text = ", ".join(f"{name} {value:g}" for name, value in limits.items())
        raise BudgetInfeasible(f"every plan within {text} makes the rollout overflow; allow more")
    return measured
