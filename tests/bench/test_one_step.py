"""Single steps are cut from planning rollouts at the right rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tests.cli import factories
from tqs_edge.bench.one_step import STARTS, one_step_trials, teacher_lessons, teacher_loss
from tqs_edge.graph.rollout import calls_of, float_constants
from tqs_edge.pipeline.prepare import Prepared, float_frames, prepare


def double_constants(prepared: Prepared):
    single = float_constants(prepared.model.graph)
    return lambda path: single(path).double()


def test_one_step_of_a_windowed_model_gives_the_rollouts_frames_again(windowed: Prepared) -> None:
    block, frames = windowed.model.block, windowed.planning.frames
    contexts, exog = one_step_trials(windowed)
    assert exog is None and len(contexts) == STARTS * len(frames)
    answers = float_frames(windowed.model, contexts, block).reshape(STARTS, *frames[:, :2].shape)
    last = frames.shape[1] // block
    for start in range(STARTS):
        first = last * start // STARTS * block
        np.testing.assert_allclose(answers[start], frames[:, first : first + block], atol=1e-5)


def test_teacher_of_a_windowed_model_is_the_model_itself_without_truth(windowed: Prepared) -> None:
    lessons = teacher_lessons(windowed)
    assert len(lessons.contexts) == len(windowed.planning.frames) * windowed.horizon // 2
    assert float(teacher_loss(windowed.model, lessons, double_constants(windowed))) < 1e-10


def test_teacher_of_a_recurrent_model_is_the_next_row(small: Prepared) -> None:
    trials = small.planning
    rows = trials.contexts.shape[1]
    truth = trials.frames + 1.0
    lessons = teacher_lessons(replace(small, planning=replace(trials, truth=truth)))
    assert lessons.blind == rows // 4
    np.testing.assert_array_equal(lessons.contexts.numpy(), trials.contexts)
    answers = lessons.targets.numpy()[:, :, 0]
    np.testing.assert_array_equal(answers[-1], truth[:, 0])
    np.testing.assert_array_equal(answers[0], trials.contexts[:, lessons.blind + 1])
    assert len(answers) == rows - lessons.blind


def test_exogenous_rows_go_with_their_calls(tmp_path) -> None:
    model, inputs = factories.driven()
    rng = np.random.default_rng(0)
    context, exog = tmp_path / "context.npy", tmp_path / "exog.npy"
    np.save(context, rng.normal(size=(6, 10, 2)).astype(np.float32))
    np.save(exog, rng.normal(size=(6, 29, 1)).astype(np.float32))
    prepared = prepare(model, example_inputs=inputs, context=context, exog=exog, horizon=20)
    contexts, known = one_step_trials(prepared)
    assert known is not None
    assert known.shape == (len(contexts), calls_of(prepared.model, 10, 1), 1)
    trials = prepared.planning
    assert trials.exog is not None
    np.testing.assert_array_equal(known[len(trials.exog) :][0], trials.exog[0, 5:15])
    lessons = teacher_lessons(prepared)
    assert isinstance(lessons.exog, torch.Tensor) and lessons.exog.shape == (3, 10, 1)
    assert float(teacher_loss(prepared.model, lessons, double_constants(prepared))) > 0
