"""Whole plans on a small GRU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.planner import PlanResult, plan
from tqs_edge.plan.problem import Decided
from tqs_edge.sensitivity.exact import DamageTable, measure_damage
from tqs_edge.sensitivity.score import SensitivityReport, score

HORIZON = 30
MODEL = gru_graph(0, hidden=16)


@dataclass(frozen=True)
class Measured:
    contexts: np.ndarray
    ranges: dict[str, float]
    report: SensitivityReport
    table: DamageTable


@pytest.fixture(scope="module")
def measured() -> Measured:
    contexts = gru_contexts(MODEL, 6)
    ranges = observe_ranges(MODEL, contexts, HORIZON)
    report = score(MODEL, contexts, HORIZON, probes=8)
    table = measure_damage(MODEL, contexts, HORIZON, report=report, ranges=ranges)
    return Measured(contexts, ranges, report, table)


def planned(m: Measured, budget: Budget, method: str = "tqs", **options: int) -> PlanResult:
    scores = m.table if method == "exact" else m.report
    return plan(MODEL, scores, m.ranges, m.contexts, HORIZON, budget, "dsp", method, **options)


@pytest.mark.parametrize("method", ["tqs", "exact"])
@pytest.mark.parametrize("bits", [2.0, 4.0, 5.0, 8.0])
def test_plans_keep_the_budget_and_beat_uniform(
    measured: Measured, method: str, bits: float
) -> None:
    result = planned(
        measured, Budget(avg_bits=bits), method, decided=Decided(act_bits=16, state_bits=16)
    )
    assert result.usage["avg_bits"] <= bits + 1e-9
    assert result.uniform is not None and result.measured <= result.uniform
    assert set(result.plan.activations.values()) == {16}
    assert result.plan.method == method


def test_refined_plans_beat_greedy_ones(measured: Measured) -> None:
    budget = Budget(avg_bits=4)
    greedy = planned(measured, budget, "greedy", decided=Decided(act_bits=16, state_bits=16))
    assert (
        planned(measured, budget, decided=Decided(act_bits=16, state_bits=16)).measured
        <= greedy.measured
    )


def test_all_limits_hold_at_once(measured: Measured) -> None:
    free = planned(measured, Budget())
    budget = Budget(
        flash=int(free.usage["flash"] * 0.75),
        ram=int(free.usage["ram"] - 8),
        insns=free.usage["insns"] * 1.1,
        avg_bits=6.0,
    )
    result = planned(measured, budget)
    for name, limit in budget.limits().items():
        assert result.usage[name] <= limit * (1 + 1e-9)


@pytest.mark.slow
def test_the_same_request_gives_the_same_plan(measured: Measured) -> None:
    first, second = (planned(measured, Budget(avg_bits=5)) for _ in range(2))
    assert first == second


def test_too_small_a_budget_names_the_least_that_works(measured: Measured) -> None:
    with pytest.raises(BudgetInfeasible, match=r"1\.5 average weight bits .* least .* is 2$"):
        planned(measured, Budget(avg_bits=1.5))


def test_exact_method_needs_a_measured_table(measured: Measured) -> None:
    with pytest.raises(InputError, match="plans from a measured table"):
        plan(
            MODEL, measured.report, measured.ranges, measured.contexts, HORIZON, Budget(), "dsp",
            "exact",
        )  # fmt: skip


def test_scores_of_another_model_are_refused(measured: Measured) -> None:
    with pytest.raises(InputError, match="has no site 'cell"):
        plan(
            gru_graph(0, hidden=8), measured.report, measured.ranges, measured.contexts, HORIZON,
            Budget(), "dsp",
        )  # fmt: skip
