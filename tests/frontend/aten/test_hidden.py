"""Minus infinities that only an exponential reads become zeros behind it."""

from __future__ import annotations

import pytest
import torch

from tests.frontend.aten.rewritten import check
from tests.frontend.test_obstacles import Expression, obstacles_of

X = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(0))
KEEP = torch.ones(6, 6).tril().bool()
INF = -float("inf")

DECAYS = {
    "filled": lambda x: x.masked_fill(~KEEP, INF).exp(),
    "chosen": lambda x: torch.where(KEEP, 30 * x, INF).exp().tanh(),
    "by a tensor": lambda x: torch.where(KEEP, x, torch.tensor(INF)).exp(),
    "differences": lambda x: (
        torch.where(KEEP, x.cumsum(1) - x.cumsum(1).mT, INF) + x[:, :1]
    ).exp(),
}


def stabilized(x: torch.Tensor) -> torch.Tensor:
    logs = torch.where(KEEP, 5 * x, INF) + x[:, :1]
    largest = logs.max(-1, keepdim=True)[0]
    return torch.cat([(logs - largest).exp(), (-largest).exp()], -1)


@pytest.mark.parametrize("name", DECAYS)
def test_a_decay_mask_is_a_product_behind_the_exponential(name: str) -> None:
    assert check(DECAYS[name], X)["exp"] == 1


def test_a_maximum_over_hidden_entries_is_that_of_the_others() -> None:
    assert check(stabilized, X)["amax"] == 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.where(KEEP, x, INF).tanh(),
        lambda x: torch.where(KEEP, x, -INF).exp(),
        lambda x: (1 - torch.where(KEEP, x, INF)).exp(),
    ],
)
def test_other_infinities_stay_obstacles(function) -> None:
    assert obstacles_of(Expression(function), X)
