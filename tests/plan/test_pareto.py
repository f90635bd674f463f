"""Fronts of error against cost on a small GRU."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.plan.pareto import POINTS, RESOURCES, ParetoFront, pareto
from tqs_edge.plan.problem import Decided, Problem, make_problem
from tqs_edge.plan.search import Method
from tqs_edge.sensitivity.score import score

HORIZON = 12
MODEL = gru_graph(0, hidden=8)
CONTEXTS = gru_contexts(MODEL, 3)


def make(limits: dict[str, float], **pins: int) -> Problem:
    report = score(MODEL, CONTEXTS, HORIZON, probes=2)
    ranges = observe_ranges(MODEL, CONTEXTS, HORIZON)
    decided = Decided(act_bits=16, state_bits=16, pins=pins)
    return make_problem(MODEL, report, ranges, CONTEXTS, HORIZON, limits, "dsp", decided)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make({})


@pytest.fixture(scope="module", params=RESOURCES)
def front(request: pytest.FixtureRequest, problem: Problem) -> ParetoFront:
    return pareto(problem, request.param)


def test_no_point_is_beaten_in_both(front: ParetoFront) -> None:
    assert 2 <= len(front.points) <= POINTS
    for a, b in pairwise(front.points):
        assert a.usage[front.resource] < b.usage[front.resource]
        assert a.measured > b.measured


def test_points_keep_their_limits_and_say_what_they_are(front: ParetoFront) -> None:
    for point in front.points:
        assert point.limit is not None
        assert point.usage[front.resource] <= point.limit * (1 + 1e-9)
        assert point.label == point.plan.method == "tqs"
        assert point.nrmse == pytest.approx(np.sqrt(point.measured))


def test_uniform_plans_stand_beside_and_never_win(front: ParetoFront) -> None:
    assert {point.label for point in front.uniform} == {"a16w2", "a16w4", "a16w8", "a16w16"}
    for rival in front.uniform:
        assert rival.limit is None
        taken = rival.usage[front.resource] * (1 - 1e-9)
        roomier = [p for p in front.points if p.limit is not None and p.limit >= taken]
        assert all(point.measured <= rival.measured for point in roomier)


def test_given_values_are_the_limits(problem: Problem) -> None:
    front = pareto(problem, "avg_bits", Method.GREEDY, values=(6.0, 3.0))
    assert [point.limit for point in front.points] == [3.0, 6.0]


def test_other_limits_hold_all_along() -> None:
    free = pareto(make({}), "avg_bits", Method.GREEDY, values=(16.0,)).points[0]
    limit = free.usage["flash"] * 0.92
    front = pareto(make({"flash": limit}), "avg_bits", Method.GREEDY)
    for point in (*front.points, *front.uniform):
        assert point.usage["flash"] <= limit * (1 + 1e-9)


def test_unknown_resources_and_impossible_limits_are_refused(problem: Problem) -> None:
    with pytest.raises(InputError, match="no front over 'speed'; use one of flash, insns"):
        pareto(problem, "speed")
    with pytest.raises(BudgetInfeasible, match="10 flash bytes are too few"):
        pareto(make({"flash": 10.0}), "insns")
    with pytest.raises(BudgetInfeasible, match=r"1\.5 average weight bits are too few"):
        pareto(problem, "avg_bits", Method.GREEDY, values=(1.0, 1.5))


def test_progress_counts_the_limits(problem: Problem) -> None:
    seen: list[tuple[int, int]] = []
    pareto(
        problem,
        "avg_bits",
        Method.GREEDY,
        values=(3.0, 5.0),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(0, 2), (1, 2)]
