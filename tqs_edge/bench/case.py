"""One model and one seed of the study: what all methods plan with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.firmware.board import Board
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.choice import to_bit_plan
from tqs_edge.plan.cost import CostTable, cost_table
from tqs_edge.plan.damage import damage_matrix, pin_widths
from tqs_edge.plan.knapsack import solve
from tqs_edge.sensitivity.fake_quant import WIDTHS
from tqs_edge.sensitivity.sites import Site, SiteKind

ACT_BITS = STATE_BITS = 16  # the same in every plan, so weights alone differ


@dataclass(frozen=True, eq=False)
class Case:
    """What a method is given.

    scores: with the measured table; board: average bits cost the same on every core; costs: of the
    scored sites; predicted: damages (sites, widths) by TQS, infinite where not allowed
    """

    prepared: Prepared
    scores: Scores
    board: Board
    seed: int
    costs: CostTable
    predicted: np.ndarray

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites that every method chooses widths for."""
        return self.costs.sites

    @property
    def weight_sites(self) -> np.ndarray:
        """(sites,) bool."""
        return np.array([site.kind is SiteKind.WEIGHT for site in self.sites])

    @property
    def allowed(self) -> np.ndarray:
        """(sites, widths) bool: what a plan may choose."""
        return np.asarray(self.costs.legal & np.isfinite(self.predicted))


def make_case(prepared: Prepared, scores: Scores, board: Board, seed: int) -> Case:
    """The case of one model and seed."""
    graph = prepared.model.graph
    sites, damage = damage_matrix(graph, scores.report, prepared.ranges)
    damage = pin_widths(sites, damage, SiteKind.ACTIVATION, ACT_BITS)
    damage = pin_widths(sites, damage, SiteKind.STATE, STATE_BITS)
    costs = cost_table(graph, sites, prepared.ranges, board.core.isa)
    return Case(prepared, scores, board, seed, costs, damage)


def limits_of(average: float) -> Mapping[str, float]:
    """The limits of a plan with at most `average` bits per weight."""
    return Budget(avg_bits=average).limits()


def plan_from_damage(case: Case, damage: np.ndarray, average: float, method: str) -> BitPlan:
    """The plan of least summed damage (sites, widths) with at most `average` bits per weight.

    What all table-based methods share: they differ in the numbers of the weights alone.
    Activations and states count nothing, for their width is the same in all plans.
    """
    worth = np.where(case.weight_sites[:, None], damage, 0.0)
    worth = np.where(case.allowed, worth, np.inf)
    choice = solve(case.costs, worth, limits_of(average))
    return to_bit_plan(case.costs, choice, method)


def weight_choice(case: Case, bits_by_site: Mapping[int, int]) -> np.ndarray:
    """A choice (sites,) with these widths of weight sites; the rest at what they are pinned to."""
    choice = np.where(case.allowed, np.arange(len(WIDTHS)), -1).max(axis=1)
    for index, bits in bits_by_site.items():
        choice[index] = WIDTHS.index(bits)
    return np.asarray(choice)
