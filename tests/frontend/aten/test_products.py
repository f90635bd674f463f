"""Products with constants are dense layers; products of tensors stay products."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.frontend.aten.rewritten import Expression, check, rewritten

X = torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(0))
W = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
LEFT = torch.randn(4, 8, generator=torch.Generator().manual_seed(2))
EACH = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(3))
WAVES = torch.stack([torch.sin(2 * math.pi * torch.arange(8.0) * k / 8) for k in (1, 2)])

BECOMES = {
    "constant on the right": (lambda x: x @ W, {"dense": 1}),
    "constant on the left": (lambda x: LEFT @ x, {"dense": 1, "permute": 2}),
    "vector": (lambda x: x @ W[:, 0], {"dense": 1, "reshape": 1}),
    "batch of one": (lambda x: torch.bmm(x, W[None]), {"dense": 1}),
    "two tensors": (lambda x: x @ x.mT, {"permute": 1, "matmul": 1}),
    "einsum with a constant": (lambda x: torch.einsum("blf,fo->blo", x, W), {"dense": 1}),
    "einsum of tensors": (
        lambda x: torch.einsum("blf,bmf->blm", x, x),
        {"permute": 1, "matmul": 1},
    ),
    "Fourier features": (
        lambda x: torch.einsum("blf,kl->bkf", x, WAVES),
        {"dense": 1, "permute": 2},
    ),
    "running sum": (lambda x: x.cumsum(1), {"dense": 1, "permute": 2}),
    "interpolation": (
        lambda x: F.interpolate(x.mT, size=5, mode="linear"),
        {"dense": 1, "permute": 1},
    ),
    "nearest": (lambda x: F.interpolate(x.mT, scale_factor=2), {"dense": 1, "permute": 1}),
}


def test_a_bilinear_layer_is_a_dense_layer_and_a_sum_of_products() -> None:
    layer = torch.nn.Bilinear(3, 3, 4)
    assert check(lambda part, x: part(x, x.tanh()), X, parts=(layer,))["dense"] == 1


def test_grouped_queries_share_keys_and_values() -> None:
    def attention(x):
        heads = x.repeat(1, 1, 4).reshape(1, 8, 4, 3).transpose(1, 2)
        few = x.repeat(1, 1, 2).reshape(1, 8, 2, 3).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, few, few * 2, enable_gqa=True)

    assert check(attention, X)["matmul"] == 2


@pytest.mark.parametrize("name", BECOMES)
def test_product_becomes(name):
    function, expected = BECOMES[name]
    got = check(function, X)
    got.pop("reshape", None)
    assert got == {key: count for key, count in expected.items() if key != "reshape"}


def test_one_matrix_for_each_channel_is_one_dense_layer_each():
    got = check(lambda x: torch.einsum("blf,flo->bfo", x, EACH), X)
    assert got["dense"] == 3 and "matmul" not in got


def test_weights_keep_their_paths_and_untransposed_ones_say_so():
    class Products(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W, self.layer = nn.Parameter(W.clone()), nn.Linear(5, 2)

        def forward(self, x):
            return self.layer(x @ self.W)

    module = Products()
    program = rewritten(module, X)
    assert set(program.state_dict) == {"W.T", "layer.weight", "layer.bias"}
    torch.testing.assert_close(program.state_dict["W.T"].data, module.W.data.T)


def test_same_constant_under_two_names_is_stored_once():
    program = rewritten(Expression(lambda x: x @ W + torch.relu(x) @ W), X)
    assert len(program.state_dict) == 1


def test_what_depends_on_parameters_only_is_computed_at_compile_time():
    a, b = torch.rand(3), torch.rand(3)
    assert check(lambda x: x * torch.exp(-torch.exp(a)) + torch.sqrt(b), X) == {"mul": 1, "add": 1}


@pytest.mark.parametrize("order, root", [(1.0, "abs"), (2.0, "sqrt")])
def test_distances_to_constant_points_are_differences_and_a_norm(order: float, root: str) -> None:
    found = check(lambda x: torch.cdist(x, EACH.reshape(16, 3), p=order), X)
    assert found["sub"] == found["sum"] == found[root] == 1
