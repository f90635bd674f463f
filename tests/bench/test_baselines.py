"""Baselines do what they are called after, within the bytes of everyone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plan.tables import all_choices, summed
from tqs_edge.bench import baselines
from tqs_edge.bench.case import Case, limits_of, plan_from_damage
from tqs_edge.bench.one_step import one_step_trials
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import fits
from tqs_edge.plan.choice import to_choice
from tqs_edge.quant.scheme import fake_quantize_rows
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.fake_quant import FLOAT, WIDTHS, quantized_weights, rollout_damage

AVERAGES = (2.0, 3.0, 4.5, 8.0)


def joint_damage(case: Case, choices: np.ndarray) -> np.ndarray:
    prepared = case.prepared
    trials = prepared.planning
    clean = clean_rollouts(prepared.model, trials.contexts, prepared.horizon, trials.exog)
    quantized = quantized_weights(clean, case.sites, prepared.ranges)
    return rollout_damage(clean, quantized, choices)


def weight_bits(plan: BitPlan) -> dict[str, list[int]]:
    return {path: [block.bits for block in blocks] for path, blocks in plan.weights.items()}


@pytest.mark.parametrize("average", AVERAGES)
def test_weight_mse_is_the_least_squared_error_of_all_choices(
    windowed_case: Case, average: float
) -> None:
    constants = windowed_case.prepared.model.graph.constants
    energy = np.full(windowed_case.allowed.shape, np.inf)
    for row, site in enumerate(windowed_case.sites):
        for bits in site.widths:
            if site.tensor in constants:
                block = constants[site.tensor][site.begin : site.end].astype(np.float64)
                error = fake_quantize_rows(block.astype(np.float32), bits) - block
                energy[row, WIDTHS.index(bits)] = (error**2).sum()
            elif bits == 16:
                energy[row, WIDTHS.index(bits)] = 0.0
    choices = all_choices(windowed_case.costs)
    choices = choices[fits(windowed_case.costs, choices, limits_of(average))]
    plan = baselines.weight_mse(windowed_case)(average)
    found = to_choice(windowed_case.sites, plan)
    assert summed(energy, found) == pytest.approx(summed(energy, choices).min(), rel=1e-6)


def test_activations_and_states_keep_16_bits_whatever_the_table_says(small_case: Case) -> None:
    damage = np.ones(small_case.allowed.shape) * np.array([4.0, 3.0, 2.0, 1.0])
    damage[~small_case.weight_sites] = [0.0, 0.0, 0.0, 1e9]
    plan = plan_from_damage(small_case, damage, 4.0, "test")
    assert set(plan.activations.values()) == set(plan.states.values()) == {16}


@pytest.mark.parametrize("average", AVERAGES)
def test_uniform_is_the_widest_that_fits(small_case: Case, average: float) -> None:
    widest = {2.0: 2, 3.0: 2, 4.5: 4, 8.0: 8}[average]
    plan = baselines.uniform(small_case)(average)
    assert weight_bits(plan) == {path: [widest] for path in plan.weights}


@pytest.mark.parametrize("average", AVERAGES)
def test_first_last_is_the_best_of_its_kind(small_case: Case, average: float) -> None:
    plan = baselines.first_last(small_case)(average)
    bits = weight_bits(plan)
    first, middle, last = (bits[p] for p in ("cell.weight_ih", "cell.weight_hh", "head.weight"))
    assert first == last and len(first) == len(middle) == 1 and first >= middle
    best = joint_damage(small_case, to_choice(small_case.sites, plan)[None])
    uniform = to_choice(small_case.sites, baselines.uniform(small_case)(average))
    assert best <= joint_damage(small_case, uniform[None])


def test_first_last_widens_the_ends_where_there_is_room(small_case: Case) -> None:
    """48 + 16 of 256 weights at 16 bits and 192 at 4 are 7 bits on average."""
    bits = weight_bits(baselines.first_last(small_case)(7.9))
    assert bits["cell.weight_ih"][0] > bits["cell.weight_hh"][0] == 4


@pytest.mark.parametrize("average", AVERAGES)
def test_random_leaves_no_room_and_repeats(small_case: Case, average: float) -> None:
    plan = baselines.random_widths(small_case)(average)
    assert plan == baselines.random_widths(small_case)(average)
    choice = to_choice(small_case.sites, plan)
    assert fits(small_case.costs, choice, limits_of(average))[0]
    for site in np.flatnonzero(small_case.weight_sites):
        wider = choice.copy()
        wider[site] += 1
        widest = wider[site] == len(WIDTHS)
        assert widest or not fits(small_case.costs, wider, limits_of(average))[0]


def test_random_plans_differ_between_seeds_and_budgets(small_case: Case) -> None:
    other = Case(**{**vars(small_case), "seed": 1})
    plans = [baselines.random_widths(case)(b) for case in (small_case, other) for b in (4.0, 4.1)]
    assert len({tuple(to_choice(small_case.sites, plan)) for plan in plans}) == 4


@pytest.mark.parametrize("average", AVERAGES)
def test_one_step_is_the_least_summed_error_of_a_single_call(
    windowed_case: Case, average: float
) -> None:
    prepared, sites = windowed_case.prepared, windowed_case.sites
    contexts, _ = one_step_trials(prepared)
    clean = clean_rollouts(prepared.model, contexts, prepared.model.block)
    alone = np.full((windowed_case.allowed.sum(), len(sites)), FLOAT)
    alone[np.arange(len(alone)), np.nonzero(windowed_case.allowed)[0]] = np.nonzero(
        windowed_case.allowed
    )[1]
    noise = np.full(windowed_case.allowed.shape, np.inf)
    noise[windowed_case.allowed] = rollout_damage(
        clean, quantized_weights(clean, sites, prepared.ranges), alone
    )
    noise[~windowed_case.weight_sites, WIDTHS.index(16)] = 0.0
    choices = all_choices(windowed_case.costs)
    choices = choices[fits(windowed_case.costs, choices, limits_of(average))]
    found = to_choice(sites, baselines.one_step(windowed_case)(average))
    assert summed(noise, found) == pytest.approx(summed(noise, choices).min(), rel=1e-5)
