"""Convolutions and pooling over time: windows, dense layers, sums, means and maxima."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.frontend.aten.rewritten import check, rewritten

X = torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(0))

OPTIONS = [
    {},
    {"bias": False},
    {"stride": 2},
    {"dilation": 3},
    {"padding": 2},
    {"padding": "same"},
    {"padding": 2, "padding_mode": "replicate"},
    {"padding": 2, "padding_mode": "circular"},
    {"groups": 2},
    {"groups": 4},
    {"groups": 4, "dilation": 2, "padding": "same", "bias": False},
    {"groups": 2, "stride": 3, "dilation": 2, "padding": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("out", "kernel"), [(4, 3), (8, 2), (4, 1)])
def test_convolution_is_computed_without_one(options, out, kernel):
    torch.manual_seed(0)
    found = check(lambda conv, x: conv(x), X, parts=(nn.Conv1d(4, out, kernel, **options),))
    assert set(found) <= {
        "permute",
        "cat",
        "slice",
        "reshape",
        "unfold",
        "dense",
        "mul",
        "sum",
        "add",
    }
    assert ("dense" in found) == (options.get("groups") != 4 or out != 4)


def test_causal_convolutions_in_a_row_meet_without_transposes():
    convs = (nn.Conv1d(3, 4, 3), nn.Conv1d(4, 5, 3, dilation=2))

    def network(first, second, w):
        hidden = torch.relu(first(F.pad(w.mT, (2, 0))))
        return second(F.pad(hidden, (4, 0))).mT

    found = check(network, torch.randn(1, 8, 3), parts=convs)
    assert found == {"cat": 2, "unfold": 2, "dense": 2, "relu": 1}


def test_one_row_of_output_needs_no_windows():
    found = check(lambda conv, w: conv(w.mT).mT, torch.randn(1, 6, 3), parts=(nn.Conv1d(3, 2, 6),))
    assert found == {"reshape": 1, "dense": 1}


def test_weight_is_stored_as_windows_lie_under_its_own_path():
    conv = nn.Conv1d(4, 5, 3)
    program = rewritten(conv.eval(), X)
    assert set(program.state_dict) == {"weight", "bias"}
    want = conv.weight.detach().permute(0, 2, 1).reshape(5, 12)
    torch.testing.assert_close(program.state_dict["weight"].data, want)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_weight_normalisation_folds_into_the_weight(norm):
    module = nn.Sequential(norm(nn.Conv1d(4, 5, 3))).eval()
    assert set(rewritten(module, X).state_dict) == {"0.weight", "0.bias"}


POOLS = [
    nn.AvgPool1d(3),
    nn.AvgPool1d(3, 1, 1),
    nn.AvgPool1d(3, 1, 1, count_include_pad=False),
    nn.MaxPool1d(2),
    nn.MaxPool1d(3, 2, 1),
    nn.MaxPool1d(2, 1, dilation=2),
    nn.AdaptiveAvgPool1d(1),
    nn.AdaptiveAvgPool1d(4),
    nn.AdaptiveAvgPool1d(5),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_pooling_reduces_windows(pool):
    found = check(pool, X)
    assert found["amax"] + found["mean"] > 0
