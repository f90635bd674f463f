"""The integer program against brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.tables import all_choices, random_problem, summed
from tqs_edge.errors import BudgetInfeasible
from tqs_edge.plan import knapsack
from tqs_edge.plan.budget import Budget, fits
from tqs_edge.plan.greedy import descend
from tqs_edge.plan.knapsack import least_usage, solve
from tqs_edge.plan.marginals import Prices, marginals
from tqs_edge.plan.width_program import choices_of

RESOURCES = ("flash", "ram", "insns", "avg_bits")


def limits_between(seed: int, names: tuple[str, ...]) -> dict[str, float]:
    """Limits that some plan keeps: a random plan's own usage, with a little room."""
    costs, _ = random_problem(seed)
    plans = all_choices(costs)
    usage = costs.usage(plans[np.random.default_rng(seed).integers(len(plans))])
    return {name: float(usage[name][0]) * 1.05 for name in names}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), names=st.sets(st.sampled_from(RESOURCES), min_size=1))
def test_solution_is_the_best_of_all_plans(seed: int, names: set[str]) -> None:
    costs, damage = random_problem(seed)
    limits = limits_between(seed, tuple(sorted(names)))
    plans = all_choices(costs)
    best = summed(damage, plans[fits(costs, plans, limits)]).min()
    choice = solve(costs, damage, limits)
    assert fits(costs, choice, limits)[0]
    assert summed(damage, choice) == pytest.approx(best, rel=2e-6)
    greedy = descend(costs, damage, limits)
    assert fits(costs, greedy, limits)[0]
    assert summed(damage, greedy) >= best * (1 - 1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), room=st.floats(1.0, 1.1))
def test_two_layers_under_all_limits_at_once(seed: int, room: float) -> None:
    costs, damage = random_problem(seed, blocks=3, layers=2)
    plans = all_choices(costs)
    usage = costs.usage(plans[np.random.default_rng(seed).integers(len(plans))])
    limits = {name: float(usage[name][0]) * room for name in RESOURCES}
    best = summed(damage, plans[fits(costs, plans, limits)]).min()
    choice = solve(costs, damage, limits)
    assert fits(costs, choice, limits)[0]
    assert summed(damage, choice) == pytest.approx(best, rel=2e-6)


@pytest.mark.parametrize("seed", range(6))
def test_branches_together_hold_the_best_of_all_plans(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(knapsack, "FEW_PAIRS", -6)  # no pairs are few: branch as long as possible
    costs, damage = random_problem(seed, blocks=3, layers=2)
    plans = all_choices(costs)
    usage = costs.usage(plans[np.random.default_rng(seed).integers(len(plans))])
    limits = {name: float(usage[name][0]) for name in RESOURCES}
    best = summed(damage, plans[fits(costs, plans, limits)]).min()
    assert summed(damage, solve(costs, damage, limits)) == pytest.approx(best, rel=2e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.0, 0.1))
def test_marginals_bound_the_damage_of_plans_at_any_prices(seed: int, scale: float) -> None:
    costs, damage = random_problem(seed, blocks=2, layers=2)
    rng = np.random.default_rng(seed)
    plans = all_choices(costs)
    usage = costs.usage(plans[rng.integers(len(plans))])
    limits = {name: float(usage[name][0]) * 1.05 for name in RESOURCES}
    uses = costs.stacked
    code = rng.uniform(0.0, scale, uses.acc64.shape)
    prices = Prices({name: scale * rng.uniform() for name in RESOURCES}, code)
    least = marginals(costs, damage, choices_of(costs, costs.legal), limits, prices, ())
    plans = plans[fits(costs, plans, limits)][:200]
    for plan, worth in zip(plans, summed(damage, plans), strict=True):
        sites = least.sites[np.arange(len(plan)), plan]
        pairs = least.pairs[np.arange(len(costs.uses)), plan[uses.weight], plan[uses.activation]]
        assert least.bound <= sites.min() + 1e-9
        assert max(sites.max(), pairs.max()) <= worth + 1e-9


def test_damages_of_many_magnitudes_are_told_apart() -> None:
    costs, damage = random_problem(4)
    damage = np.where(costs.legal, 10.0 ** (-6.0 * np.arange(4)) * damage, np.inf)
    plans = all_choices(costs)
    limits = {"avg_bits": 9.0}
    best = summed(damage, plans[fits(costs, plans, limits)]).min()
    assert summed(damage, solve(costs, damage, limits)) == pytest.approx(best, rel=2e-6)


def test_a_plan_at_the_very_limit_is_found() -> None:
    costs, damage = random_problem(8)
    plans = all_choices(costs)
    usage = costs.usage(plans)
    least = {name: float(usage[name].min()) for name in RESOURCES}
    for name, value in least.items():
        assert costs.usage(solve(costs, damage, {name: value}))[name][0] == pytest.approx(value)
        assert least_usage(costs, np.isfinite(damage), {}, name) == pytest.approx(value)


def test_forbidden_widths_are_never_chosen() -> None:
    costs, damage = random_problem(12)
    damage[1, [0, 1, 3]] = np.inf
    assert solve(costs, damage, {"avg_bits": 5.0})[1] == 2


def test_larger_budgets_are_never_worse() -> None:
    costs, damage = random_problem(11)
    damages = [
        summed(damage, solve(costs, damage, {"avg_bits": bits})) for bits in (2, 3, 4, 6, 9, 16)
    ]
    assert all(a >= b * (1 - 1e-6) for a, b in pairwise(damages))


def test_no_limits_give_the_least_damage_of_every_site() -> None:
    costs, damage = random_problem(3)
    assert (solve(costs, damage, {}) == damage.argmin(axis=1)).all()


def test_infeasible_limit_names_the_least_that_works() -> None:
    costs, damage = random_problem(5)
    least = costs.usage(all_choices(costs))["flash"].min()
    with pytest.raises(BudgetInfeasible) as error:
        solve(costs, damage, {"flash": 10.0})
    text = f"no plan fits: 10 flash bytes are too few: the least that works is {np.ceil(least):.0f}"
    assert str(error.value) == text
    solve(costs, damage, {"flash": float(np.ceil(least))})


def test_least_value_of_the_binding_limit_respects_the_others() -> None:
    costs, damage = random_problem(6)
    plans = all_choices(costs)
    usage = costs.usage(plans)
    narrow = usage["flash"] <= usage["flash"].min() * 1.2
    least = usage["insns"][narrow].min()
    limits = {"flash": usage["flash"].min() * 1.2, "insns": 51.0}
    with pytest.raises(BudgetInfeasible, match="with the other limits") as error:
        solve(costs, damage, limits)
    assert f"{np.ceil(least):.0f}" in str(error.value)


def test_two_impossible_limits_say_that_both_must_give() -> None:
    costs, damage = random_problem(6)
    with pytest.raises(BudgetInfeasible, match="relax at least two"):
        solve(costs, damage, {"flash": 1.0, "insns": 1.0})


def test_budget_lists_the_limits_that_are_set() -> None:
    assert Budget(flash=100, avg_bits=4).limits() == {"flash": 100.0, "avg_bits": 4.0}
