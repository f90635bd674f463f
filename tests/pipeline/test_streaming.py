"""Covariates and patches: a streaming step computes what is new, from PyTorch to a core."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import tqs_edge
from tqs_edge.errors import BudgetInfeasible
from tqs_edge.pipeline.directory import read_package
from tqs_edge.pipeline.simulation import simulate_package
from tqs_edge.plan.budget import Budget

LENGTH, KNOWN, HORIZON, BOARD = 64, 2, 9, "mps2-an386"


class DrivenTcn(nn.Module):
    """window [1, L, 1], exog [1, L + K, E] -> [1, K, 1], receptive field 63: covariates of a row's
    own moment or, `ahead`, of K moments later join it, as in darts' models."""

    def __init__(self, block: int, ahead: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = block if ahead else 0
        self.lift = nn.Linear(1 + KNOWN, 8)
        self.layers = nn.ModuleList(
            nn.Conv1d(8, 8, 3, dilation=dilation) for dilation in (1, 2, 4, 8, 16)
        )
        self.head = nn.Linear(8, block)

    def forward(self, window: torch.Tensor, exog: torch.Tensor) -> torch.Tensor:
        known = exog[:, self.first : self.first + LENGTH]
        h = self.lift(torch.cat([window, known], dim=2)).transpose(1, 2)
        for layer in self.layers:
            padded = functional.pad(h, (2 * layer.dilation[0], 0))
            h = h + torch.tanh(layer(padded))
        return 0.3 * self.head(h[:, :, -1]).unsqueeze(2)


class PatchMlp(nn.Module):
    """window [1, L, 1] -> [1, 1, 1]: overlapping patches through a network each, and a head."""

    def __init__(self, patch: int = 16, stride: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.stride = patch, stride
        self.embed = nn.Sequential(nn.Linear(patch, 32), nn.ReLU(), nn.Linear(32, 8))
        self.head = nn.Linear(8 * ((LENGTH - patch) // stride + 1), 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        patches = window.unfold(1, self.patch, self.stride).flatten(2)
        return self.head(self.embed(patches).flatten(1)).unsqueeze(2)


def compiled(folder: Path, model: nn.Module, *inputs: tuple[int, ...], stream: bool) -> dict:
    time = np.arange(320.0)
    known = np.stack([np.sin(0.4 * time), np.cos(0.4 * time)], axis=1)
    np.save(folder / "series.npy", np.sin(0.4 * time[:260, None] + 0.3).astype(np.float32))
    np.save(folder / "known.npy", known.astype(np.float32))
    return tqs_edge.compile(
        model.eval(),
        example_inputs=tuple(map(torch.zeros, inputs)),
        context=folder / "series.npy",
        exog=folder / "known.npy" if len(inputs) > 1 else None,
        board=BOARD,
        uniform="a16w8",
        rounding="nearest",
        horizon=HORIZON,
        output=folder / ("streaming" if stream else "windowed"),
        stream=stream,
    )


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.parametrize(("block", "ahead"), [(1, True), (3, False)])
def test_a_step_costs_a_tenth_of_the_window(block: int, ahead: bool, tmp_path: Path) -> None:
    model, shapes = DrivenTcn(block, ahead), ((1, LENGTH, 1), (1, LENGTH + block, KNOWN))
    windowed = compiled(tmp_path, model, *shapes, stream=False)
    report = compiled(tmp_path, model, *shapes, stream=True)
    assert all(report["bit_exact"].values()) and "qemu" in str(report["bit_exact"])
    assert report["instructions_per_step"] * 10 < windowed["instructions_per_step"]
    assert report["ram_bytes"] * 2 < windowed["ram_bytes"]
    series = {"context": tmp_path / "series.npy", "exog": tmp_path / "known.npy"}
    frames, _ = simulate_package(tmp_path / "streaming", runner="host", **series, horizon=6)
    assert frames.shape[1:] == (6, 1)
    package = read_package(tmp_path / "streaming").lowered
    assert package.model.streams and package.model.exog == block * KNOWN
    header = package.bundle.files["model.h"]
    assert re.search(rf"#define TQS_MODEL_EXOG_ROWS {block}$", header, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.qemu
def test_a_step_embeds_one_patch_where_its_stride_is_eight_steps(tmp_path: Path) -> None:
    windowed = compiled(tmp_path, PatchMlp(), (1, LENGTH, 1), stream=False)
    report = compiled(tmp_path, PatchMlp(), (1, LENGTH, 1), stream=True)
    assert all(report["bit_exact"].values()) and "qemu" in str(report["bit_exact"])
    assert report["instructions_per_step"] * 4 < windowed["instructions_per_step"]


def test_too_little_ram_names_the_rows_that_are_kept(tmp_path: Path) -> None:
    with pytest.raises(BudgetInfeasible, match=r"up to 1,072 bytes \(none with --no-stream\)"):
        tqs_edge.compile("zoo:co2-tcn", board=BOARD, budget=Budget(ram=700), output=tmp_path / "o")
