"""Every spelling of a moving average becomes one operation on the series itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.frontend.aten.windowed import FEATURES, LENGTH
from tqs_edge.frontend.load import load_model
from tqs_edge.graph.graph import Op

KERNEL = 5
MARGIN = KERNEL // 2
Average = Callable[[torch.Tensor], torch.Tensor]


def ends_repeated(w: torch.Tensor, before: int = MARGIN) -> torch.Tensor:
    """(1, C, T) of (1, T, C)."""
    return F.pad(w.transpose(1, 2), (before, MARGIN), mode="replicate")


def pooled(w: torch.Tensor) -> torch.Tensor:
    """Wu et al.'s Autoformer."""
    front, end = w[:, 0:1].repeat(1, MARGIN, 1), w[:, -1:].repeat(1, MARGIN, 1)
    joined = torch.cat([front, w, end], dim=1).permute(0, 2, 1)
    return F.avg_pool1d(joined, KERNEL, stride=1).permute(0, 2, 1)


def replicated(w: torch.Tensor) -> torch.Tensor:
    return F.avg_pool1d(ends_repeated(w), KERNEL, stride=1).transpose(1, 2)


def convolved(w: torch.Tensor) -> torch.Tensor:
    weight = torch.full((FEATURES, 1, KERNEL), 1 / KERNEL)
    return F.conv1d(ends_repeated(w), weight, groups=FEATURES).transpose(1, 2)


def unfolded(w: torch.Tensor) -> torch.Tensor:
    return ends_repeated(w).unfold(-1, KERNEL, 1).mean(-1).transpose(1, 2)


def summed(w: torch.Tensor) -> torch.Tensor:
    return ends_repeated(w).unfold(-1, KERNEL, 1).sum(-1).transpose(1, 2) / KERNEL


def cumulated(w: torch.Tensor) -> torch.Tensor:
    total = ends_repeated(w, MARGIN + 1).cumsum(-1)
    return ((total[..., KERNEL:] - total[..., :-KERNEL]) / KERNEL).transpose(1, 2)


def over_planes(w: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(ends_repeated(w).unsqueeze(2), (1, KERNEL), 1).squeeze(2).transpose(1, 2)


class Decomposition(nn.Module):
    def __init__(self, average: Average) -> None:
        super().__init__()
        self.average = average
        self.season, self.trend = (nn.Linear(LENGTH * FEATURES, 4) for _ in range(2))
        self.head = nn.Linear(8, FEATURES)

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        trend = self.average(w)
        parts = self.season((w - trend).flatten(1)), self.trend(trend.flatten(1))
        return self.head(torch.tanh(torch.cat(parts, -1))).unsqueeze(1)


AVERAGES = (pooled, replicated, convolved, unfolded, summed, cumulated, over_planes)


@pytest.mark.parametrize("average", AVERAGES)
def test_a_decomposition_reads_the_series_itself(average: Average) -> None:
    step = Decomposition(average).eval(), (torch.zeros(1, LENGTH, FEATURES),)
    graph = load_model(step[0], example_inputs=step[1]).model.graph
    (sums,) = (node for node in graph.nodes if node.op is Op.MOVING_SUM)
    assert sums.inputs == (graph.input,) and sums.shape == (1, LENGTH, FEATURES)
    assert (sums.attrs["before"], sums.attrs["after"]) == (MARGIN, MARGIN)
    assert sums.attrs["gain"] == pytest.approx(1 / KERNEL)
    ops = {node.op for node in graph.nodes}
    assert not ops & {Op.UNFOLD, Op.MEAN, Op.SUM, Op.TRANSPOSE}
    assert [node.shape for node in graph.nodes if node.op is Op.CONCAT] == [(1, 8)]
