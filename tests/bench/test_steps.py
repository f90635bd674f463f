"""One step of a cell: the goals that stand for it, and that its parts add up."""

from __future__ import annotations

import pytest

from tqs_edge.bench.steps import measure_steps
from tqs_edge.errors import InputError

# Core -> most instructions of (GRU 4->32 with a head, LSTM 16->32), activations of 16 bits.
GOALS = {
    "cortex-m0plus": (30_000, 40_000),
    "cortex-m4": (8_000, 13_000),
    "cortex-m55": (3_000, 4_500),
}


@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.unicorn
@pytest.mark.parametrize("core", GOALS)
def test_steps_stay_within_their_goals(core: str) -> None:
    costs = measure_steps(widths=["a16w8"], cores=[core], with_compilers=["gcc"])
    assert [cost.step for cost in costs] == ["gru-4x32-head", "lstm-16x32"]
    for cost, most in zip(costs, GOALS[core], strict=True):
        assert 0 < cost.dense_instructions < cost.instructions <= most
        assert cost.code_bytes < cost.flash_bytes


def test_unknown_steps_are_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown step 'gru'; known: gru-4x32-head, lstm-16x32"):
        measure_steps(steps=["gru"])
    with pytest.raises(InputError, match="unknown core 'm4'"):
        measure_steps(cores=["m4"])
