"""Uniform plans by width code."""

from __future__ import annotations

import pytest

from tests.graphs import gru_graph
from tqs_edge.errors import InputError
from tqs_edge.plan.bit_plan import RowBlock
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.uniform import uniform_plan


def test_uniform_plan_has_one_block_per_weight_and_wide_states() -> None:
    plan = uniform_plan(gru_graph(0).graph, "a8w4")
    assert plan.weights["cell.weight_hh"] == (RowBlock(0, 96, 4),)
    assert plan.activations == {"x": 8, "h": 8, "h_next": 8}
    assert plan.states == {"h": 16}
    assert plan.method == "uniform"


@pytest.mark.parametrize("code", ["w8", "a8w3", "a4w4", "a8w8x", ""])
def test_unknown_codes_are_refused(code: str) -> None:
    with pytest.raises(InputError, match="is not a width code"):
        uniform_plan(gru_graph(0).graph, code)


def test_budgets_must_be_above_zero() -> None:
    with pytest.raises(InputError, match="0 flash bytes is not above zero"):
        Budget(flash=0).limits()
