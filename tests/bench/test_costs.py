"""What planning expects of whole models, against what is measured."""

from __future__ import annotations

import pytest

from tqs_edge.bench.costs import BOARDS, CALIBRATED, MIXED, PLANS, check_costs, check_plan
from tqs_edge.firmware.board import load_board
from tqs_edge.pipeline.prepare import Prepared, prepare

ERROR = 0.05  # after builds of other plans
BEFORE_ERROR = 0.08  # before any build


def test_a_mixed_plan_has_all_widths(small: Prepared) -> None:
    plan = check_plan(small.model.graph, MIXED)
    widths = {block.bits for blocks in plan.weights.values() for block in blocks}
    assert widths == {2, 4, 8} and set(plan.activations.values()) == {8, 16}


def test_no_plan_is_judged_by_its_own_build() -> None:
    assert not set(CALIBRATED) & set(PLANS)


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.unicorn
@pytest.mark.parametrize("board", BOARDS)
def test_predictions_of_a_gru_are_near_what_is_measured(board: str) -> None:
    prepared = prepare("zoo:gru-4x32")
    for check in check_costs(prepared, [load_board(board)]):
        assert abs(check.insns_error) <= BEFORE_ERROR, check
        assert abs(check.flash_error) <= BEFORE_ERROR, check
        assert abs(check.expected_insns_error) <= ERROR, check
        assert abs(check.expected_flash_error) <= ERROR, check


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.unicorn
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("model", ["mackey-esn", "sst-ssm", "pendulum-ode"])
def test_builds_of_other_plans_bring_expectations_near(model: str, board: str) -> None:
    for check in check_costs(prepare(f"zoo:{model}"), [load_board(board)]):
        assert abs(check.expected_insns_error) <= ERROR, check
