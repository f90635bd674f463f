"""Long integer rollouts: bounded, and at rest where the float model is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.cli import factories
from tqs_edge.bench.long_run import LAST_STEPS, float_swing, long_run, repeated_exog
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.pipeline.building import compile_plan
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.plan.uniform import uniform_plan


class Decay(nn.Module):
    """x' = 0.9 x + 0.05, at rest at one half; or a rotation that never rests."""

    def __init__(self, rows: list[list[float]], bias: float) -> None:
        super().__init__()
        self.step = nn.Linear(len(rows), len(rows))
        with torch.no_grad():
            self.step.weight.copy_(torch.tensor(rows))
            self.step.bias.fill_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.step(x)
        return y


def prepared(rows: list[list[float]], bias: float) -> Prepared:
    inputs = (torch.zeros(1, len(rows)),)
    return prepare(Decay(rows, bias).eval(), example_inputs=inputs, horizon=24)


@pytest.mark.arm
def test_a_decaying_model_rests_within_a_few_steps_of_its_integers(tmp_path: Path) -> None:
    case = prepared([[0.9, 0.05], [-0.05, 0.85]], 0.05)
    plan = uniform_plan(case.model.graph, "a16w8")
    built = compile_plan(
        case, plan, load_board("mps2-an386"), find_toolchain("gcc"), tmp_path / "a"
    )
    found = long_run(case, built, 3 * LAST_STEPS)
    assert found.long_steps == 3 * LAST_STEPS
    assert 0.0 < found.long_peak < 2.0
    assert found.limit_cycle_lsb is not None and found.limit_cycle_lsb < 4


def test_a_rotation_never_rests() -> None:
    turn = [[float(np.cos(0.3)), -float(np.sin(0.3))], [float(np.sin(0.3)), float(np.cos(0.3))]]
    assert float_swing(prepared([[0.5, 0.0], [0.0, 0.5]], 0.1)) == pytest.approx(0.0, abs=1e-12)
    assert float_swing(prepared(turn, 0.1)) > 0.01


def test_known_exogenous_rows_are_repeated(tmp_path: Path) -> None:
    model, inputs = factories.driven()
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(4, 3, 2)).astype(np.float32))
    np.save(tmp_path / "u.npy", rng.normal(size=(4, 10, 1)).astype(np.float32))
    case = prepare(
        model,
        example_inputs=inputs,
        context=tmp_path / "x.npy",
        exog=tmp_path / "u.npy",
        horizon=8,
    )
    known = case.judging.exog
    assert known is not None and known.shape[1] == 10
    rows = repeated_exog(case, 23)
    assert rows is not None and rows.shape == (1, 25, 1)
    assert np.array_equal(rows[:, :20], np.tile(known[:1], (1, 2, 1)))
    assert repeated_exog(prepared([[0.5, 0.0], [0.0, 0.5]], 0.1), 9) is None
