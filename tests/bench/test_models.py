"""What a model takes under a plan, as built and run."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from tqs_edge.bench.models import measure_model, planned_bits
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.prepare import Prepared

KEYS = [
    *("model", "board", "plan", "flash_bytes", "ram_bytes", "stack_bytes"),
    *("instructions_per_step", "nrmse"),
]
BOARD = load_board("mps2-an386")


@pytest.mark.arm
@pytest.mark.unicorn
def test_costs_repeat_and_follow_the_widths(small: Prepared, small_scores: Scores) -> None:
    gcc = find_toolchain("gcc")
    wide = measure_model(small, None, "a16w16", BOARD, gcc)
    assert measure_model(small, None, "a16w16", BOARD, gcc) == wide
    assert list(asdict(wide)) == KEYS
    narrow = measure_model(small, small_scores, "tqs4", BOARD, gcc)
    assert narrow.nrmse > wide.nrmse
    assert 0 < wide.stack_bytes < wide.ram_bytes


@pytest.mark.arm
def test_searched_plans_need_scores(small: Prepared) -> None:
    assert (planned_bits("tqs4.5"), planned_bits("a16w4")) == (4.5, None)
    with pytest.raises(InputError, match="needs scores"):
        measure_model(small, None, "tqs4", BOARD, find_toolchain("gcc"))
    with pytest.raises(InputError, match="not a width code"):
        measure_model(small, None, "best", BOARD, find_toolchain("gcc"))
