"""Normalisations as they are after training, and those that models spell in arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.frontend.aten.rewritten import check, rewritten

X = torch.randn(1, 8, 4, generator=torch.Generator().manual_seed(0)) * 2 + 1


def batch_norm(channels: int) -> nn.BatchNorm1d:
    layer = nn.BatchNorm1d(channels)
    with torch.no_grad():
        for value in (layer.running_mean, layer.weight, layer.bias):
            value.normal_()
        layer.running_var.uniform_(0.5, 2)
    return layer


def test_batch_norm_alone_is_an_affine_map_of_each_channel():
    found = check(lambda norm, x: norm(x), X, parts=(batch_norm(8),))
    assert found == {"mul": 1, "add": 1}


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_folds_into_the_convolution_before_it(bias):
    module = nn.Sequential(nn.Conv1d(8, 5, 3, bias=bias), batch_norm(5)).eval()
    program = rewritten(module, X)
    assert set(program.state_dict) == {"0.weight", "0.bias"}


def test_batch_norm_folds_into_the_linear_layer_before_it():
    module = nn.Sequential(nn.Linear(4, 5), batch_norm(5)).eval()
    assert set(rewritten(module, X[:, 0]).state_dict) == {"0.weight", "0.bias"}


def test_batch_norm_stays_where_the_product_is_read_twice():
    parts = (nn.Linear(4, 4), batch_norm(4))

    def both(linear, norm, x):
        y = linear(x)
        return norm(y) + y

    assert check(both, X[:, 0], parts=parts) == {"dense": 1, "mul": 1, "add": 2}


def trained(layer: nn.Module) -> nn.Module:
    with torch.no_grad():
        for value in layer.parameters():
            value.normal_()
    return layer


NORMS = {
    "layer": (nn.LayerNorm(4), {"normalize": 1, "mul": 1, "add": 1}),
    "layer without bias": (nn.LayerNorm(4, bias=False), {"normalize": 1, "mul": 1}),
    "both axes": (nn.LayerNorm([8, 4]), {"reshape": 2, "normalize": 1, "mul": 1, "add": 1}),
    "group": (nn.GroupNorm(2, 8), {"reshape": 2, "normalize": 1, "mul": 1, "add": 1}),
    "instance": (nn.InstanceNorm1d(8, affine=True), {"normalize": 1, "mul": 1, "add": 1}),
    "root mean square": (nn.RMSNorm(4), {"mul": 3, "mean": 1, "add": 1, "rsqrt": 1}),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalisation_becomes(name):
    layer, expected = NORMS[name]
    assert check(lambda part, x: part(x), X, parts=(trained(layer),)) == expected


SPELLINGS = {
    "std": lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True),
    "var": lambda x: (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 0.1).sqrt(),
    "rsqrt": lambda x: (
        (x - x.mean(1, keepdim=True)) * torch.rsqrt(x.var(1, keepdim=True, correction=0) + 0.1)
    ),
    "squares": lambda x: (
        (x - x.mean(1, keepdim=True))
        / ((x - x.mean(1, keepdim=True)).pow(2).mean(1, keepdim=True) + 0.1).sqrt()
    ),
    "scaled": lambda x: (x - x.mean(1, keepdim=True)) / (2 * x.var(1, keepdim=True) + 0.1) ** 0.5,
    "axes put back": lambda x: (x - x.mean(1).unsqueeze(1)) / (x.var(1).unsqueeze(1) + 0.1).sqrt(),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_standardisation_in_arithmetic_is_one_normalisation(name):
    found = check(SPELLINGS[name], X)
    assert found["normalize"] == 1
    assert set(found) <= {"normalize", "permute", "mul"}


def test_the_variance_over_axes_that_stand_apart_is_one_deviation():
    found = check(lambda x: x / x.reshape(2, 4, 4).std((0, 2), keepdim=True).reshape(4), X)
    assert found["deviation"] == 1


def test_deviation_by_itself_serves_the_way_back():
    found = check(lambda x: x * x.std(1, keepdim=True) + x.mean(1, keepdim=True), X)
    assert found["deviation"] == 1 and "sqrt" not in found


def test_deviation_plus_eps_is_a_division():
    found = check(lambda x: (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 0.1), X)
    assert found["div"] == 1 and found["deviation"] == 1
