"""Running products, maxima and logarithms of sums become one operation for each entry."""

from __future__ import annotations

import pytest
import torch

from tests.frontend.aten.rewritten import check
from tests.frontend.test_obstacles import Expression, obstacles_of
from tqs_edge.frontend.aten.running import LONGEST

X = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0))

BECOMES = {
    "products": (lambda x: x.cumprod(1), "mul", 5),
    "logarithms": (lambda x: x.logcumsumexp(1), "softplus", 5),
    "maxima": (lambda x: x.cummax(1)[0], "maximum", 5),
    "one product": (lambda x: x.prod(1), "mul", 5),
    "one logarithm": (lambda x: x.logsumexp(1), "log", 1),
    "two logarithms": (lambda x: torch.logaddexp(x, 2 * x), "softplus", 1),
}


@pytest.mark.parametrize("name", BECOMES)
def test_running_operation_becomes(name: str) -> None:
    function, op, count = BECOMES[name]
    assert check(function, X)[op] == count


def test_long_axes_and_indices_stay_obstacles() -> None:
    long = torch.ones(1, LONGEST + 1, 1)
    assert obstacles_of(Expression(lambda x: x.cumprod(1)), long)[0].op == "cumprod"
    index = Expression(lambda x: x + x.cummax(1)[1])
    assert "cummax" in {obstacle.op for obstacle in obstacles_of(index, X)}
