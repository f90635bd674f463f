"""What planning expects of whole models before a build, against what is measured."""

from __future__ import annotations

import pytest

from tqs_edge.bench.costs import BOARDS, MIXED, check_costs, check_plan
from tqs_edge.firmware.board import load_board
from tqs_edge.pipeline.prepare import Prepared, prepare

INSNS_ERROR, FLASH_ERROR = 0.05, 0.08
# Planning takes a layer's slowest shift for all of its calls, which weighs most on cores with MVE.
MIXED_INSNS_ERROR = {"arduino-zero": 0.02, "mps2-an386": 0.02, "mps3-an547": 0.09}


def test_a_mixed_plan_has_all_widths(small: Prepared) -> None:
    plan = check_plan(small.model.graph, MIXED)
    widths = {block.bits for blocks in plan.weights.values() for block in blocks}
    assert widths == {2, 4, 8} and set(plan.activations.values()) == {8, 16}


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.unicorn
@pytest.mark.parametrize("board", BOARDS)
def test_predictions_of_a_gru_are_near_what_is_measured(board: str) -> None:
    prepared = prepare("zoo:gru-4x32")
    for check in check_costs(prepared, [load_board(board)]):
        bound = MIXED_INSNS_ERROR[board] if check.plan == MIXED else INSNS_ERROR
        assert abs(check.insns_error) <= bound, check
        assert abs(check.flash_error) <= FLASH_ERROR, check
