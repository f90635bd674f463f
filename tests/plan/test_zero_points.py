"""Which 8-bit activations get a zero point: rollouts from the float weights decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.graphs import gru_graph, linear_map
from tests.passes.small_models import window_network
from tqs_edge.artifacts import load, save
from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.ranges import RANGE_HEADROOM, observe_ranges
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.feedback import everywhere
from tqs_edge.plan.plan_rollouts import plan_rollouts
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.plan.zero_points import observed_spans, with_zero_points
from tqs_edge.sensitivity.batch import CleanRollouts, clean_rollouts
from tqs_edge.sensitivity.fake_quant import rounding_tap

HORIZON = 40


def rollouts(model: RolloutModel) -> tuple[dict[str, float], CleanRollouts]:
    """Ranges and clean rollouts from contexts of both signs."""
    rng = np.random.default_rng(0)
    shape = (8, max(model.context_length, model.length), model.features)
    contexts = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    return observe_ranges(model, contexts, HORIZON), clean_rollouts(model, contexts, HORIZON)


def damage(model: RolloutModel, plan: BitPlan) -> float:
    ranges, clean = rollouts(model)
    return float(plan_rollouts(model, plan, ranges, clean).damage_of({}, 1)[0])


def test_spans_are_what_was_seen_and_hold_zero() -> None:
    model = window_network()
    ranges, clean = rollouts(model)
    spans = observed_spans(model, uniform_plan(model.graph, "a8w8"), ranges, clean)
    assert spans["flat"] == (0.0, ranges["rows_relu"])
    for name, (low, high) in spans.items():
        assert low <= 0.0 <= high
        assert max(-low, high) == ranges[unmoved(model.graph, name)]
    assert "bounded" not in spans  # a table is written at a scale of its own


def test_a_rectifier_is_rounded_twice_as_finely() -> None:
    model = window_network()
    ranges, clean = rollouts(model)
    acts = {"x": 16, "flat": 8, "bounded": 16}
    plan = replace(uniform_plan(model.graph, "a16w16"), activations=acts)
    found = with_zero_points(model, plan, ranges, clean)
    assert found.spans == {"flat": (0.0, ranges["rows_relu"])}
    assert damage(model, found) < 0.5 * damage(model, plan)


def test_the_simulation_rounds_as_the_grid_does() -> None:
    """A span so small that all is clipped shows both ends."""
    model = linear_map(np.array([[0.5, 0.0], [0.0, 0.5]]))
    plan = replace(uniform_plan(model.graph, "a8w16"), spans={"x": (-0.01, 0.03)})
    ranges, clean = rollouts(model)
    held = (0.03 + 0.01) * RANGE_HEADROOM / 254
    tap = plan_rollouts(model, plan, ranges, clean)
    assert float(tap.damage_of({}, 1)[0]) > 100 * damage(model, replace(plan, spans={}))
    rounding = rounding_tap(clean, tap.sites, ranges, tap.choice[None], (), plan.spans)
    values = clean.frames.new_tensor([-1.0, 0.0, 0.004, 1.0])
    assert rounding is not None
    rounded = rounding(clean.views["x"], values.clone()).flatten()
    zero = round(0.01 * RANGE_HEADROOM / held)
    wanted = [-128 + zero, 0, round(0.004 / held), 127 + zero]
    np.testing.assert_allclose(rounded / held, wanted, rtol=1e-6)


def test_what_lies_about_zero_gets_none() -> None:
    model = linear_map(np.array([[0.0, -0.99], [0.99, 0.0]]))
    ranges, clean = rollouts(model)
    assert observed_spans(model, uniform_plan(model.graph, "a8w8"), ranges, clean) == {}


def test_only_activations_of_8_bits_have_one() -> None:
    model = gru_graph(0, features=2, hidden=8)
    ranges, clean = rollouts(model)
    plan = uniform_plan(model.graph, "a16w8")
    assert observed_spans(model, plan, ranges, clean) == {}
    assert with_zero_points(model, plan, ranges, clean) == plan


def test_plans_are_fed_with_what_they_are_given_and_begin_anew() -> None:
    model = window_network()
    ranges, clean = rollouts(model)
    plan = replace(uniform_plan(model.graph, "a8w8"), spans={"flat": (-9.0, 9.0)})
    found = with_zero_points(model, plan, ranges, clean, lambda p: everywhere(model.graph, p))
    assert found.feedback == ("x", "flat", "bounded")
    assert found.spans.get("flat") in (None, (0.0, ranges["rows_relu"]))


def test_saved_plans_keep_them(tmp_path: Path) -> None:
    model = window_network()
    plan = replace(uniform_plan(model.graph, "a8w8"), spans={"flat": (0.0, 1.5)})
    save(tmp_path / "plan.json", plan)
    assert load(tmp_path / "plan.json", BitPlan).spans == plan.spans
