"""A step without weights, part of which is always zero."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import tqs_edge


class Decay(nn.Module):
    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 0.5 * x, h - h


@pytest.mark.arm
def test_a_step_with_nothing_to_rank_compiles(tmp_path: Path) -> None:
    report = tqs_edge.compile(
        Decay().eval(),
        example_inputs=(torch.zeros(1, 3), torch.zeros(1, 2)),
        board="mps2-an386",
        uniform="a16w8",
        rounding="nearest",
        output=tmp_path / "out",
    )
    assert all(report["bit_exact"].values()) and report["rollout"]["nrmse"] < 0.01
