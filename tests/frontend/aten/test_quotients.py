"""Divisors that might be negative are divided by in size and sign; others just so."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.frontend.aten.rewritten import check
from tests.integer.test_build import error_of
from tqs_edge.frontend import load_model

X = torch.linspace(-4, 4, 24).reshape(1, 8, 3) + 0.1

POSITIVE = {
    "exp": lambda x: x / x.exp().sum(-1, keepdim=True),
    "softsign": F.softsign,
    "norm": lambda x: x / (x.square().mean(1, keepdim=True) + 1e-3).sqrt(),
    "clamped": lambda x: x / x.mean(1, keepdim=True).clamp(min=0.5),
    "of a choice": lambda x: x / torch.where(x > 0, x.abs() + 1, x.exp()),
    "of parts": lambda x: x / (torch.cat([x.exp()[:, :4], x.abs()[:, 4:]], 1) + 1),
    "sigmoid": lambda x: 1 / x.sigmoid(),
}
EITHER = {
    "tensor": lambda x: x.tanh() / x,
    "below zero": lambda x: x / (x.tanh() - 2),
    "number": lambda x: 2 / x,
    "reciprocal": torch.reciprocal,
    "power": lambda x: x**-3,
}


@pytest.mark.parametrize("name", POSITIVE)
def test_a_positive_divisor_needs_no_sign(name: str) -> None:
    assert "choose" not in check(lambda x: POSITIVE[name](x), X) or name == "of a choice"


@pytest.mark.parametrize("name", EITHER)
def test_any_other_divisor_keeps_its_sign(name: str) -> None:
    found = check(EITHER[name], X)
    assert found["choose"] == 1 and found["abs"] == 1


@pytest.mark.slow
def test_integers_divide_by_negative_numbers() -> None:
    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.mix = nn.Linear(2, 2)

        def forward(self, x):
            return 0.9 * torch.tanh(self.mix(x)) / (x.flip(1).tanh() - 2) + 0.2 / (x.tanh() - 3)

    model = load_model(Step().eval(), example_inputs=(torch.zeros(1, 2),)).model
    assert error_of(model, 16, 16, 16) < 0.005
