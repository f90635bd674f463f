"""Rollouts of one plan's widths with candidate integers in the place of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.choice import to_choice
from tqs_edge.plan.number_grid import NumberGrid
from tqs_edge.plan.wide_states import WIDE_STATE_BITS, unrounded
from tqs_edge.sensitivity.batch import CleanRollouts, divergence
from tqs_edge.sensitivity.fake_quant import FLOAT, Span, rounding_tap
from tqs_edge.sensitivity.responses import Trajectories
from tqs_edge.sensitivity.sites import Site, SiteKind, list_sites

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class PlanRollouts:
    """Clean rollouts, and how the plan rounds activations and states.

    choice: (sites,) width indices, weights left alone
    feedback: activations that carry their rounding errors over to the next step
    spans: least and largest value of activations with a zero point
    """

    clean: CleanRollouts
    sites: tuple[Site, ...]
    ranges: Mapping[str, float]
    choice: np.ndarray
    feedback: frozenset[str]
    spans: Mapping[str, Span]

    def errors(self, grids: Sequence[NumberGrid]) -> np.ndarray:
        """Standardised rollout errors (grids, entries) float64, activations and states rounded."""
        return self._errors_of(_stacked(grids), len(grids))

    def damage(self, grids: Sequence[NumberGrid]) -> np.ndarray:
        """Mean squared standardised rollout error (grids,), infinite where not finite."""
        return self.damage_of(_stacked(grids), len(grids))

    def damage_of(self, weights: Mapping[str, torch.Tensor], count: int) -> np.ndarray:
        """The same (count,) of `count` variants of constants by path; float where not named."""
        with np.errstate(invalid="ignore", over="ignore"):
            damage = (self._errors_of(weights, count) ** 2).mean(axis=1)
        return np.where(np.isfinite(damage), damage, np.inf)

    def _errors_of(self, weights: Mapping[str, torch.Tensor], count: int) -> np.ndarray:
        choices = np.repeat(self.choice[None], count, axis=0)
        tap = rounding_tap(self.clean, self.sites, self.ranges, choices, self.feedback, self.spans)
        error = divergence(self.clean, count, weights, tap)
        return np.asarray(error.reshape(count, -1).double())


def plan_rollouts(
    model: RolloutModel, plan: BitPlan, ranges: Mapping[str, float], clean: CleanRollouts
) -> PlanRollouts:
    """Rollouts of `plan`, whose weights are still open, against the clean ones of `model`."""
    sites = list_sites(model.graph, 1)
    wide = [name for name, bits in plan.states.items() if bits == WIDE_STATE_BITS]
    choice = unrounded(sites, to_choice(sites, plan), wide)
    choice[[site.kind is SiteKind.WEIGHT for site in sites]] = FLOAT
    return PlanRollouts(clean, sites, ranges, choice, frozenset(plan.feedback), plan.spans)


def trajectories_of(clean: CleanRollouts) -> Trajectories:
    """Clean rollouts as responses are measured on."""
    return Trajectories(clean.contexts, clean.exog, clean.frames, clean.std)


def _stacked(grids: Sequence[NumberGrid]) -> dict[str, torch.Tensor]:
    """Weights (grids, rows, depth) and biases (grids, 1, rows) by path."""
    import torch

    values = [grid.values() for grid in grids]
    stacked = {path: np.stack([v[path] for v in values]) for path in values[0]}
    return {
        path: torch.from_numpy(value if value.ndim == 3 else value[:, None, :])
        for path, value in stacked.items()
    }
