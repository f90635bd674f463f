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
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.exact import DamageTable
from tqs_edge.sensitivity.fake_quant import quantized_weights, rollout_damage
from tqs_edge.sensitivity.score import SensitivityReport
from tqs_edge.sensitivity.sites import WEIGHT_WIDTHS

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
    sites = table.sites
    clean = clean_rollouts(model, judging, horizon, judging_exog)
    quantized = quantized_weights(clean, sites, ranges)
    weights = sum(site.elements for site in sites if site.tensor in quantized.banks)

    def judge(average: float, candidate: BitPlan) -> Judgement:
        damage = float(rollout_damage(clean, quantized, to_choice(sites, candidate)[None])[0])
        stored = sum(
            (block.end - block.begin) * model.graph.constants[path].shape[1] * block.bits
            for path, blocks in candidate.weights.items()
            for block in blocks
        )
        return Judgement(
            model=model.name,
            method=candidate.method,
            avg_bits=float(average),
            budget_bytes=average * weights / 8.0,
            used_bits=stored / weights,
            seed=report.seed,
            nrmse=float(np.sqrt(damage)) if np.isfinite(damage) else None,
        )

    records = []
    for average in averages:
        widest = max(bits for bits in WEIGHT_WIDTHS if bits <= average)
        records.append(judge(average, uniform_plan(model.graph, f"a16w{widest}")))
        for method in Method:
            scores = table if method is Method.EXACT else report
            result = plan(
                model,
                scores,
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
            records.append(judge(average, result.plan))
    return tuple(records)
