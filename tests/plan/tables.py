"""Small random cost tables for tests of the planners."""

from __future__ import annotations

from itertools import product

import numpy as np

from tqs_edge.plan.cost import CostTable, DenseUse
from tqs_edge.plan.fixed_cost import Fixed
from tqs_edge.sensitivity.sites import Site, SiteKind

LEGAL = {
    SiteKind.WEIGHT: (2, 4, 8, 16),
    SiteKind.ACTIVATION: (8, 16),
    SiteKind.STATE: (8, 16),
}


def random_problem(seed: int, blocks: int = 4, layers: int = 1) -> tuple[CostTable, np.ndarray]:
    """Costs and damages of dense layers of `blocks` row blocks, each reading an activation of its
    own, and a state. Sites: weight blocks, activations, state."""
    rng = np.random.default_rng(seed)
    weights = layers * blocks
    kinds = [SiteKind.WEIGHT] * weights + [SiteKind.ACTIVATION] * layers + [SiteKind.STATE]
    sites = tuple(
        Site(f"{kind}{i}", kind, _tensor(kind, i, blocks), i, i + 1, 8, LEGAL[kind])
        for i, kind in enumerate(kinds)
    )
    legal = np.array([[bits in s.widths for bits in (2, 4, 8, 16)] for s in sites])
    shape = legal.shape
    index = np.arange(len(sites))
    ram = np.cumsum(rng.uniform(1, 5, shape), axis=1) * (index >= weights)[:, None]
    elements = np.where(index < weights, rng.integers(8, 64, len(sites)), 0)
    uses = tuple(
        DenseUse(
            i,
            weights + i // blocks,
            np.repeat(50 + np.cumsum(rng.uniform(5, 20, 4))[:, None], 4, axis=1),
            rng.uniform(40, 90, (4, 4)),
            rng.uniform(10, 30, (4, 4)),
            rng.uniform(size=(4, 4)) < 0.2,
            i - 1 if i % blocks else None,
        )
        for i in range(weights)
    )
    kernels = rng.uniform(0, 40, (4, 4, 2))
    costs = CostTable(
        sites, Fixed(7.0, 3.0, 50.0), ram, np.zeros(shape), elements, legal, uses, kernels
    )
    damage = 10.0 ** np.cumsum(rng.uniform(-2.5, 0.2, shape), axis=1)
    return costs, np.where(legal, damage, np.inf)


def _tensor(kind: SiteKind, index: int, blocks: int) -> str:
    return f"w{index // blocks}" if kind is SiteKind.WEIGHT else f"x{index}"


def all_choices(costs: CostTable) -> np.ndarray:
    """Every legal choice (plans, sites)."""
    return np.array(list(product(*(np.flatnonzero(row) for row in costs.legal))))


def summed(damage: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """Sum of the sites' damages (plans,)."""
    return damage[np.arange(len(damage)), choices].sum(axis=-1)
