"""The cheapest damage under all limits at once: an exact integer program (HiGHS)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, lil_array

from tqs_edge.errors import TqsError
from tqs_edge.plan.budget import infeasible
from tqs_edge.plan.cost import RESOURCES, CostTable
from tqs_edge.sensitivity.fake_quant import WIDTHS

W = len(WIDTHS)
RELATIVE_GAP = 1e-6


def solve(costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]) -> np.ndarray:
    """The choice (sites,) of width indices with the least summed damage under `limits`.

    damage: (sites, widths), infinite where a width may not be chosen. Raises BudgetInfeasible.
    The program: one width per site; the cost of a dense block depends on the pair (weight width,
    activation width), so each pair has a variable whose sums over either width equal the binary
    choice of the other, which makes the product exact.
    """
    allowed = costs.legal & np.isfinite(damage)
    worth = np.where(allowed, damage, 0.0)
    choice = _minimise(costs, worth / (worth.max() or 1.0), allowed, limits)
    if choice is None:
        raise infeasible(_least_limits(costs, allowed, limits), limits)
    # HiGHS has absolute tolerances: solve again in units of the optimum, without what exceeds it.
    columns = np.arange(len(choice))
    for _ in range(3):
        best = float(worth[columns, choice].sum())
        if best <= 0.0:
            break
        better = _minimise(costs, worth / best, allowed & (worth <= best * (1 + 1e-9)), limits)
        if better is None or worth[columns, better].sum() >= best:
            break
        choice = better
    return choice


def _least_limits(
    costs: CostTable, allowed: np.ndarray, limits: Mapping[str, float]
) -> dict[str, float]:
    least = {}
    for name in limits:
        others = {other: limit for other, limit in limits.items() if other != name}
        choice = _minimise(costs, np.zeros_like(costs.ram), allowed, others, resource=name)
        if choice is not None:
            least[name] = float(costs.usage(choice)[name][0])
    return least


def _minimise(
    costs: CostTable,
    worth: np.ndarray,
    allowed: np.ndarray,
    limits: Mapping[str, float],
    *,
    resource: str | None = None,
) -> np.ndarray | None:
    """Choice of least worth, or least use of `resource`, under the limits; None if none fits."""
    rows = {name: _resource_row(costs, name) for name in RESOURCES}
    singles = costs.ram.size
    variables = singles + len(costs.uses) * W * W
    objective = np.concatenate([worth.ravel(), np.zeros(variables - singles)])
    if resource is not None:
        objective = rows[resource][0] / max(1.0, float(np.abs(rows[resource][0]).max()))
    constraints = [_pairing(costs, variables)]
    for name, limit in limits.items():
        row, offset = rows[name]
        constraints.append(LinearConstraint(csr_array(row[None] / limit), ub=1.0 - offset / limit))
    upper = np.ones(variables)
    upper[:singles] = allowed.ravel()
    integral = np.concatenate([np.ones(singles), np.zeros(variables - singles)])
    result = milp(
        objective,
        integrality=integral,
        bounds=Bounds(0.0, upper),
        constraints=constraints,
        options={"mip_rel_gap": RELATIVE_GAP},
    )
    if result.status == 2:
        return None
    if result.x is None:
        raise TqsError(f"the planner's solver stopped: {result.message}; use method 'greedy'")
    chosen = result.x[:singles].reshape(-1, W).argmax(axis=1)
    return np.asarray(chosen, np.int64)


def _resource_row(costs: CostTable, name: str) -> tuple[np.ndarray, float]:
    """Coefficients of a resource over all variables, and its fixed part."""
    zero = np.zeros_like(costs.ram)
    if name == "avg_bits":
        share = costs.elements / costs.elements.sum()
        single, pair, offset = share[:, None] * np.array(WIDTHS), None, 0.0
    elif name == "ram":
        single, pair, offset = costs.ram, None, costs.fixed.ram
    elif name == "flash":
        single, pair, offset = zero, [u.flash for u in costs.uses], costs.fixed.flash
    else:
        single, pair, offset = costs.insns, [u.insns for u in costs.uses], costs.fixed.insns
    pairs = np.zeros(len(costs.uses) * W * W) if pair is None else np.ravel(pair)
    return np.concatenate([single.ravel(), pairs]), offset


def _pairing(costs: CostTable, variables: int) -> LinearConstraint:
    """One width per site, and pair variables that sum to the choices they combine."""
    sites = len(costs.sites)
    matrix = lil_array((sites + 2 * W * len(costs.uses), variables))
    right = np.zeros(matrix.shape[0])
    for site in range(sites):
        matrix[site, site * W : (site + 1) * W] = 1.0
        right[site] = 1.0
    row = sites
    for u, use in enumerate(costs.uses):
        first = sites * W + u * W * W
        for k in range(W):
            matrix[row, first + k * W : first + (k + 1) * W] = 1.0
            matrix[row, use.weight * W + k] = -1.0
            matrix[row + 1, first + k : first + W * W : W] = 1.0
            matrix[row + 1, use.activation * W + k] = -1.0
            row += 2
    return LinearConstraint(csr_array(matrix), right, right)
