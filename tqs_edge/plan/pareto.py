"""The Pareto front of rollout error against one resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.plan.knapsack import least_usage, solve
from tqs_edge.plan.linear_start import weight_responses
from tqs_edge.plan.problem import Problem
from tqs_edge.plan.refine import Progress
from tqs_edge.plan.search import Measured, Method, best_uniform, measured_uniforms, search
from tqs_edge.plan.uniform import width_code

RESOURCES = ("flash", "insns", "avg_bits")
POINTS = 8


@dataclass(frozen=True)
class ParetoPoint:
    """A plan on the front, or a uniform plan beside it.

    label: how it came about: a method, or a width code such as "a16w8"; limit: of the front's
    resource, None for uniform plans; predicted, measured, usage: as in PlanResult
    """

    label: str
    limit: float | None
    plan: BitPlan
    predicted: float
    measured: float
    usage: Mapping[str, float]

    @property
    def nrmse(self) -> float:
        """Root of the measured damage: rollout error in standard deviations."""
        return float(np.sqrt(self.measured))


@dataclass(frozen=True)
class ParetoFront:
    """Plans none of which another one beats in both `resource` and measured error, the cheapest
    first, and the uniform plans within the other limits for comparison."""

    resource: str
    points: tuple[ParetoPoint, ...]
    uniform: tuple[ParetoPoint, ...]


def pareto(
    problem: Problem,
    resource: str,
    method: Method = Method.TQS,
    *,
    values: Sequence[float] = (),
    progress: Progress | None = None,
) -> ParetoFront:
    """The front over `resource` ("flash", "insns" or "avg_bits"), the other limits kept.

    values: limits of the resource; by default POINTS from the least that works to what the plan of
    least damage takes, each a fixed part more than the one before. From small to large, every
    search also starts from the plan before, so more never gives worse. Raises InputError,
    BudgetInfeasible.
    """
    if resource not in RESOURCES:
        raise InputError(f"no front over '{resource}'; use one of {', '.join(RESOURCES)}")
    others = {name: limit for name, limit in problem.limits.items() if name != resource}
    open_ = replace(problem, limits=others)
    limits = sorted(values) or spread(open_, resource, POINTS)
    responses = weight_responses(problem.clean, problem.quantized, problem.allowed)
    uniforms = measured_uniforms(open_)
    points: list[ParetoPoint] = []
    before = np.zeros((0, len(problem.costs.sites)), np.int64)
    for done, limit in enumerate(limits):
        if progress:
            progress(done, len(limits))
        here = replace(problem, limits={**others, resource: limit})
        uniform = best_uniform(here, uniforms)
        try:
            found = search(here, method, uniform, known=before, responses=responses)
        except BudgetInfeasible:  # of several limits, those that leave a finite rollout count
            if limit == limits[-1] and not points:
                raise
            continue
        before = found.choice[None]
        points.append(_point(here, found.choice, found.damage, method.value, limit))
    return ParetoFront(resource, _non_dominated(points, resource), _uniform_points(open_, uniforms))


def spread(problem: Problem, resource: str, count: int) -> list[float]:
    """`count` limits from the least usage that works to that of the plan of least damage, each a
    fixed part more than the one before. Raises BudgetInfeasible."""
    least = least_usage(problem.costs, problem.allowed, problem.limits, resource)
    if least is None:
        solve(problem.costs, problem.damage, problem.limits)  # says which limit binds
        raise AssertionError("a plan fits, and none was found")
    free = np.where(problem.allowed, problem.damage, np.inf).argmin(axis=1)
    most = max(least, float(problem.costs.usage(free)[resource][0]))
    return [float(value) for value in np.geomspace(least, most, count)]


def _point(
    problem: Problem, choice: np.ndarray, damage: float, label: str, limit: float | None
) -> ParetoPoint:
    usage = {name: float(value[0]) for name, value in problem.costs.usage(choice).items()}
    plan = to_bit_plan(problem.costs, choice, label)
    return ParetoPoint(label, limit, plan, problem.predicted(choice), damage, usage)


def _uniform_points(problem: Problem, uniforms: Sequence[Measured]) -> tuple[ParetoPoint, ...]:
    points = []
    for uniform in uniforms:
        code = width_code(problem.costs, problem.allowed, uniform.choice)
        points.append(_point(problem, uniform.choice, uniform.damage, code, None))
    return tuple(points)


def _non_dominated(points: Sequence[ParetoPoint], resource: str) -> tuple[ParetoPoint, ...]:
    """The points, by usage, of which each errs less than all cheaper ones."""
    kept: list[ParetoPoint] = []
    for point in sorted(points, key=lambda p: (p.usage[resource], p.measured)):
        if not kept or point.measured < kept[-1].measured:
            kept.append(point)
    return tuple(kept)
