"""Which changes of a plan to make together, by the predicted error of the sum of their effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.plan.budget import fits
from tqs_edge.plan.cost import CostTable

SLACK = 1e-9  # relative rounding allowed to a limit


@dataclass(frozen=True, eq=False)
class Changes:
    """Single changes of one plan: set `site` to the width of index `width`, (changes,) each.

    alone: predicted effect of each change on the damage; gram: (changes, changes) inner products
    of the effects on the rollout, so a set S has effect sum alone + 2 sum_{i<j} gram_ij. usage:
    difference in each resource, exact where costs of sites add up.
    """

    site: np.ndarray
    width: np.ndarray
    alone: np.ndarray
    gram: np.ndarray
    usage: Mapping[str, np.ndarray]


def best_pairs(
    choice: np.ndarray,
    changes: Changes,
    costs: CostTable,
    limits: Mapping[str, float],
    most: int,
) -> np.ndarray:
    """Choices (pairs, sites) with two changes that promise an improvement, the best first."""
    expected = _pair_effects(changes, _room(costs, choice, limits))
    first, second = _lowest(expected, most)
    plans = np.repeat(choice[None], len(first), axis=0)
    rows = np.arange(len(first))
    plans[rows, changes.site[first]] = changes.width[first]
    plans[rows, changes.site[second]] = changes.width[second]
    return plans


def swap_path(
    choice: np.ndarray,
    changes: Changes,
    costs: CostTable,
    limits: Mapping[str, float],
    most: int,
) -> np.ndarray:
    """Choices (steps, sites) on a steepest descent of the prediction, one pair a step."""
    plan = choice.copy()
    alone = changes.alone.copy()
    path = []
    for _ in range(most):
        room = _room(costs, plan, limits)
        here = Changes(changes.site, changes.width, alone, changes.gram, changes.usage)
        first, second = _lowest(_pair_effects(here, room), 1)
        if not len(first):
            break
        pair = [int(first[0])] if first[0] == second[0] else [int(first[0]), int(second[0])]
        plan = plan.copy()
        plan[changes.site[pair]] = changes.width[pair]
        if not fits(costs, plan, limits)[0]:
            break
        path.append(plan)
        alone = alone + 2.0 * changes.gram[:, pair].sum(axis=1)
        alone[np.isin(changes.site, changes.site[pair])] = np.inf
    return np.array(path, np.int64).reshape(-1, len(choice))


def _room(costs: CostTable, choice: np.ndarray, limits: Mapping[str, float]) -> dict[str, float]:
    usage = costs.usage(choice)
    return {name: limit * (1.0 + SLACK) - usage[name][0] for name, limit in limits.items()}


def _pair_effects(changes: Changes, room: Mapping[str, float]) -> np.ndarray:
    """Predicted effect of pairs (upper triangle); the diagonal is one change alone.

    Infinite where both change one site or the limits would be passed.
    """
    expected = changes.alone[:, None] + changes.alone[None, :] + 2.0 * changes.gram
    expected[changes.site[:, None] == changes.site[None, :]] = np.inf
    single = np.arange(len(changes.site))
    expected[single, single] = changes.alone
    for name, left in room.items():
        extra = changes.usage[name]
        both = extra[:, None] + extra[None, :]
        both[single, single] = extra
        expected[both > left] = np.inf
    expected[np.tril_indices(len(single), -1)] = np.inf
    return np.asarray(expected)


def _lowest(expected: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the `most` lowest negative entries, in ascending order."""
    flat = expected.ravel()
    useful = np.flatnonzero(flat < 0.0)
    if len(useful) > most:
        useful = useful[np.argpartition(flat[useful], most - 1)[:most]]
    useful = useful[np.argsort(flat[useful], kind="stable")]
    width = max(1, len(expected))
    return useful // width, useful % width
