"""A whole plan from the fractional optimum of the knapsack: often the optimum, or close to it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from tqs_edge.plan.budget import fits
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.swaps import Changes, best_pairs

MOST_ENUMERATED = 8192  # ways to round
FRACTIONAL = 1e-6
MOST_STEPS = 64
PAIRS = 256
LEAST_GAIN = 1e-9  # relative


def rounded(
    shares: np.ndarray, costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]
) -> np.ndarray | None:
    """The best choice (sites,) within `limits` among the roundings of shares (sites, widths).

    Sites shared between widths take each width they have a share of, and the narrowest that may be
    chosen, as far as that many can be tried. damage: infinite where a width may not be chosen. None
    when none of them fits.
    """
    choice = shares.argmax(axis=1)
    options = []
    ways = 1
    for site in np.argsort(shares.max(axis=1), kind="stable"):
        widths = set(np.flatnonzero(shares[site] > FRACTIONAL).tolist())
        if len(widths) < 2:
            break
        widths.add(int(np.isfinite(damage[site]).argmax()))
        ways *= len(widths)
        if ways > MOST_ENUMERATED:
            break
        options.append((site, sorted(widths)))
    plans = np.array(list(product(*(widths for _, widths in options))), np.int64)
    tried = np.repeat(choice[None], len(plans), axis=0)
    tried[:, [site for site, _ in options]] = plans
    worth = np.where(fits(costs, tried, limits), _summed(damage, tried), np.inf)
    best = int(worth.argmin())
    return tried[best] if np.isfinite(worth[best]) else None


def improved(
    choice: np.ndarray, costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]
) -> np.ndarray:
    """The choice (sites,) after single changes and swaps that lower the summed damage."""
    for _ in range(MOST_STEPS):
        here = float(_summed(damage, choice[None])[0])
        moves = best_pairs(choice, _changes(choice, costs, damage), costs, limits, PAIRS)
        if not len(moves):
            break
        worth = np.where(fits(costs, moves, limits), _summed(damage, moves), np.inf)
        best = int(worth.argmin())
        if not worth[best] < here * (1.0 - LEAST_GAIN):
            break
        choice = moves[best]
    return choice


def _summed(damage: np.ndarray, choices: np.ndarray) -> np.ndarray:
    return np.asarray(damage[np.arange(len(damage)), choices].sum(axis=1))


def _changes(choice: np.ndarray, costs: CostTable, damage: np.ndarray) -> Changes:
    site, width = np.nonzero(np.isfinite(damage))
    other = choice[site] != width
    site, width = site[other], width[other]
    moved = np.repeat(choice[None], len(site), axis=0)
    moved[np.arange(len(site)), site] = width
    before, after = costs.usage(choice), costs.usage(moved)
    usage = {name: after[name] - before[name] for name in after}
    alone = damage[site, width] - damage[site, choice[site]]
    return Changes(site, width, alone, np.zeros((len(site), len(site))), usage)
