"""The plan that stores the fewest weight bits, whatever it does to the rollout."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.plan.cost import cost_table
from tqs_edge.plan.damage import damage_matrix
from tqs_edge.plan.fixed_cost import Fixed
from tqs_edge.plan.pins import resolve_pins
from tqs_edge.plan.problem import Decided, decided_damage
from tqs_edge.plan.wide_states import wide_states
from tqs_edge.sensitivity.fake_quant import WIDTHS
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import SiteKind


def narrowest_plan(
    model: RolloutModel,
    scores: SensitivityReport,
    ranges: Mapping[str, float],
    isa: str,
    decided: Decided,
    fixed: Fixed,
    *,
    activations: bool = False,
) -> tuple[BitPlan, dict[str, float]]:
    """Weights at their narrowest, states and, unless `activations` is set, activations at their
    widest; and its usage.

    It calls one kernel for each activation width, so no plan shares less code with the others.
    Widths that are decided stay.
    """
    sites, damage = damage_matrix(model.graph, scores, ranges)
    allowed = np.isfinite(decided_damage(sites, damage, decided))
    widest = np.where(allowed, np.arange(len(WIDTHS)), -1).max(axis=1)
    kinds = {SiteKind.WEIGHT, *([SiteKind.ACTIVATION] if activations else [])}
    narrow = np.array([site.kind in kinds for site in sites])
    choice = np.where(narrow, allowed.argmax(axis=1), widest)
    wide = wide_states(sites, decided.state_bits, resolve_pins(sites, decided.pins))
    costs = cost_table(model.graph, sites, ranges, isa, fixed, wide)
    usage = {name: float(value[0]) for name, value in costs.usage(choice).items()}
    return to_bit_plan(costs, choice, "narrowest"), usage
