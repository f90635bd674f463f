"""Masks of scores, however large and however many, are one sum with bounded numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.frontend.aten.rewritten import check
from tests.integer.test_build import error_of
from tqs_edge.frontend import load_model

X = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
LATER = torch.ones(6, 6).triu(1).bool()
FAR = torch.ones(6, 6).tril(-3).bool()
LEAST = torch.finfo(torch.float32).min

MASKS = {
    "least float": lambda s: s.masked_fill(LATER, LEAST),
    "chosen": lambda s: torch.where(LATER, torch.tensor(-1e9), s),
    "two": lambda s: s.masked_fill(LATER, LEAST).masked_fill(FAR, LEAST),
    "sum and choice": lambda s: (s + torch.zeros(6, 6).masked_fill(LATER, LEAST)).masked_fill(
        FAR, -float("inf")
    ),
    "scaled": lambda s: 0.5 * s.masked_fill(LATER, -float("inf")),
    "moved": lambda s: s.masked_fill(LATER, LEAST).view(6, 6, 1).permute(2, 0, 1),
    "scaled between": lambda s: (s.masked_fill(LATER, LEAST) / 2.0).masked_fill(FAR, LEAST),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_one_sum(name: str) -> None:
    found = check(lambda x: MASKS[name](x @ x.mT).softmax(-1) @ x, X)
    assert found["add"] == 1 and found["cat"] == 0
    assert found["mul"] == ("scaled" in name)


@pytest.mark.slow
def test_integers_keep_the_scale_of_masked_scores() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.head = nn.Linear(4, 4)

        def forward(self, window):
            scores = MASKS["two"](window @ window.mT)
            return torch.tanh(self.head(scores.softmax(-1) @ window)[:, -1:])

    model = load_model(Attention().eval(), example_inputs=(X,)).model
    assert error_of(model, 16, 16, 16) < 0.01
