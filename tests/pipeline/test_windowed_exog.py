"""A windowed forecaster with inputs known in advance, from PyTorch to a simulated core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tqs_edge
from tqs_edge.errors import InputError
from tqs_edge.frontend.contexts import exog_of_calls
from tqs_edge.frontend.form import FormSizes
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.pipeline.simulation import simulate_package
from tqs_edge.plan.budget import Budget

LENGTH, BLOCK, KNOWN, HORIZON = 12, 3, 2, 10


class DenseEncoder(nn.Module):
    """window [1, L, 1], exog [1, L + K, E] -> [1, K, 1], as TiDE (Das et al. 2023)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project = nn.Linear(KNOWN, 2)
        self.encode = nn.Linear(LENGTH + 2 * (LENGTH + BLOCK), 8)
        self.decode = nn.Linear(8, BLOCK)
        self.skip = nn.Linear(LENGTH, BLOCK)

    def forward(self, window: torch.Tensor, exog: torch.Tensor) -> torch.Tensor:
        known = torch.relu(self.project(exog))
        both = torch.cat([window.flatten(1), known.flatten(1)], dim=1)
        rows = self.decode(torch.relu(self.encode(both))) + self.skip(window.squeeze(2))
        return 0.5 * rows.unsqueeze(2)


def inputs(folder: Path, rows: int) -> dict[str, Path]:
    """One series and what is known of it, `rows` moments beyond its end."""
    time = np.arange(max(90.0, 90.0 + rows))
    known = np.stack([np.sin(0.4 * time), np.cos(0.4 * time)], axis=1)
    paths = {"context": folder / "series.npy", "exog": folder / "known.npy"}
    np.save(paths["context"], np.sin(0.4 * time[:90, None] + 0.3).astype(np.float32))
    np.save(paths["exog"], known[: 90 + rows].astype(np.float32))
    return paths


def compiled(folder: Path, rows: int, **options: Any) -> dict:
    return tqs_edge.compile(
        DenseEncoder().eval(),
        example_inputs=(torch.zeros(1, LENGTH, 1), torch.zeros(1, LENGTH + BLOCK, KNOWN)),
        **inputs(folder, rows),
        board="mps2-an386",
        rounding="nearest",
        horizon=HORIZON,
        output=folder / "out",
        **(options or {"uniform": "a16w8"}),
    )


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.qemu
def test_frames_are_equal_on_all_executors(tmp_path: Path) -> None:
    report = compiled(tmp_path, 20)
    assert all(report["bit_exact"].values()) and "qemu" in str(report["bit_exact"])
    assert report["rollout"]["nrmse"] < 0.01
    again, _ = simulate_package(tmp_path / "out", runner="host", **inputs(tmp_path, 20), horizon=7)
    assert again.shape[1:] == (7, 1)


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.unicorn
def test_a_plan_within_limits_is_measured_with_the_rows_of_few_calls(tmp_path: Path) -> None:
    report = compiled(tmp_path, 20, budget=Budget(flash=5000, insns=4500))
    assert report["flash_bytes"] <= 5000 and report["instructions_per_step"] <= 4500
    assert all(report["bit_exact"].values())


def test_a_series_that_ends_too_soon_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every row of the context and of the forecast"):
        compiled(tmp_path, -79)


def test_each_call_takes_the_rows_up_to_the_last_one_forecast() -> None:
    sizes = FormSizes(RolloutForm.WINDOWED, 4, 1, 2, 6, 3)
    known = np.arange(20.0).reshape(1, 10, 2)
    taken = exog_of_calls(sizes, known, 5, 4)
    assert taken.tolist() == [[list(range(8, 14)), list(range(12, 18))]]
