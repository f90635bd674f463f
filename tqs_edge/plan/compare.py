"""Planned against uniform widths at equal average bits, on contexts that planning did not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.choice import to_choice
from tqs_edge.plan.planner import plan
from tqs_edge.plan.search import Method
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.sensitivity.batch import CleanRollouts, clean_rollouts
from tqs_edge.sensitivity.exact import DamageTable
from tqs_edge.sensitivity.fake_quant import quantized_weights, rollout_damage
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import WEIGHT_WIDTHS, Site

AVERAGE_BITS = (3.0, 4.0, 5.0, 6.0, 8.0)


@dataclass(frozen=True)
class Judgement:
    """One plan on the judging contexts; a flat record.

    avg_bits: allowed; budget_bytes: the same for all weights together; used_bits: taken up;
    nrmse: rollout error in standard deviations, None where a rollout overflowed
    """

    model: str
    method: str
    avg_bits: float
    budget_bytes: float
    used_bits: float
    seed: int
    nrmse: float | None


def compare_plans(
    model: RolloutModel,
    report: SensitivityReport,
    table: DamageTable,
    ranges: Mapping[str, float],
    planning: np.ndarray,
    judging: np.ndarray,
    horizon: int,
    isa: str = "dsp",
    *,
    averages: Sequence[float] = AVERAGE_BITS,
    planning_exog: np.ndarray | None = None,
    judging_exog: np.ndarray | None = None,
) -> tuple[Judgement, ...]:
    """A record per average width and method ("uniform", "tqs", "exact", "greedy").

    Activations and states have 16 bits in all plans, so weights alone differ. planning and judging
    are context windows (N, rows, F); report and table share their sites.
    """
    judge = _Judge(
        model,
        clean_rollouts(model, judging, horizon, judging_exog),
        table.sites,
        ranges,
        report.seed,
    )
    records = []
    for average in averages:
        widest = max(bits for bits in WEIGHT_WIDTHS if bits <= average)
        records.append(judge.record(average, uniform_plan(model.graph, f"a16w{widest}")))
        for method in Method:
            result = plan(
                model,
                table if method is Method.EXACT else report,
                ranges,
                planning,
                horizon,
                Budget(avg_bits=average),
                isa,
                method,
                exog=planning_exog,
                act_bits=16,
                state_bits=16,
            )
            records.append(judge.record(average, result.plan))
    return tuple(records)


@dataclass(frozen=True, eq=False)
class _Judge:
    """What plans are rolled out and compared with."""

    model: RolloutModel
    clean: CleanRollouts
    sites: tuple[Site, ...]
    ranges: Mapping[str, float]
    seed: int

    def record(self, average: float, candidate: BitPlan) -> Judgement:
        """The record of one plan that was allowed `average` bits."""
        quantized = quantized_weights(self.clean, self.sites, self.ranges)
        choice = to_choice(self.sites, candidate)
        damage = float(rollout_damage(self.clean, quantized, choice[None])[0])
        constants = self.model.graph.constants
        weights = sum(constants[path].size for path in candidate.weights)
        stored = sum(
            (block.end - block.begin) * constants[path].shape[1] * block.bits
            for path, blocks in candidate.weights.items()
            for block in blocks
        )
        return Judgement(
            model=self.model.name,
            method=candidate.method,
            avg_bits=float(average),
            budget_bytes=average * weights / 8.0,
            used_bits=stored / weights,
            seed=self.seed,
            nrmse=float(np.sqrt(damage)) if np.isfinite(damage) else None,
        )
