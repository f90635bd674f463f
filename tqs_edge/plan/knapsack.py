"""The cheapest damage under all limits at once: an exact integer program (HiGHS).

The linear relaxation gives a lower bound z and, for every width, what choosing it would add at
least (its reduced cost). A plan of damage v found by rounding leaves only the widths with
z + reduced cost <= v: the integer program over them proves v optimal or finds better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from tqs_edge.errors import TqsError
from tqs_edge.plan.budget import fits, infeasible
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.quiet_solver import quiet_solver
from tqs_edge.plan.rounded_start import improved, rounded
from tqs_edge.plan.width_program import W, WidthProgram, width_program, with_limits

RELATIVE_GAP = 1e-6  # a returned plan's damage is within this of the least
SAFETY = 1e-5  # relative, for the solver's tolerance of the bound that widths are left out by
FIRST_REACH = 0.1  # of the bound: how much worse a plan may be where rounding found none
RESCALINGS = 6
CLIP = 1e4  # damages beyond this many units look alike: the solver's tolerances are absolute
INFEASIBLE = 2  # status of linprog and milp


def solve(costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]) -> np.ndarray:
    """The choice (sites,) of width indices with the least summed damage under `limits`.

    damage: (sites, widths), infinite where a width may not be chosen. The damage is within a
    relative RELATIVE_GAP of the least. Raises BudgetInfeasible.
    """
    found = solve_or_none(costs, damage, limits)
    if found is None:
        allowed = costs.legal & np.isfinite(damage)
        raise infeasible(_least_limits(costs, allowed, limits), limits)
    return found


def solve_or_none(
    costs: CostTable,
    damage: np.ndarray,
    limits: Mapping[str, float],
    *,
    gap: float = RELATIVE_GAP,
) -> np.ndarray | None:
    """What `solve` returns, within a relative `gap` of the least; None where no plan fits."""
    damage = np.where(costs.legal, damage, np.inf)
    free = damage.argmin(axis=1)
    if fits(costs, free, limits)[0]:
        return np.asarray(free)
    found = _start(costs, damage, limits)
    usable = damage if found is None else _no_worse(damage, _total(damage, found))
    bound = _relaxed(costs, usable, limits)
    if bound is None:
        return None
    plan = rounded(bound.shares, costs, usable, limits)
    if plan is not None:
        found = _better(damage, found, improved(plan, costs, usable, limits))
    largest = float(usable[np.isfinite(usable)].max())
    reach = bound.damage * (1.0 + FIRST_REACH) if found is None else _total(damage, found)
    while True:
        promising = bound.damage + bound.reduced <= reach * (1.0 + SAFETY)
        kept = np.where(promising, _no_worse(usable, reach), np.inf)
        plan = _minimise(costs, kept, limits, unit=min(reach, largest), gap=gap)
        found = found if plan is None else _better(damage, found, plan)
        if found is not None and _total(damage, found) <= reach * (1.0 + SAFETY):
            return found
        if (np.isfinite(kept) == np.isfinite(usable)).all():
            break
        reach = (4.0 * reach or np.inf) if found is None else _total(damage, found)
    return found


@dataclass(frozen=True, eq=False)
class _Bound:
    """The optimum of the relaxation: its damage, shares and reduced costs (sites, widths)."""

    damage: float
    shares: np.ndarray
    reduced: np.ndarray


def _total(damage: np.ndarray, choice: np.ndarray) -> float:
    return float(damage[np.arange(len(choice)), choice].sum())


def _better(damage: np.ndarray, old: np.ndarray | None, new: np.ndarray) -> np.ndarray:
    return new if old is None or _total(damage, new) < _total(damage, old) else old


def _no_worse(damage: np.ndarray, most: float) -> np.ndarray:
    """The damages without those that exceed `most` alone."""
    return np.where(damage <= most * (1.0 + SAFETY), damage, np.inf)


def _start(costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]) -> np.ndarray | None:
    """The best plan within the limits of those with all sites at about one width."""
    finite = np.isfinite(damage)
    widths = np.arange(W)
    narrowest = finite.argmax(axis=1)
    plans = [np.where(finite & (widths <= k), widths, -1).max(axis=1) for k in range(W)]
    tried = np.where(np.array(plans) < 0, narrowest, np.array(plans))
    fitting = tried[fits(costs, tried, limits)]
    if not len(fitting):
        return None
    return np.asarray(fitting[int(np.argmin([_total(damage, plan) for plan in fitting]))])


def _relaxed(costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]) -> _Bound | None:
    """The linear relaxation; None when even that is infeasible.

    Its tolerances are absolute, so it is solved again in units of its own optimum.
    """
    program = with_limits(width_program(costs, np.isfinite(damage), limits), limits, _fixed(costs))
    equal = program.low == program.high
    unit = float(damage[np.isfinite(damage)].max()) or 1.0
    for _ in range(RESCALINGS):
        objective, upper = _columns(program, damage, unit)
        result = linprog(
            objective,
            A_ub=program.matrix[~equal],
            b_ub=program.high[~equal],
            A_eq=program.matrix[equal],
            b_eq=program.high[equal],
            bounds=np.stack([np.zeros_like(upper), upper], axis=1),
            method="highs",
        )
        if result.status == INFEASIBLE:
            return None
        if result.x is None:
            raise TqsError(f"the planner's solver stopped: {result.message}; use method 'greedy'")
        shares = result.x[: damage.size].reshape(damage.shape)
        reduced = result.lower.marginals[: damage.size].reshape(damage.shape)
        bound = _Bound(result.fun * unit, shares, np.maximum(reduced, 0.0) * unit)
        taken = shares > 0.0
        reached = float((np.where(taken, damage, 0.0) * shares).sum())
        if not 0.0 < reached < 0.1 * unit:
            break
        unit = reached
    return bound


def _minimise(
    costs: CostTable,
    damage: np.ndarray,
    limits: Mapping[str, float],
    *,
    unit: float,
    gap: float = RELATIVE_GAP,
    resource: str | None = None,
) -> np.ndarray | None:
    """Choice of least damage, or least use of `resource`, under the limits; None if none fits.

    A solution may pass a limit by the solver's tolerance: then that limit is drawn in by as much.
    """
    finite = np.isfinite(damage)
    if not finite.any(axis=1).all():
        return None
    names = {*limits, resource} - {None}
    base = width_program(costs, finite, {str(name) for name in names})
    objective, upper = _columns(base, damage, unit or 1.0)
    if resource is not None:
        objective = base.resources[resource] / max(1.0, np.abs(base.resources[resource]).max())
    drawn_in = dict(limits)
    for _ in range(RESCALINGS):
        program = with_limits(base, drawn_in, _fixed(costs))
        # All variables are declared integral, though the choice alone would make the rest so:
        # HiGHS then presolves and cuts several times better.
        with quiet_solver():
            result = milp(
                objective,
                integrality=np.ones(len(objective)),
                bounds=Bounds(0.0, upper),
                constraints=LinearConstraint(program.matrix, program.low, program.high),
                options={"mip_rel_gap": gap},
            )
        if result.status == INFEASIBLE:
            return None
        if result.x is None:
            break
        chosen = result.x[: damage.size].reshape(damage.shape).argmax(axis=1)
        if fits(costs, chosen, limits)[0]:
            return np.asarray(chosen, np.int64)
        usage = costs.usage(chosen)
        for name, limit in limits.items():
            drawn_in[name] -= 2.0 * max(0.0, float(usage[name][0]) - limit)
    raise TqsError(f"the planner's solver stopped: {result.message}; use method 'greedy'")


def _columns(
    program: WidthProgram, damage: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Objective in `unit`s of damage and upper bounds of all variables."""
    finite = np.isfinite(damage)
    objective, upper = np.zeros(program.variables), np.ones(program.variables)
    objective[: damage.size] = np.minimum(np.where(finite, damage, 0.0) / unit, CLIP).ravel()
    upper[: damage.size] = finite.ravel()
    return objective, upper


def _fixed(costs: CostTable) -> dict[str, float]:
    fixed = costs.fixed
    return {"flash": fixed.flash, "ram": fixed.ram, "insns": fixed.insns, "avg_bits": 0.0}


def _least_limits(
    costs: CostTable, allowed: np.ndarray, limits: Mapping[str, float]
) -> dict[str, float]:
    """Least value of each limit with which a plan exists, the other limits given."""
    least = {}
    for name in limits:
        others = {other: limit for other, limit in limits.items() if other != name}
        usage = least_usage(costs, allowed, others, name)
        if usage is not None:
            least[name] = usage
    return least


def least_usage(
    costs: CostTable, allowed: np.ndarray, limits: Mapping[str, float], resource: str
) -> float | None:
    """Least use of a resource by any choice of the widths in `allowed` (sites, widths) within
    `limits`; None when none fits."""
    free = np.where(allowed, 0.0, np.inf)
    choice = _minimise(costs, free, limits, unit=1.0, resource=resource)
    return None if choice is None else float(costs.usage(choice)[resource][0])
