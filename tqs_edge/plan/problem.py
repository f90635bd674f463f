"""What a search for a plan needs, from a model, its scores and what the user decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.cost import CostTable, cost_table
from tqs_edge.plan.damage import damage_matrix, pin_widths
from tqs_edge.plan.fixed_cost import NOTHING_FIXED, Fixed
from tqs_edge.plan.pins import pin_damage, resolve_pins
from tqs_edge.plan.wide_states import unrounded, wide_states
from tqs_edge.sensitivity.batch import CleanRollouts, clean_rollouts
from tqs_edge.sensitivity.exact import DamageTable
from tqs_edge.sensitivity.fake_quant import (
    QuantizedWeights,
    RolloutErrors,
    quantized_weights,
    rollout_errors,
)
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import Site, SiteKind


@dataclass(frozen=True)
class Decided:
    """Widths that the user decides: all weights, all activations, all states, and pins by name,
    which go first (plan/pins.py). None and empty where nothing is decided."""

    weight_bits: int | None = None
    act_bits: int | None = None
    state_bits: int | None = None
    pins: Mapping[str, int] = field(default_factory=dict)


NOTHING_DECIDED = Decided()


@dataclass(frozen=True, eq=False)
class Problem:
    """Widths to choose, what they cost, and the rollouts that judge plans.

    damage: (sites, widths), infinite where a width may not be chosen; limits by resource; clean and
    quantized: what rolls plans out
    """

    costs: CostTable
    damage: np.ndarray
    limits: Mapping[str, float]
    clean: CleanRollouts
    quantized: QuantizedWeights

    @property
    def allowed(self) -> np.ndarray:
        """(sites, widths) bool."""
        return np.asarray(self.costs.legal & np.isfinite(self.damage))

    def evaluate(self, choices: np.ndarray) -> RolloutErrors:
        """Joint rollout errors of choices (plans, sites)."""
        wide = unrounded(self.costs.sites, choices, self.costs.wide_states)
        return rollout_errors(self.clean, self.quantized, wide)

    def predicted(self, choice: np.ndarray) -> float:
        """Summed damage of the sites of a choice (sites,)."""
        return float(self.damage[np.arange(len(choice)), choice].sum())


def make_problem(
    model: RolloutModel,
    scores: SensitivityReport | DamageTable,
    ranges: Mapping[str, float],
    contexts: np.ndarray,
    horizon: int,
    limits: Mapping[str, float],
    isa: str,
    decided: Decided,
    *,
    exog: np.ndarray | None = None,
    fixed: Fixed = NOTHING_FIXED,
) -> Problem:
    """The problem of planning `model` from contexts (N, rows, F) on cores of class `isa`.

    Raises InputError where scores or pins are of another model, or a width has no kernel.
    """
    sites, damage = damage_matrix(model.graph, scores, ranges)
    damage = decided_damage(sites, damage, decided)
    wide = wide_states(sites, decided.state_bits, resolve_pins(sites, decided.pins))
    costs = cost_table(model.graph, sites, ranges, isa, fixed, wide)
    clean = clean_rollouts(model, contexts, horizon, exog)
    return Problem(costs, damage, limits, clean, quantized_weights(clean, sites, ranges))


def decided_damage(sites: tuple[Site, ...], damage: np.ndarray, decided: Decided) -> np.ndarray:
    """The damages (sites, widths) with what is decided against made infinite."""
    pinned = resolve_pins(sites, decided.pins)
    damage = pin_damage(sites, damage, decided.pins)
    kinds = (
        (SiteKind.WEIGHT, decided.weight_bits),
        (SiteKind.ACTIVATION, decided.act_bits),
        (SiteKind.STATE, decided.state_bits),
    )
    for kind, bits in kinds:
        damage = pin_widths(sites, damage, kind, bits, spared=pinned)
    return damage
