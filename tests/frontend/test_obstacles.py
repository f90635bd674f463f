"""Unsupported operations are all found, with the layer they come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.frontend import models
from tqs_edge.errors import UnsupportedOp
from tqs_edge.frontend.aten.rewrite_step import rewrite_step
from tqs_edge.frontend.obstacles import ALTERNATIVES, find_obstacles


class Expression(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def obstacles_of(module: nn.Module, *inputs: torch.Tensor) -> list[UnsupportedOp]:
    return find_obstacles(rewrite_step(models.export(module, inputs)))


def test_all_obstacles_come_in_order_with_layer_and_alternative():
    found = obstacles_of(models.Unsupported(), torch.zeros(1, 2))
    assert [(o.layer, o.op) for o in found] == [
        ("gate", "eq"),
        ("gate", "where"),
        ("forward", "sort"),
    ]
    assert found[1].alternative.startswith("choose by a constant mask")


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda x: torch.where(x == 0, x, x * 2), "where"),
        (lambda x: torch.fft.rfft(x).angle(), "angle"),
        (lambda x: x.topk(1)[0], "topk"),
        (lambda x: nn.functional.embedding(x.long(), torch.ones(4, 2))[0], "embedding"),
        (
            lambda x: nn.functional.conv3d(x[None, None, None], torch.ones(1, 1, 1, 1, 1))[0, 0, 0],
            "convolution",
        ),
        (lambda x: torch.round(x), "round"),
        (lambda x: x**17, "pow"),
        (lambda x: nn.functional.linear(torch.tanh(x), torch.ones(0, 2)).sum() + x, "dense"),
    ],
)
def test_operation_without_a_kernel_is_an_obstacle(function, op):
    assert op in [o.op for o in obstacles_of(Expression(function), torch.ones(1, 2))]


def test_sizes_that_depend_on_values_are_an_obstacle():
    with pytest.raises(UnsupportedOp, match="'index' is not supported; use tensors of fixed"):
        obstacles_of(Expression(lambda x: x + x[x > 0].sum()), torch.ones(1, 2))


@pytest.mark.parametrize("op", ALTERNATIVES)
def test_alternatives_name_operations_of_torch(op):
    assert hasattr(torch.ops.aten, op)


def test_an_operation_with_effects_is_an_obstacle() -> None:
    def solved(x):
        return torch.linalg.solve(torch.eye(2) + x, x[0])[None]

    with pytest.raises(UnsupportedOp, match="'_linalg_check_errors' is not supported"):
        obstacles_of(Expression(solved), torch.ones(1, 2))
