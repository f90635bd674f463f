"""The linear relaxation of the choice of widths, and the prices it puts on limits and code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from tqs_edge.errors import TqsError
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.marginals import Prices
from tqs_edge.plan.width_program import Choices, WidthProgram, width_program, with_limits

CLIP = 1e4  # damages beyond this many units look alike: the solver's tolerances are absolute
INFEASIBLE = 2  # status of linprog and milp
RESCALINGS = 6


@dataclass(frozen=True, eq=False)
class Relaxed:
    """An optimum: shares of the widths (sites, widths) and of the kernels' codes (kernels,), zero
    where none can be called; its prices; the unit of damage it was solved in."""

    shares: np.ndarray
    codes: np.ndarray
    prices: Prices
    unit: float


def relaxed(
    costs: CostTable,
    damage: np.ndarray,
    choices: Choices,
    limits: Mapping[str, float],
    paid: Collection[int],
    unit: float,
) -> Relaxed | None:
    """The relaxation over `choices` with the codes of the kernels `paid` counted; None when even
    that is infeasible.

    The solver's tolerances are absolute, so it is solved again in units of its own optimum; `unit`
    is the first. Raises TqsError when the solver stops.
    """
    program = width_program(costs, choices, limits)
    program = with_limits(program, limits, costs.fixed_usage)
    equal = program.low == program.high
    low = np.zeros(program.variables)
    forced = program.codes[sorted(paid)] if paid else np.empty(0, np.int64)
    low[forced[forced >= 0]] = 1.0
    open_damage = np.where(choices.sites, damage, np.inf)
    for _ in range(RESCALINGS):
        objective, upper = columns(program, open_damage, unit)
        result = linprog(
            objective,
            A_ub=program.matrix[~equal],
            b_ub=program.high[~equal],
            A_eq=program.matrix[equal],
            b_eq=program.high[equal],
            bounds=np.stack([low, upper], axis=1),
            method="highs",
        )
        if result.status == INFEASIBLE:
            return None
        if result.x is None:
            raise TqsError(f"the planner's solver stopped: {result.message}; use method 'greedy'")
        shares = result.x[: damage.size].reshape(damage.shape)
        reached = float((np.where(shares > 0.0, damage, 0.0) * shares).sum())
        if not 0.0 < reached < 0.1 * unit:
            break
        unit = reached
    codes = np.where(program.codes >= 0, result.x[program.codes], 0.0)
    marginal = np.full(len(equal), np.nan)
    marginal[~equal] = -result.ineqlin.marginals
    return Relaxed(shares, codes, _prices(program, marginal * unit, limits), unit)


def _prices(program: WidthProgram, marginal: np.ndarray, limits: Mapping[str, float]) -> Prices:
    """marginal: damage by row of the program, whose last rows are the limits."""
    marginal = np.maximum(marginal, 0.0)
    last = marginal[len(marginal) - len(limits) :]
    resources = {name: float(m) / limits[name] for name, m in zip(limits, last, strict=True)}
    return Prices(resources, np.where(program.below >= 0, marginal[program.below], 0.0))


def columns(
    program: WidthProgram, damage: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Objective in `unit`s of damage and upper bounds of all variables."""
    finite = np.isfinite(damage)
    objective, upper = np.zeros(program.variables), np.ones(program.variables)
    objective[: damage.size] = np.minimum(np.where(finite, damage, 0.0) / unit, CLIP).ravel()
    upper[: damage.size] = finite.ravel()
    return objective, upper
