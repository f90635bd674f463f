"""Black boxes are scored on the rollouts that compiled models are planned on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.backends.steps import steps
from tqs_edge import api
from tqs_edge.backends.choose import BackendName
from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.pipeline.black_box import PreparedBlackBox, prepare_black_box
from tqs_edge.pipeline.prepare import MAX_CONTEXTS, prepare

ZOO = "zoo:pendulum-ode"
HORIZON = 12


@pytest.fixture(scope="module")
def boxed() -> PreparedBlackBox:
    return prepare_black_box(ZOO, BackendName.TORCH, horizon=HORIZON)


def test_contexts_frames_and_ranges_are_those_of_the_compiled_model(
    boxed: PreparedBlackBox,
) -> None:
    compiled = prepare(ZOO, horizon=HORIZON)
    np.testing.assert_array_equal(boxed.planning.contexts, compiled.planning.contexts)
    np.testing.assert_allclose(boxed.planning.frames, compiled.planning.frames, atol=1e-5)
    assert boxed.planning.origin == compiled.planning.origin
    assert boxed.ranges["x"] == pytest.approx(compiled.ranges["x"], rel=1e-5)


def test_scores_agree_with_the_compiled_model(boxed: PreparedBlackBox) -> None:
    scores, compiled = api.score(boxed), api.score(prepare(ZOO, horizon=HORIZON))
    assert scores.table is None
    gains, wanted = scores.report.gains(), compiled.report.gains()
    weights = [site for site in gains if "weight" in site]
    assert len(weights) == len([site for site in wanted if "weight" in site]) > 10
    np.testing.assert_allclose(
        [gains[site] for site in weights], [wanted[site] for site in weights], rtol=0.02
    )


def test_exact_mode_is_refused(boxed: PreparedBlackBox) -> None:
    with pytest.raises(InputError, match="exact mode"):
        api.score(boxed, exact=True)


def test_a_file_of_contexts_is_halved_unless_it_is_one(tmp_path: Path) -> None:
    module, inputs = steps()["gru"]
    values = np.random.default_rng(0).standard_normal((5, 8, 2)).astype(np.float32)
    for count, used in ((5, 2), (1, 1)):
        np.save(tmp_path / "c.npy", values[:count])
        prepared = prepare_black_box(
            module,
            BackendName.TORCH,
            example_inputs=inputs,
            context=tmp_path / "c.npy",
            horizon=4,
        )
        np.testing.assert_array_equal(prepared.planning.contexts, values[:used])


def test_without_a_file_the_box_runs_free() -> None:
    module, inputs = steps()["branching"]
    prepared = prepare_black_box(module, BackendName.TORCH, example_inputs=inputs, horizon=4)
    assert prepared.planning.contexts.shape == (MAX_CONTEXTS, 32, 2)
    assert "random starts" in prepared.planning.origin


def test_a_rollout_that_overflows_says_where(tmp_path: Path) -> None:
    class Exploding(nn.Linear):
        def forward(self, x):
            return 1e4 * super().forward(x)

    given = (Exploding(2, 2).eval(), BackendName.TORCH)
    inputs = (torch.zeros(1, 2),)
    with pytest.raises(NonFiniteRollout, match="give real windows with --context"):
        prepare_black_box(*given, example_inputs=inputs)
    np.save(tmp_path / "c.npy", np.ones((2, 1, 2), np.float32))
    with pytest.raises(NonFiniteRollout, match=r"at step \d+ of 400; shorten --horizon"):
        prepare_black_box(*given, example_inputs=inputs, context=tmp_path / "c.npy", horizon=400)
