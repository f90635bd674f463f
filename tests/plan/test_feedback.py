"""Which activations get error feedback: rollouts from the float weights decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.graphs import gru_graph, linear_map
from tqs_edge.artifacts import load, save
from tqs_edge.errors import InputError
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.feedback import everywhere, parse_feedback, with_feedback
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.verify.metrics import rollout_error
from tqs_edge.verify.reference import dequantize_frames, quantize_inputs, run_reference

HORIZON = 60


def slow_rotation() -> RolloutModel:
    """A pole near 1 adds up for many steps what rounding its input left."""
    c, s = 0.999 * np.cos(0.05), 0.999 * np.sin(0.05)
    return linear_map(np.array([[c, -s], [s, c]]))


def contexts_of(model: RolloutModel) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-1.0, 1.0, (16, model.context_length, model.features)).astype(np.float32)


def chosen(model: RolloutModel, code: str) -> BitPlan:
    contexts = contexts_of(model)[:8]
    clean = clean_rollouts(model, contexts, HORIZON)
    ranges = observe_ranges(model, contexts_of(model), HORIZON)
    return with_feedback(model, uniform_plan(model.graph, code), ranges, clean)


def judged(model: RolloutModel, plan: BitPlan) -> float:
    """The integer rollout's error from contexts that nothing was chosen on."""
    contexts = contexts_of(model)
    program = build_program(model.graph, plan, observe_ranges(model, contexts, HORIZON))
    x, _ = quantize_inputs(program, contexts[8:], None)
    frames = dequantize_frames(run_reference(program, model, x, HORIZON).frames, program)
    return rollout_error(clean_rollouts(model, contexts[8:], HORIZON).frames.numpy(), frames).nrmse


def test_slow_models_err_several_times_less() -> None:
    model = slow_rotation()
    plan = chosen(model, "a8w16")
    assert plan.feedback == ("x",)
    assert judged(model, plan) < 0.4 * judged(model, replace(plan, feedback=()))


def test_models_that_forget_at_once_get_none() -> None:
    model = linear_map(np.array([[-0.9, 0.0], [0.0, -0.85]]))  # doubles what is fed back each step
    assert chosen(model, "a8w16").feedback == ()


def test_only_activations_of_8_bits_can_have_it() -> None:
    model = gru_graph(0, features=2, hidden=8)
    assert chosen(model, "a16w8").feedback == ()
    assert everywhere(model.graph, uniform_plan(model.graph, "a16w8")).feedback == ()
    plan = replace(uniform_plan(model.graph, "a8w8"), activations={"x": 16, "h": 8, "h_next": 8})
    assert everywhere(model.graph, plan).feedback == ("h", "h_next")


def test_saved_plans_keep_it(tmp_path: Path) -> None:
    model = gru_graph(0, features=2, hidden=8)
    plan = everywhere(model.graph, uniform_plan(model.graph, "a8w8"))
    save(tmp_path / "plan.json", plan)
    assert load(tmp_path / "plan.json", BitPlan).feedback == plan.feedback


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(InputError, match="no error feedback 'maybe'; use one of auto, on, off"):
        parse_feedback("maybe")
