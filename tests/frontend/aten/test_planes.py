"""Convolutions over planes and transposed ones become dense layers; so do interpolations."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.frontend.aten.rewritten import check
from tests.frontend.test_obstacles import Expression, obstacles_of

X = torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(0))
PLANE = torch.randn(1, 2, 8, 6, generator=torch.Generator().manual_seed(1))

LAYERS = {
    "transposed": (nn.ConvTranspose1d(4, 3, 3, stride=2, padding=1), X),
    "transposed, no overlap": (nn.ConvTranspose1d(4, 4, 4, stride=4), X),
    "transposed in groups": (
        nn.ConvTranspose1d(4, 4, 4, stride=2, groups=2, output_padding=1, dilation=2),
        X,
    ),
    "transposed depthwise": (nn.ConvTranspose1d(4, 4, 3, groups=4, bias=False), X),
    "plane": (nn.Conv2d(2, 3, 3, padding=1), PLANE),
    "over time only": (nn.Conv2d(2, 3, (3, 1), dilation=(2, 1)), PLANE),
    "over both, strided": (nn.Conv2d(2, 4, (3, 2), stride=(2, 3), padding=(0, 1)), PLANE),
    "in groups": (nn.Conv2d(2, 4, 3, groups=2), PLANE),
}
INTERPOLATIONS = {
    "bilinear": lambda x: F.interpolate(x, (4, 9), mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, (4, 9), mode="bicubic", align_corners=True),
    "nearest": lambda x: F.interpolate(x, (4, 9)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_convolution_is_dense_layers(name: str) -> None:
    layer, x = LAYERS[name]
    check(lambda part, w: part(w), x, parts=(layer,))


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_interpolation_of_planes_is_one_dense_layer(name: str) -> None:
    assert check(INTERPOLATIONS[name], PLANE)["dense"] == 1


def test_volumes_stay_obstacles() -> None:
    layer = nn.Conv3d(1, 1, 1)
    found = obstacles_of(Expression(layer), torch.ones(1, 1, 2, 2, 2))
    assert [obstacle.op for obstacle in found] == ["convolution"]
