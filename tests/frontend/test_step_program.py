"""The rewrites of exported programs that keep TVM's importer from going wrong silently."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.frontend import models
from tqs_edge.errors import InputError
from tqs_edge.frontend.step_program import (
    constants_by_placeholder,
    decompose,
    promote_constants,
    reject_bad_constants,
)

aten = torch.ops.aten


class Indexed(nn.Module):
    def forward(self, x):
        return x[:, -1], x[:, -3:-1], x[:, 1:]


def test_indices_are_counted_from_the_front():
    program = decompose(models.export(Indexed(), (torch.zeros(1, 5, 2),)))
    bounds = {
        node.target: node.args[1:]
        for node in program.graph.nodes
        if node.target in (aten.select.int, aten.slice.Tensor)
    }
    assert all(value >= 0 for args in bounds.values() for value in args)
    x = torch.randn(1, 5, 2)
    for got, want in zip(program.module()(x), Indexed()(x), strict=True):
        torch.testing.assert_close(got, want)


def test_alpha_becomes_a_product():
    class Alpha(nn.Module):
        def forward(self, x):
            return torch.add(x, torch.tanh(x), alpha=0.25) - torch.sub(x, 2.0, alpha=3)

    program = decompose(models.export(Alpha(), (torch.zeros(1, 2),)))
    assert not any("alpha" in node.kwargs for node in program.graph.nodes)
    x = torch.randn(1, 2)
    torch.testing.assert_close(program.module()(x), Alpha()(x))


def test_untransposed_factor_is_stored_transposed():
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W = nn.Parameter(torch.randn(2, 3))

        def forward(self, x):
            return x @ self.W

    module = Product()
    program = decompose(models.export(module, (torch.zeros(1, 2),)))
    ((path, value),) = constants_by_placeholder(program).values()
    assert path == "W.T"
    torch.testing.assert_close(value, module.W.detach().T)


def test_buffers_and_constants_are_promoted_under_their_paths():
    module, inputs = models.supported()["tanh map"]
    program = promote_constants(decompose(models.export(module, inputs)))
    assert {"mean", "step_size", "net.0.weight"} <= set(program.state_dict)
    assert set(program.graph_signature.parameters) == set(program.state_dict)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_bad_weight_is_named(value):
    module, inputs = models.gru_step()
    with torch.no_grad():
        module.cell.weight_hh[0, 0] = value
    with pytest.raises(InputError, match=r"'cell\.weight_hh' has 1 NaN or infinite"):
        reject_bad_constants(decompose(models.export(module, inputs)))
