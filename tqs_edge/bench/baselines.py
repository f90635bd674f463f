"""What others plan from, over the same sites and within the same bytes as TQS.

Each function takes a case once, does what its budgets share, and returns the planner of a budget.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tqs_edge.bench.case import Case, limits_of, plan_from_damage, weight_choice
from tqs_edge.bench.hessian import hessian_traces
from tqs_edge.bench.one_step import one_step_trials, teacher_lessons
from tqs_edge.errors import BudgetInfeasible
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import fits
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.exact import measure_damage
from tqs_edge.sensitivity.fake_quant import WIDTHS, quantized_weights, rollout_damage
from tqs_edge.sensitivity.residual import residual_energy
from tqs_edge.sensitivity.sites import WEIGHT_WIDTHS

Planner = Callable[[float], BitPlan]


def uniform(case: Case) -> Planner:
    """One width for all weights, the widest that fits."""

    def plan(average: float) -> BitPlan:
        choice = _layer_choice(case, (), widest_uniform(average), 0)
        return to_bit_plan(case.costs, choice, "uniform")

    return plan


def first_last(case: Case) -> Planner:
    """The first and the last dense layer wider than the rest, which is uniform.

    Of all such plans that fit (any two widths, the two layers' at or above the rest's) the one of
    least rollout error on the planning contexts: the strongest form of the rule. Layers count in
    the order in which the step computes them.
    """
    prepared = case.prepared
    trials = prepared.planning
    clean = clean_rollouts(prepared.model, trials.contexts, prepared.horizon, trials.exog)
    quantized = quantized_weights(clean, case.sites, prepared.ranges)
    paths = [node.weight for node in prepared.model.graph.dense_nodes() if node.weight]
    ends = (paths[0], paths[-1])
    pairs = [(rest, end) for rest in WEIGHT_WIDTHS for end in WEIGHT_WIDTHS if end >= rest]
    choices = np.unique([_layer_choice(case, ends, rest, end) for rest, end in pairs], axis=0)
    damage = rollout_damage(clean, quantized, choices)

    def plan(average: float) -> BitPlan:
        widest_uniform(average)
        fitting = fits(case.costs, choices, limits_of(average))
        best = int(np.where(fitting, damage, np.inf).argmin())
        return to_bit_plan(case.costs, choices[best], "first-last")

    return plan


def weight_mse(case: Case) -> Planner:
    """Least summed ||Q(W) - W||^2: mean squared error of the weights times their number."""
    energy = _residuals(case)
    return lambda average: plan_from_damage(case, energy, average, "weight-mse")


def one_step(case: Case) -> Planner:
    """Least summed noise-to-signal ratio of one step's output, each site quantized alone.

    The score of AIMET, and with other norms of MCT, NNCF and ModelOpt: Pandey et al. 2023, "A
    practical mixed precision algorithm for post-training quantization", arXiv 2302.05397. Here its
    sum is minimised exactly, not greedily.
    """
    prepared = case.prepared
    contexts, exog = one_step_trials(prepared)
    table = measure_damage(
        prepared.model,
        contexts,
        prepared.model.block,
        exog,
        ranges=prepared.ranges,
        sites=case.sites,
    )
    noise = np.full(case.allowed.shape, np.inf)
    for index, site in enumerate(case.sites):
        for bits in site.widths:
            measured = table.measured()[site.id, bits]
            noise[index, WIDTHS.index(bits)] = np.inf if measured is None else measured
    return lambda average: plan_from_damage(case, noise, average, "one-step")


def hessian(case: Case) -> Planner:
    """Least summed Tr(H)/n * ||Q(W) - W||^2 with H the Hessian of the one-step loss.

    Dong et al. 2020, "HAWQ-V2: Hessian aware trace-weighted quantization", arXiv 1911.03852, eq. 8;
    a negative trace counts as zero.
    """
    lessons = teacher_lessons(case.prepared)
    traces = hessian_traces(case.prepared.model, lessons, case.sites, seed=case.seed)
    elements = np.maximum(case.costs.elements, 1.0)
    damage = (np.maximum(traces, 0.0) / elements)[:, None] * _residuals(case)
    return lambda average: plan_from_damage(case, damage, average, "hessian")


def random_widths(case: Case) -> Planner:
    """From 2 bits on, random sites are widened by a step until nothing more fits."""

    def plan(average: float) -> BitPlan:
        widest_uniform(average)
        rng = np.random.default_rng([case.seed, round(1000 * average)])
        weights = np.flatnonzero(case.weight_sites)
        choice = weight_choice(case, {int(site): WEIGHT_WIDTHS[0] for site in weights})
        limits = limits_of(average)
        while True:
            wider = np.repeat(choice[None], len(weights), axis=0)
            wider[np.arange(len(weights)), weights] += 1
            wider = wider[wider.max(axis=1) < len(WIDTHS)]
            wider = wider[fits(case.costs, wider, limits)] if len(wider) else wider
            if not len(wider):
                return to_bit_plan(case.costs, choice, "random")
            choice = wider[rng.integers(len(wider))]

    return plan


def _residuals(case: Case) -> np.ndarray:
    """||Q(W) - W||^2 (sites, widths); zero for what is no weight."""
    graph, ranges = case.prepared.model.graph, case.prepared.ranges
    energy = np.zeros(case.allowed.shape)
    for index in np.flatnonzero(case.weight_sites):
        site = case.sites[index]
        for bits in site.widths:
            energy[index, WIDTHS.index(bits)] = residual_energy(graph, site, bits, ranges)
    return energy


def _layer_choice(case: Case, ends: tuple[str, ...], rest: int, end: int) -> np.ndarray:
    """The choice (sites,) with `end` bits for the weights in `ends`, `rest` for the others."""
    weights = np.flatnonzero(case.weight_sites)
    return weight_choice(
        case, {int(i): end if case.sites[i].tensor in ends else rest for i in weights}
    )


def widest_uniform(average: float) -> int:
    """The widest width within `average`. Raises BudgetInfeasible below the narrowest."""
    if average < WEIGHT_WIDTHS[0]:
        raise BudgetInfeasible(
            f"{average:g} average weight bits are below the narrowest width, "
            f"{WEIGHT_WIDTHS[0]}; allow more"
        )
    return max(bits for bits in WEIGHT_WIDTHS if bits <= average)
