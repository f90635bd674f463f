"""The cheapest plan that is good enough, on a small GRU."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.errors import InputError
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.cheapest import LIMITS, cheapest
from tqs_edge.plan.choice import to_choice
from tqs_edge.plan.error_target import ErrorTarget
from tqs_edge.plan.pareto import spread
from tqs_edge.plan.problem import Decided, Problem, make_problem
from tqs_edge.plan.search import Method, measured_uniforms
from tqs_edge.sensitivity.score import score

HORIZON = 12
MODEL = gru_graph(0, hidden=8)
CONTEXTS = gru_contexts(MODEL, 3)


def make(limits: dict[str, float]) -> Problem:
    report = score(MODEL, CONTEXTS, HORIZON, probes=2)
    ranges = observe_ranges(MODEL, CONTEXTS, HORIZON)
    return make_problem(
        MODEL,
        report,
        ranges,
        CONTEXTS,
        HORIZON,
        limits,
        "dsp",
        Decided(act_bits=16, state_bits=16),
        exog=None,
    )


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make({})


def searched(problem: Problem, resource: str, damage: float) -> list[tuple[float, float]]:
    """(usage, damage) of the plans that were tried, in order."""
    tried: list[tuple[float, float]] = []

    def is_good(plan: BitPlan) -> bool:
        choice = to_choice(problem.costs.sites, plan)
        usage = float(problem.costs.usage(choice)[resource][0])
        tried.append((usage, float(problem.evaluate(choice[None]).damage[0])))
        return tried[-1][1] <= damage

    found = cheapest(problem, resource, Method.TQS, is_good)
    assert found == any(d <= damage for _, d in tried)
    return tried


@pytest.mark.parametrize("resource", ["flash", "avg_bits"])
@pytest.mark.parametrize("nrmse", [0.3, 0.01])
def test_no_uniform_plan_that_does_is_cheaper(problem: Problem, resource: str, nrmse: float):
    good = [usage for usage, d in searched(problem, resource, nrmse**2) if d <= nrmse**2]
    step = np.divide(*spread(problem, resource, LIMITS)[1::-1])
    rivals = [u.choice for u in measured_uniforms(problem) if u.damage <= nrmse**2]
    usages = [float(problem.costs.usage(choice)[resource][0]) for choice in rivals]
    assert good and rivals
    assert good[-1] == min(good) <= min(usages) * step  # a limit lies within a step of any plan


def test_more_error_allowed_is_never_dearer(problem: Problem):
    least = [
        min(usage for usage, d in searched(problem, "flash", nrmse**2) if d <= nrmse**2)
        for nrmse in (0.5, 0.05, 0.005)
    ]
    assert least == sorted(least) and least[0] < least[-1]


def test_few_plans_are_tried(problem: Problem):
    assert len(searched(problem, "flash", 0.05**2)) <= 1 + LIMITS.bit_length()


def test_says_when_none_will_do(problem: Problem):
    assert len(searched(problem, "flash", 0.0)) == 1


def test_other_limits_are_kept(problem: Problem):
    limited = make({"avg_bits": 5.0})
    seen: list[float] = []

    def is_good(plan: BitPlan) -> bool:
        choice = to_choice(limited.costs.sites, plan)
        seen.append(float(limited.costs.usage(choice)["avg_bits"][0]))
        return True

    assert cheapest(limited, "flash", Method.TQS, is_good)
    assert max(seen) <= 5.0


@pytest.mark.parametrize(("nrmse", "resource"), [(0.0, "flash"), (1.0, "flash"), (0.1, "ram")])
def test_targets_that_mean_nothing(nrmse: float, resource: str):
    with pytest.raises(InputError):
        ErrorTarget(nrmse, resource)
