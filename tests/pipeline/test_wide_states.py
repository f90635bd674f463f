"""A diagonal state-space model with a 32-bit state, compiled and verified on simulated cores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import tqs_edge

pytestmark = [pytest.mark.arm, pytest.mark.qemu, pytest.mark.unicorn]
HORIZON = 300


class Diagonal(torch.nn.Module):
    """h' = a h + B x, y = C h' + 0.2 x, poles from 0.9 to 0.9999."""

    def __init__(self, width: int = 12, features: int = 2) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        gap = torch.logspace(-1, -4, width)
        sign = 1.0 - 2.0 * torch.randint(0, 2, (features, width), generator=rng)
        self.pole = torch.nn.Parameter((1.0 - gap)[None])
        self.into = torch.nn.Linear(features, width, bias=False)
        self.out = torch.nn.Linear(width, features, bias=False)
        with torch.no_grad():
            self.into.weight.copy_(gap[:, None] * torch.randn(width, features, generator=rng))
            self.out.weight.copy_(0.2 * sign)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.pole * h + self.into(x)
        return self.out(h) + 0.2 * x, h


EXAMPLE = torch.zeros(1, 2), torch.zeros(1, 12)


def contexts(folder: Path) -> Path:
    path = folder / "contexts.npy"
    t = np.arange(40)[None, :, None]
    phase = np.arange(12).reshape(6, 1, 2)
    np.save(path, (1.0 + np.sin(0.2 * t + phase)).astype(np.float32))
    return path


def compiled(folder: Path, **options) -> dict:
    tqs_edge.compile(
        Diagonal(),
        example_inputs=EXAMPLE,
        context=contexts(folder),
        horizon=HORIZON,
        output=folder / "out",
        **options,
    )
    return json.loads((folder / "out" / "report.json").read_text())


@pytest.mark.slow
def test_a_state_of_32_bits_follows_float_where_16_do_not(tmp_path: Path) -> None:
    reports = {}
    for bits in (16, 32):
        folder = tmp_path / str(bits)
        folder.mkdir()
        widths = {"uniform": "a16w16", "state_bits": bits}
        reports[bits] = compiled(folder, board="mps2-an386", **widths)
        assert all(reports[bits]["bit_exact"].values()), reports[bits]["mismatches"]
        assert reports[bits]["plan"]["state:h"]["act_bits"] == bits
    errors = {bits: report["rollout"]["nrmse"] for bits, report in reports.items()}
    assert errors[32] < 0.005 and errors[16] > 3.0 * errors[32]
    assert reports[32]["ram_bytes"] >= reports[16]["ram_bytes"] + 2 * 16


@pytest.mark.zig
@pytest.mark.slow
def test_every_link_on_every_core_is_bit_exact(tmp_path: Path) -> None:
    report = compiled(tmp_path, state_bits=32, uniform="a16w16", board="mps2-an386", all_cores=True)
    links = report["bit_exact"]
    assert all(links.values()), report["mismatches"]
    on_qemu = {name for name in links if name.startswith("qemu:")}
    for board in ("arduino-zero", "mps2-an386"):
        assert {f"qemu:{board}:gcc", f"qemu:{board}:zig"} <= on_qemu
    assert report["rollout"]["nrmse"] < 0.005
