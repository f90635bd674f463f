"""Comparisons that choose between two values become one operation of the graph."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.frontend.aten.rewritten import Expression, check, rewritten
from tests.frontend.test_obstacles import obstacles_of

X = torch.linspace(-4, 4, 25)[:24].reshape(1, 8, 3)

CHOICES = {
    "greater": lambda x: torch.where(x > 0, 2 * x, x),
    "at least": lambda x: torch.where(x >= 0.5, x, x.tanh()),
    "less": lambda x: torch.where(x < -1, x, torch.tanh(x)),
    "at most": lambda x: torch.where(x <= 1, torch.zeros_like(x), x),
    "between tensors": lambda x: torch.where(x > x.flip(1), x, 0.5 * x),
    "opposite": lambda x: torch.where(~(x > 0), 2 * x, x),
    "filled": lambda x: x.masked_fill(x > 2, 1.5),
    "threshold": nn.Threshold(0.1, 20.0),
    "hardshrink": F.hardshrink,
    "as a number": lambda x: x * (x > 0),
    "both": lambda x: torch.where((x > -1) & (x < 1), x, 2 * x),
    "either": lambda x: torch.where(torch.logical_or(x > 1, x < -1), x, 2 * x),
    "neither": lambda x: torch.where(~((x > 1) | (x < -1)), x.tanh(), 2 * x),
    "exactly one": lambda x: torch.where((x > 0) ^ (x < 1), x, 2 * x),
    "any": lambda x: torch.where((x > 3).any(1, keepdim=True), x, 2 * x),
    "all": lambda x: torch.where((x > -5).all(-1, keepdim=True), x, 2 * x),
    "counted": lambda x: x + (x > 0).sum(1, keepdim=True),
    "as an integer": lambda x: x + 0.5 * (x > 0).int(),
    "sign": torch.sign,
    "softshrink": F.softshrink,
    "as a float": lambda x: (x.abs() > 1).float() + x,
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_by_a_comparison_is_one_operation(name: str) -> None:
    assert check(CHOICES[name], X)["choose"] >= 1


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda x: torch.where(x == 1, x, 2 * x), "where"),
        (lambda x: torch.where(x > 0, x, float("inf")), "where"),
    ],
)
def test_other_conditions_stay_obstacles(function, op: str) -> None:
    class Step(nn.Module):
        def forward(self, x):
            return function(x)

    assert op in {obstacle.op for obstacle in obstacles_of(Step(), X)}


def test_truth_values_that_are_constant_are_stored_as_numbers() -> None:
    program = rewritten(Expression(lambda x: x * ~(torch.arange(3) > 0) + torch.arange(3)), X)
    assert {value.dtype for value in program.state_dict.values()} == {torch.float32}
