"""Unsupported operations are all found, with the layer they come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.frontend import models
from tqs_edge.errors import UnsupportedOp
from tqs_edge.frontend import load_model
from tqs_edge.frontend.obstacles import find_obstacles
from tqs_edge.frontend.step_program import decompose


class Expression(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def obstacles_of(module: nn.Module, *inputs: torch.Tensor) -> list[UnsupportedOp]:
    return find_obstacles(decompose(models.export(module, inputs)))


def test_all_obstacles_come_in_order_with_layer_and_alternative():
    found = obstacles_of(models.Unsupported(), torch.zeros(1, 2))
    assert [(o.layer, o.op) for o in found] == [
        ("norm", "native_layer_norm"),
        ("forward", "gelu"),
        ("forward", "_softmax"),
    ]
    assert found[2].alternative == "use sigmoid gates"


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda x: x / torch.tanh(x), "div"),
        (lambda x: (x.T @ x)[:1], "matmul"),
        (torch.exp, "exp"),
        (lambda x: nn.functional.conv1d(x[None], torch.ones(1, 1, 1))[0], "convolution"),
    ],
)
def test_operation_without_a_kernel_is_an_obstacle(function, op):
    assert op in [o.op for o in obstacles_of(Expression(function), torch.ones(1, 2))]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda w: w.transpose(1, 2).reshape(1, 4, 2), "permute_dims"),
        (lambda w: torch.cat([w[:, ::2], w[:, 1::2]], 1), "stride"),
    ],
)
def test_what_only_the_canonical_form_shows_is_refused_too(function, reason):
    with pytest.raises(UnsupportedOp, match=reason):
        load_model(Expression(function).eval(), example_inputs=(torch.ones(1, 4, 2),))
