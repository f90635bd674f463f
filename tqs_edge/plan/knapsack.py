"""The cheapest damage under all limits at once, exactly: branch and bound around HiGHS.

The linear relaxation gives prices, and these a bound for every width and pair of widths
(plan/marginals.py). What cannot be in a plan better than the best known one is left out. Branches
are taken on what leaves the relaxation far from plans, activations, states and whether a kernel's
code is paid, until the integer program over what is left is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.plan.budget import fits, infeasible
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.integer_solver import least_damage
from tqs_edge.plan.integer_solver import least_usage as least_user
from tqs_edge.plan.marginals import Marginals, marginals
from tqs_edge.plan.relaxation import Relaxed, relaxed
from tqs_edge.plan.rounded_start import improved, rounded
from tqs_edge.plan.width_program import Choices, W, choices_of

RELATIVE_GAP = 1e-6  # a returned plan's damage is within this of the least
SAFETY = 1e-5  # relative: so much above the best known damage a bound must be to leave out a width
FEW_PAIRS = 100  # more than there are uses: what HiGHS solves in a fraction of a second
SPLIT = 0.02  # shares this far from 0 and 1 are branched on


def solve(costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]) -> np.ndarray:
    """The choice (sites,) of width indices with the least summed damage under `limits`.

    damage: (sites, widths), infinite where a width may not be chosen. The damage is within a
    relative RELATIVE_GAP of the least. Raises BudgetInfeasible.
    """
    found = solve_or_none(costs, damage, limits)
    if found is None:
        raise _infeasible(costs, costs.legal & np.isfinite(damage), limits)
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
    best = _start(costs, damage, limits)
    if best is not None:
        damage = np.where(damage <= _total(damage, best) * (1.0 + SAFETY), damage, np.inf)
    if not np.isfinite(damage).any(axis=1).all():
        return None
    unit = float(damage[np.isfinite(damage)].max()) or 1.0
    branches = [_Branch(0.0, 0, choices_of(costs, np.isfinite(damage)), frozenset())]
    opened = 1
    while branches:
        branch = heappop(branches)
        if branch.bound >= _worth(damage, best) * (1.0 - gap):
            break
        optimum = relaxed(costs, damage, branch.choices, limits, branch.paid, unit)
        if optimum is None:
            continue
        unit = optimum.unit
        least = marginals(costs, damage, branch.choices, limits, optimum.prices, branch.paid)
        reach = 0.0
        if branch.number == 0 or best is None:
            best = _rounded(optimum, costs, damage, branch.choices, limits, best)
            reach = _few(least, len(costs.uses) + FEW_PAIRS)
            some = _promising(branch.choices, least, min(reach, _worth(damage, best)))
            best = _solved(costs, damage, some, limits, best, gap)
        most = _worth(damage, best)
        if most <= max(reach, least.bound * (1.0 + gap)):
            continue
        left = _promising(branch.choices, least, most)
        if left.pairs.sum() > len(costs.uses) + FEW_PAIRS:
            parts = _split(costs, left, optimum, branch.paid)
            for choices, paid in parts:
                heappush(branches, _Branch(least.bound, opened, choices, paid))
                opened += 1
            if parts:
                continue
        best = _solved(costs, damage, left, limits, best, gap)
    return best


@dataclass(frozen=True, order=True)
class _Branch:
    """A part of all plans, by the bound on their damage; `paid`: kernels whose code is counted."""

    bound: float
    number: int
    choices: Choices = field(compare=False)
    paid: frozenset[int] = field(compare=False)


def _total(damage: np.ndarray, choice: np.ndarray) -> float:
    return float(damage[np.arange(len(choice)), choice].sum())


def _worth(damage: np.ndarray, best: np.ndarray | None) -> float:
    return np.inf if best is None else _total(damage, best)


def _better(damage: np.ndarray, old: np.ndarray | None, new: np.ndarray) -> np.ndarray:
    return new if old is None or _total(damage, new) < _total(damage, old) else old


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


def _rounded(
    optimum: Relaxed,
    costs: CostTable,
    damage: np.ndarray,
    choices: Choices,
    limits: Mapping[str, float],
    best: np.ndarray | None,
) -> np.ndarray | None:
    usable = np.where(choices.sites, damage, np.inf)
    plan = rounded(optimum.shares, costs, usable, limits)
    return best if plan is None else _better(damage, best, improved(plan, costs, usable, limits))


def _few(least: Marginals, count: int) -> float:
    """The damage that at most about `count` pairs can be in a plan of."""
    values = np.sort(least.pairs[np.isfinite(least.pairs)])
    return float(values[count]) if count < len(values) else np.inf


def _promising(choices: Choices, least: Marginals, most: float) -> Choices:
    """Those that may be in a plan of a damage of at most `most`."""
    most = most * (1.0 + SAFETY)
    return choices.among(least.sites <= most, least.pairs <= most)


def _solved(
    costs: CostTable,
    damage: np.ndarray,
    choices: Choices,
    limits: Mapping[str, float],
    best: np.ndarray | None,
    gap: float,
) -> np.ndarray | None:
    """The better of `best` and the best plan of `choices`."""
    below = _worth(damage, best) * (1.0 - gap)
    plan = least_damage(costs, damage, choices, limits, below=below, gap=gap)
    return best if plan is None else _better(damage, best, plan)


def _split(
    costs: CostTable,
    choices: Choices,
    optimum: Relaxed,
    paid: frozenset[int],
) -> list[tuple[Choices, frozenset[int]]]:
    """Two parts of `choices` that the optimum is in neither of, with the kernels whose code they
    pay; none where it is a plan as far as the sites without weights and the code go."""
    others = np.setdiff1d(np.arange(len(costs.sites)), costs.stacked.weight)
    shares = optimum.shares[others]
    open_shares = np.minimum(shares.max(axis=1), 1.0 - shares.max(axis=1))
    if len(others) and open_shares.max() > SPLIT:
        site = others[int(open_shares.argmax())]
        likely = np.arange(W) == optimum.shares[site].argmax()
        return [(_narrowed(costs, choices, site, part), paid) for part in (likely, ~likely)]
    worth = np.minimum(optimum.codes, 1.0 - optimum.codes)
    if worth.max() <= SPLIT:
        return []
    kernel = int((worth * costs.kernels.ravel()).argmax())
    without = choices.among(choices.sites, costs.stacked.kernel != kernel)
    return [(choices, paid | {kernel}), (without, paid)]


def _narrowed(costs: CostTable, choices: Choices, site: np.int64, widths: np.ndarray) -> Choices:
    sites = choices.sites.copy()
    sites[site] &= widths
    return choices.among(sites, choices_of(costs, sites).pairs)


def _infeasible(
    costs: CostTable, allowed: np.ndarray, limits: Mapping[str, float]
) -> BudgetInfeasible:
    """The error that names the least value of each limit with which a plan exists, the other
    limits given."""
    least = {}
    for name in limits:
        others = {other: limit for other, limit in limits.items() if other != name}
        usage = least_usage(costs, allowed, others, name)
        if usage is not None:
            least[name] = usage
    return infeasible(least, limits)


def least_usage(
    costs: CostTable, allowed: np.ndarray, limits: Mapping[str, float], resource: str
) -> float | None:
    """Least use of a resource by any choice of the widths in `allowed` (sites, widths) within
    `limits`; None when none fits."""
    choice = least_user(costs, choices_of(costs, allowed), limits, resource, RELATIVE_GAP)
    return None if choice is None else float(costs.usage(choice)[resource][0])
