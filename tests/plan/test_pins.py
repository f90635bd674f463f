"""Widths that the user decides."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.pins import least_average_bits, parse_pins, pin_damage, resolve_pins
from tqs_edge.plan.planner import PlanResult, plan
from tqs_edge.plan.problem import Decided
from tqs_edge.plan.wide_states import unrounded
from tqs_edge.sensitivity.fake_quant import FLOAT
from tqs_edge.sensitivity.score import SensitivityReport, score
from tqs_edge.sensitivity.sites import SiteKind, list_sites

HORIZON = 12
MODEL = gru_graph(1, hidden=8)
SITES = list_sites(MODEL.graph)
CONTEXTS = gru_contexts(MODEL, 3)


@pytest.fixture(scope="module")
def report() -> SensitivityReport:
    return score(MODEL, CONTEXTS, HORIZON, probes=2)


def planned(
    report: SensitivityReport, pins: dict[str, int], budget: Budget, **widths: int
) -> PlanResult:
    ranges = observe_ranges(MODEL, CONTEXTS, HORIZON)
    decided = Decided(pins=pins, **widths)
    return plan(MODEL, report, ranges, CONTEXTS, HORIZON, budget, "dsp", decided=decided)


def pinned_ids(pins: dict[str, int]) -> dict[str, int]:
    return {SITES[index].id: bits for index, bits in resolve_pins(SITES, pins).items()}


def test_decided_weights_have_that_width_but_for_pins(report: SensitivityReport) -> None:
    result = planned(report, {"head": 16}, Budget(ram=1 << 20), weight_bits=4)
    widths = {path: {b.bits for b in blocks} for path, blocks in result.plan.weights.items()}
    assert widths.pop("head.weight") == {16} and set.union(*widths.values()) == {4}


def test_weights_have_no_width_of_32_bits(report: SensitivityReport) -> None:
    with pytest.raises(InputError, match=r"weight sites take 2, 4, 8 or 16 bits, not 32"):
        planned(report, {}, Budget(avg_bits=8), weight_bits=32)


def test_text_becomes_names_and_bits() -> None:
    pins = parse_pins(["head=8", "cell.weight_hh[0:4]=16", "act:h=8"])
    assert pins == {"head": 8, "cell.weight_hh[0:4]": 16, "act:h": 8}


@pytest.mark.parametrize("text", ["head", "=8", "head=", "head=wide", "head=-8"])
def test_text_without_name_or_bits_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is not NAME=BITS; write for example --pin head=8"):
        parse_pins([text])


def test_one_name_with_two_widths_is_refused() -> None:
    with pytest.raises(InputError, match="'head' both 8 and 4 bits"):
        parse_pins(["head=8", "head=4"])


def test_a_name_stands_for_every_site_below_it() -> None:
    assert pinned_ids({"head": 8}) == {"head.weight[0:4]": 8}
    cell = {s.id for s in SITES if s.tensor.startswith("cell.")}
    assert set(pinned_ids({"cell": 4})) == cell
    hidden = {s.id for s in SITES if s.tensor == "cell.weight_hh"}
    assert set(pinned_ids({"cell.weight_hh": 4})) == hidden
    assert pinned_ids({"act:h": 8, "state:h": 16}) == {"act:h": 8, "state:h": 16}


def test_rows_stand_for_their_blocks() -> None:
    ids = ["cell.weight_hh[8:12]", "cell.weight_hh[12:16]"]
    assert pinned_ids({"cell.weight_hh[8:16]": 2}) == dict.fromkeys(ids, 2)


def test_the_narrower_name_decides() -> None:
    pins = pinned_ids({"cell.weight_hh[0:4]": 16, "cell": 4})
    assert pins["cell.weight_hh[0:4]"] == 16 and pins["cell.weight_hh[4:8]"] == 4


def test_two_names_of_the_same_sites_must_agree() -> None:
    with pytest.raises(InputError, match=r"'head=8' and 'head\.weight=4' name the same sites"):
        resolve_pins(SITES, {"head": 8, "head.weight": 4})
    assert pinned_ids({"head": 8, "head.weight": 8}) == {"head.weight[0:4]": 8}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hed", "no site is called 'hed'; try head"),
        ("cell.weight_h", r"try .*cell\.weight_hh"),
        ("cel", "try cell"),
        ("act:g", "try .*act:h,"),
        ("cell.weight[0:4]", r"no weight is called 'cell\.weight'; try"),
        ("cell.weight_hh[0:6]", "blocks of 'cell.weight_hh' begin and end at 0, 4, 8, 12"),
        ("cell.weight_hh[8:4]", "cuts a block of rows or is empty"),
    ],
)
def test_unknown_names_list_near_ones(name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        resolve_pins(SITES, {name: 8})


def test_widths_without_a_kernel_list_the_legal_ones() -> None:
    with pytest.raises(InputError, match=r"'head=3': weight sites take 2, 4, 8, 16 bits"):
        resolve_pins(SITES, {"head": 3})
    with pytest.raises(InputError, match=r"'act:h=4': activation sites take 8, 16 bits"):
        resolve_pins(SITES, {"act:h": 4})


def test_a_width_at_which_the_rollout_overflows_cannot_be_pinned() -> None:
    damage = np.where([[b in s.widths for b in (2, 4, 8, 16)] for s in SITES], 1.0, np.inf)
    head = next(i for i, s in enumerate(SITES) if s.tensor == "head.weight")
    damage[head, 0] = np.inf
    with pytest.raises(InputError, match="cannot be pinned to 2 bits: the rollout overflows"):
        pin_damage(SITES, damage, {"head": 2})


def test_least_average_counts_pinned_weights_at_their_width() -> None:
    assert least_average_bits(SITES, {}) == 2.0
    weights = [s for s in SITES if s.kind is SiteKind.WEIGHT]
    head = sum(s.elements for s in weights if s.tensor == "head.weight")
    share = head / sum(s.elements for s in weights)
    assert least_average_bits(SITES, {"head": 16}) == pytest.approx(2 + 14 * share)


def test_plans_and_their_uniform_rivals_keep_pins(report: SensitivityReport) -> None:
    pins = {"head": 16, "act:h": 8}
    free = planned(report, {}, Budget(avg_bits=4), act_bits=16, state_bits=16)
    result = planned(report, pins, Budget(avg_bits=5.5), act_bits=16, state_bits=16)
    assert {b.bits for b in result.plan.weights["head.weight"]} == {16}
    assert dict(result.plan.activations) == {"x": 16, "h": 8, "h_next": 16}
    assert result.uniform is not None and result.uniform != free.uniform
    assert result.measured <= result.uniform
    for other in result.alternatives:
        assert other.activations["h"] == 8
        assert {b.bits for b in other.weights["head.weight"]} == {16}


def test_pins_that_break_the_budget_are_named(report: SensitivityReport) -> None:
    text = r"least that works is .* with the pins cell=16; without them a plan fits$"
    with pytest.raises(BudgetInfeasible, match=text):
        planned(report, {"cell": 16}, Budget(avg_bits=4))
    with pytest.raises(BudgetInfeasible, match=r"with the pins head=4$"):
        planned(report, {"head": 4}, Budget(avg_bits=1))


def test_pins_cover_what_they_name_and_nothing_else(report: SensitivityReport) -> None:
    result = planned(report, {"cell.weight_hh[0:8]": 2}, Budget(avg_bits=16))
    blocks = result.plan.weights["cell.weight_hh"]
    assert blocks[0].bits == 2 and blocks[0].end == 8
    assert all(a.end == b.begin for a, b in pairwise(blocks))
    assert {b.bits for b in blocks[1:]} != {2}


@pytest.mark.slow
def test_states_of_32_bits_are_planned_when_decided(report: SensitivityReport) -> None:
    free = planned(report, {}, Budget(avg_bits=4), state_bits=16)
    for found in (
        planned(report, {}, Budget(avg_bits=4), state_bits=32),
        planned(report, {"state:h": 32}, Budget(avg_bits=4)),
        planned(report, {"state:h": 32}, Budget(avg_bits=4), state_bits=8),
    ):
        assert found.plan.states == {"h": 32}
        assert found.plan.weights == free.plan.weights
        assert found.usage["ram"] == free.usage["ram"] + 2 * 16  # 8 numbers, padded to 16
    pinned = planned(report, {"state:h": 16}, Budget(avg_bits=4), state_bits=32)
    assert pinned.plan.states == {"h": 16}


def test_only_states_may_have_32_bits(report: SensitivityReport) -> None:
    with pytest.raises(InputError, match="activation sites take 8, 16 bits"):
        resolve_pins(SITES, {"act:h": 32})
    with pytest.raises(InputError, match="state sites take 8, 16 or 32 bits, not 24"):
        planned(report, {}, Budget(avg_bits=4), state_bits=24)
    with pytest.raises(InputError, match="activation sites take 8 or 16 bits, not 32"):
        planned(report, {}, Budget(avg_bits=4), act_bits=32)


def test_no_plan_has_states_of_32_bits_unasked(report: SensitivityReport) -> None:
    assert planned(report, {}, Budget(avg_bits=8)).plan.states == {"h": 16}


def test_32_bit_states_are_not_rounded_when_plans_are_judged(report: SensitivityReport) -> None:
    choices = np.zeros((2, len(SITES)), np.int64)
    left = unrounded(SITES, choices, {"h"})
    states = [site.kind is SiteKind.STATE for site in SITES]
    assert (left[:, states] == FLOAT).all() and (left[:, np.logical_not(states)] == 0).all()
    assert (unrounded(SITES, choices, ()) == choices).all()
    wide = planned(report, {"state:h": 32}, Budget(avg_bits=8), act_bits=16)
    narrow = planned(report, {"state:h": 8}, Budget(avg_bits=8), act_bits=16)
    assert wide.measured < narrow.measured
