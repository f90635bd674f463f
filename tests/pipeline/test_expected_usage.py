"""What is expected of a plan: the estimate, and what builds of other plans say of it."""

from __future__ import annotations

import pytest

from tests.cli import factories
from tqs_edge.pipeline.expected_usage import Calibration, expected_usage
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.pipeline.step_estimate import estimate_plan
from tqs_edge.plan.uniform import uniform_plan

GAPS = {"insns": 100.0, "flash": -20.0}, {"insns": 300.0, "flash": 60.0}


@pytest.fixture(scope="module")
def small() -> Prepared:
    model, inputs = factories.small_gru()
    return prepare(model, example_inputs=inputs, horizon=8)


def lowered(prepared: Prepared, code: str) -> Lowered:
    return lower_plan(prepared, uniform_plan(prepared.model.graph, code))


def loops_of(one: Lowered) -> float:
    return estimate_plan(one.program, "dsp").loops


def test_one_build_moves_every_plan_alike(small: Prepared) -> None:
    one = lowered(small, "a16w8")
    plain = expected_usage(one, "dsp")
    moved = expected_usage(one, "dsp", [Calibration(0.0, GAPS[0])])
    assert moved["insns"] - plain["insns"] == pytest.approx(100.0)
    assert moved["flash"] - plain["flash"] == pytest.approx(-20.0)
    assert moved["ram"] == plain["ram"]


@pytest.mark.parametrize(("code", "gap"), [("a16w8", 100.0), ("a8w8", 300.0)])
def test_plans_are_off_like_the_one_whose_activations_they_have(
    small: Prepared, code: str, gap: float
) -> None:
    loops = [loops_of(lowered(small, other)) for other in ("a16w4", "a8w4")]
    calibrations = [Calibration(n, gaps) for n, gaps in zip(loops, GAPS, strict=True)]
    one = lowered(small, code)
    more = expected_usage(one, "dsp", calibrations)["insns"] - expected_usage(one, "dsp")["insns"]
    assert more == pytest.approx(gap, abs=20.0)


def test_narrow_activations_add_loops(small: Prepared) -> None:
    assert loops_of(lowered(small, "a8w8")) > loops_of(lowered(small, "a16w8"))


def test_weights_count_as_the_image_has_them(small: Prepared) -> None:
    wide, narrow = lowered(small, "a16w8"), lowered(small, "a16w4")
    code = [estimate_plan(one.program, "dsp").code for one in (wide, narrow)]
    flash = [expected_usage(one, "dsp")["flash"] for one in (wide, narrow)]
    stored = wide.bundle.weight_bytes - narrow.bundle.weight_bytes
    assert flash[0] - flash[1] == pytest.approx(stored + code[0] - code[1])
