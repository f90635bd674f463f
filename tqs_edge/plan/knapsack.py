"""The cheapest damage under all limits at once: an exact integer program (HiGHS)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, lil_array

from tqs_edge.errors import TqsError
from tqs_edge.plan.budget import infeasible
from tqs_edge.plan.cost import CALL_BYTES, RESOURCES, CostTable
from tqs_edge.sensitivity.fake_quant import WIDTHS

W = len(WIDTHS)
RELATIVE_GAP = 1e-6


def solve(costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]) -> np.ndarray:
    """The choice (sites,) of width indices with the least summed damage under `limits`.

    damage: (sites, widths), infinite where a width may not be chosen. Raises BudgetInfeasible.
    The program: one width per site; the cost of a dense block depends on the pair (weight width,
    activation width), so each pair has a variable whose sums over either width equal the binary
    choice of the other, which makes the product exact. Neighbouring blocks with the same pair share
    a call, which a second set of variables, below the pairs of both, takes off the cost. A kernel's
    code is paid once, by a variable that is above the pairs of every block that calls it.
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
    variables = singles + len(costs.uses) * W * W * 2 + costs.kernels.size
    objective = np.concatenate([worth.ravel(), np.zeros(variables - singles)])
    if resource is not None:
        objective = rows[resource][0] / max(1.0, float(np.abs(rows[resource][0]).max()))
    constraints = [
        _pairing(costs, variables),
        _merging(costs, variables),
        _calling(costs, variables),
    ]
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
    code = costs.kernels.ravel() if name == "flash" else np.zeros(costs.kernels.size)
    if name == "avg_bits":
        share = costs.elements / costs.elements.sum()
        single, pair, save, offset = share[:, None] * np.array(WIDTHS), None, None, 0.0
    elif name == "ram":
        single, pair, save, offset = costs.ram, None, None, costs.fixed.ram
    elif name == "flash":
        single, offset = zero, costs.fixed.flash
        pair = [use.flash for use in costs.uses]
        save = [np.full((W, W), float(CALL_BYTES)) for _ in costs.uses]
    else:
        single, offset = costs.insns, costs.fixed.insns
        pair = [use.insns for use in costs.uses]
        save = [use.call_insns for use in costs.uses]
    pairs = np.zeros(len(costs.uses) * W * W) if pair is None else np.ravel(pair)
    saved = np.zeros_like(pairs) if save is None else -np.ravel(save)
    return np.concatenate([single.ravel(), pairs, saved, code]), offset


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


def _merging(costs: CostTable, variables: int) -> LinearConstraint:
    """Merge variables: at most the pair variables of the use and of the one before it."""
    pairs = len(costs.uses) * W * W
    first = costs.ram.size
    matrix = lil_array((2 * pairs, variables))
    for u, use in enumerate(costs.uses):
        for cell in range(W * W):
            here = u * W * W + cell
            matrix[2 * here, first + pairs + here] = 1.0
            if use.previous is None:
                continue
            if costs.uses[use.previous].acc64.flat[cell] == use.acc64.flat[cell]:
                matrix[2 * here, first + here] = -1.0
                matrix[2 * here + 1, first + pairs + here] = 1.0
                matrix[2 * here + 1, first + use.previous * W * W + cell] = -1.0
    return LinearConstraint(csr_array(matrix), -np.inf, 0.0)


def _calling(costs: CostTable, variables: int) -> LinearConstraint:
    """Kernel variables: at least every pair variable that calls the kernel."""
    pairs = len(costs.uses) * W * W
    first = costs.ram.size
    kernels = variables - costs.kernels.size
    matrix = lil_array((pairs, variables))
    for u, use in enumerate(costs.uses):
        for cell in range(W * W):
            here = u * W * W + cell
            matrix[here, first + here] = 1.0
            matrix[here, kernels + 2 * cell + int(use.acc64.flat[cell])] = -1.0
    return LinearConstraint(csr_array(matrix), -np.inf, 0.0)
