"""A plan whose weight errors cancel, from the signed response of the rollout to each residual.

The knapsack adds squared errors as if they were independent. The response to rounding one site is
known from one rollout; the error of a whole plan is about the sum of responses, so that swaps can
be searched by algebra alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.swaps import Changes, swap_path
from tqs_edge.sensitivity.batch import CleanRollouts
from tqs_edge.sensitivity.fake_quant import (
    FLOAT,
    QuantizedWeights,
    rollout_errors,
)
from tqs_edge.sensitivity.sites import SiteKind

ROUNDS = 60
SWAPS_PER_ROUND = 4


def weight_responses(
    clean: CleanRollouts, quantized: QuantizedWeights, allowed: np.ndarray
) -> np.ndarray:
    """Rollout error samples (sites, widths, M) float64 of every allowed weight width.

    Zero for activations and states, whose rounding noise has no direction of its own, and where a
    rollout leaves the finite range.
    """
    weights = np.array([site.kind is SiteKind.WEIGHT for site in quantized.sites])
    site, width = np.nonzero(allowed & weights[:, None])
    choices = np.full((len(site), len(weights)), FLOAT)
    choices[np.arange(len(site)), site] = width
    tried = rollout_errors(clean, quantized, choices)
    finite = np.isfinite(tried.damage)
    responses = np.zeros((*allowed.shape, tried.samples.shape[1]))
    responses[site[finite], width[finite]] = tried.samples[finite]
    return responses


def cancelling_choice(
    responses: np.ndarray,
    costs: CostTable,
    allowed: np.ndarray,
    limits: Mapping[str, float],
    start: np.ndarray,
) -> np.ndarray:
    """The choice (sites,) that swaps from `start` reach by lowering ||sum of responses||^2.

    start must keep the limits; so does the result.
    """
    rows = np.arange(len(start))
    choice = start
    for _ in range(ROUNDS):
        changes = _changes(responses, costs, allowed, choice)
        path = swap_path(choice, changes, costs, limits, SWAPS_PER_ROUND)
        if not len(path):
            break
        errors = [(responses[rows, plan].sum(axis=0) ** 2).sum() for plan in path]
        choice = path[int(np.argmin(errors))]
    return choice


def _changes(
    responses: np.ndarray, costs: CostTable, allowed: np.ndarray, choice: np.ndarray
) -> Changes:
    site, width = np.nonzero(allowed)
    other = choice[site] != width
    site, width = site[other], width[other]
    moved = np.repeat(choice[None], len(site), axis=0)
    moved[np.arange(len(site)), site] = width
    effects = responses[site, width] - responses[site, choice[site]]
    error = responses[np.arange(len(choice)), choice].sum(axis=0)
    gram = effects @ effects.T
    alone = np.diagonal(gram) + 2.0 * (effects @ error)
    before, after = costs.usage(choice), costs.usage(moved)
    usage = {name: after[name] - before[name] for name in after}
    return Changes(site, width, alone, gram, usage)
