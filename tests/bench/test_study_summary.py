"""Wins, ratios and goals, on numbers that can be followed by hand."""

from __future__ import annotations

import pytest

from tests.bench.study_example import part, record
from tqs_edge.bench.study_summary import errors_by_method, geometric_mean, summarise
from tqs_edge.bench.study_tables import mean_rows


def test_the_product_is_counted_against_every_method() -> None:
    summary = summarise(
        [
            part("m", 0, {"uniform": [0.4, 0.2], "random": [0.1, 0.8], "tqs": [0.1, 0.2]}),
            part("m", 1, {"uniform": [0.4, 0.1], "random": [0.4, 0.4], "tqs": [0.1, 0.2]}),
        ]
    )
    uniform, random = summary.versus
    assert (uniform.method, uniform.wins, uniform.ties, uniform.losses) == ("uniform", 2, 1, 1)
    assert uniform.ratio == pytest.approx((0.25 * 1.0 * 0.25 * 2.0) ** 0.25)
    assert (uniform.worst, uniform.to_uniform) == (pytest.approx(2.0), pytest.approx(1.0))
    assert (random.wins, random.ties, random.losses) == (3, 1, 0)
    assert random.to_uniform == pytest.approx((0.25 * 4.0 * 1.0 * 4.0) ** 0.25)


def test_a_tenth_of_a_percent_is_a_tie() -> None:
    errors = {"uniform": [1.0, 1.0, 1.0, 1.0], "tqs": [0.9991, 1.0009, 0.9989, 1.0011]}
    (uniform,) = summarise([part("m", 0, errors, bits=(3.0, 4.0, 5.0, 6.0))]).versus
    assert (uniform.wins, uniform.ties, uniform.losses) == (1, 2, 1)


def test_goals_tell_what_was_found() -> None:
    errors = {"uniform": [1.0, 1.0], "hessian": [0.2, 2.0], "tqs": [0.21, 0.5], "exact": [0.1, 0.1]}
    summary = summarise([part("m", 0, errors, spearman=0.93, seconds=(3.0, 10.0))])
    found = {goal.text: (goal.found, goal.reached) for goal in summary.goals}
    assert list(found.values()) == [
        ("2 of 2 cells, 100.0% (tie: within 0.1%)", True),
        ("0 of 2 cells are; the worst is 1.05 x hessian (m, 4 bits, seed 0)", True),
        ("0.324 x uniform's", True),
        ("least 0.930 (m)", True),
        ("0.300 x; by model up to 0.300 x (m)", False),
    ]


def test_one_bad_cell_breaks_the_goal_of_the_worst() -> None:
    errors = {"uniform": [1.0, 0.1], "one-step": [0.2, 0.4], "tqs": [0.1, 0.11]}
    goals = summarise([part("m", 0, errors, spearman=0.8)]).goals
    assert [goal.reached for goal in goals] == [False, False, True, False, True]
    assert goals[1].found == "1 of 2 cells are; the worst is 1.1 x uniform (m, 8 bits, seed 0)"


def test_the_ceiling_is_no_baseline() -> None:
    errors = {"uniform": [1.0, 1.0], "tqs": [0.5, 0.5], "tqs-knapsack": [0.1, 0.1]}
    goals = summarise([part("m", 0, {**errors, "exact": [0.01, 0.01]})]).goals
    assert goals[1].reached and goals[1].found.startswith("0 of 2 cells are; the worst is 0.5 x")


@pytest.mark.parametrize("missing", ["uniform", "tqs"])
def test_a_part_of_a_study_answers_what_it_can(missing: str) -> None:
    errors = {"uniform": [1.0, 1.0], "one-step": [0.3, 0.3], "tqs": [0.5, 0.5]}
    del errors[missing]
    summary = summarise([part("m", 0, errors)])
    assert len(summary.goals) == (3 if missing == "uniform" else 2)
    assert [v.to_uniform for v in summary.versus] == ([None] if missing == "uniform" else [])


def test_agreement_is_a_mean_over_seeds_and_a_ratio_of_times() -> None:
    parts = [
        part("m", 0, {"tqs": [1.0, 1.0]}, spearman=0.9, seconds=(1.0, 4.0)),
        part("m", 1, {"tqs": [1.0, 1.0]}, spearman=1.0, seconds=(4.0, 16.0)),
        part("n", 1, {"tqs": [1.0, 1.0]}, spearman=1.0, seconds=(1.0, 80.0)),
    ]
    summary = summarise(parts)
    found, _ = summary.agreement
    assert (found.spearman, found.least) == (pytest.approx(0.95), 0.9)
    assert found.cost == pytest.approx(0.25)
    assert summary.goals[-1].reached
    assert summary.goals[-1].found == "0.060 x; by model up to 0.250 x (m)"


def test_zero_errors_have_a_ratio_too() -> None:
    errors = errors_by_method([record("m", "tqs", 4.0, 0, 0.0)])
    assert 0 < errors["tqs"]["m", 4.0, 0] < 1e-9
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)


def test_means_are_over_seeds_and_the_best_is_marked() -> None:
    judgements = [
        record("m", "uniform", 4.0, 0, 0.1, 10.0),
        record("m", "uniform", 4.0, 1, 0.4, 20.0),
        record("m", "tqs", 4.0, 0, 0.2, 15.0),
        record("m", "tqs", 4.0, 1, 0.2, 15.0),
        record("m", "tqs", 3.0, 0, 0.3, 15.0),
    ]
    three, four = mean_rows(judgements)
    assert (three.avg_bits, dict(three.values)) == (3.0, {"tqs": pytest.approx(0.3)})
    assert dict(four.values) == {"uniform": pytest.approx(0.2), "tqs": pytest.approx(0.2)}
    assert four.best == {"uniform", "tqs"}
    (_, horizon) = mean_rows(judgements, valid_horizon=True)
    assert dict(horizon.values) == {"uniform": 15.0, "tqs": 15.0}
