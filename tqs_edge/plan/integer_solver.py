"""The choice of widths as an integer program, solved by HiGHS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from tqs_edge.errors import TqsError
from tqs_edge.plan.budget import fits
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.quiet_solver import quiet_solver
from tqs_edge.plan.relaxation import INFEASIBLE, RESCALINGS, columns
from tqs_edge.plan.width_program import Choices, WidthProgram, width_program, with_limits


def least_damage(
    costs: CostTable,
    damage: np.ndarray,
    choices: Choices,
    limits: Mapping[str, float],
    *,
    below: float,
    gap: float,
) -> np.ndarray | None:
    """The choice (sites,) of least summed damage among `choices` within the limits, to a relative
    `gap`; None where none has a damage of at most `below`, which may be infinite."""
    finite = damage[choices.sites]
    unit = min(below, float(finite.max(initial=0.0))) or 1.0
    program = width_program(costs, choices, limits)
    objective, _ = columns(program, np.where(choices.sites, damage, np.inf), unit)
    if np.isfinite(below):  # cuts work better for it
        program = _with_ceiling(program, objective, below / unit)
    return _solve(costs, choices, limits, program, objective, gap)


def least_usage(
    costs: CostTable, allowed: Choices, limits: Mapping[str, float], resource: str, gap: float
) -> np.ndarray | None:
    """The choice (sites,) that takes least of a resource, within the limits; None if none fits."""
    program = width_program(costs, allowed, {*limits, resource})
    objective = program.resources[resource]
    objective = objective / max(1.0, np.abs(objective).max())
    return _solve(costs, allowed, limits, program, objective, gap)


def _with_ceiling(program: WidthProgram, objective: np.ndarray, most: float) -> WidthProgram:
    return replace(
        program,
        matrix=csr_array(vstack([program.matrix, csr_array(objective[None])])),
        low=np.append(program.low, -np.inf),
        high=np.append(program.high, most),
    )


def _solve(
    costs: CostTable,
    choices: Choices,
    limits: Mapping[str, float],
    base: WidthProgram,
    objective: np.ndarray,
    gap: float,
) -> np.ndarray | None:
    """A solution may pass a limit by the solver's tolerance: then that limit is drawn in by as
    much."""
    if not choices.sites.any(axis=1).all():
        return None
    _, upper = columns(base, np.where(choices.sites, 0.0, np.inf), 1.0)
    drawn_in = dict(limits)
    for _ in range(RESCALINGS):
        program = with_limits(base, drawn_in, costs.fixed_usage)
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
        chosen = result.x[: choices.sites.size].reshape(choices.sites.shape).argmax(axis=1)
        if fits(costs, chosen, limits)[0]:
            return np.asarray(chosen, np.int64)
        usage = costs.usage(chosen)
        for name, limit in limits.items():
            drawn_in[name] -= 2.0 * max(0.0, float(usage[name][0]) - limit)
    raise TqsError(f"the planner's solver stopped: {result.message}; use method 'greedy'")
