"""What a model takes under a plan, as built and run."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from tqs_edge.bench.model_case import ModelCase, form_of, model_case, planned_bits, widths_of
from tqs_edge.bench.models import measure_model, nrmse_until
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.pipeline.fitting import Integers
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.plan.error_target import ErrorTarget
from tqs_edge.plan.problem import Decided
from tqs_edge.plan.rounding import Rounding

KEYS = [
    *("model", "board", "plan", "flash_bytes", "ram_bytes", "stack_bytes"),
    *("instructions_per_step", "nrmse", "rounding", "form", "saturations", "horizon"),
    *("lyapunov_steps", "nrmse_lyapunov", "predicted_instructions", "predicted_flash"),
    *("weight_bits", "narrow_activations", "activations"),
    *("long_steps", "long_peak", "limit_cycle_lsb"),
]
BOARD = load_board("mps2-an386")


@pytest.fixture(scope="module")
def nearest(small: Prepared, small_scores: Scores) -> ModelCase:
    return model_case(small, small_scores, Integers(Rounding.NEAREST))


@pytest.fixture(scope="module")
def fitted(small: Prepared) -> ModelCase:
    return model_case(small)


@pytest.mark.arm
@pytest.mark.unicorn
def test_costs_repeat_and_follow_the_widths(nearest: ModelCase) -> None:
    gcc = find_toolchain("gcc")
    (wide,) = measure_model(nearest, "a16w16", [BOARD], gcc)
    assert measure_model(nearest, "a16w16", [BOARD], gcc) == (wide,)
    assert list(asdict(wide)) == KEYS
    assert json.loads(json.dumps(asdict(wide)))["long_peak"] is None
    (narrow,) = measure_model(nearest, "tqs4", [BOARD], gcc)
    expected = pytest.approx(narrow.instructions_per_step, rel=0.05)
    assert narrow.predicted_instructions == expected
    assert narrow.nrmse > wide.nrmse
    assert 0 < wide.stack_bytes < wide.ram_bytes
    assert (wide.form, wide.rounding, wide.horizon) == ("recurrent", "nearest", 24)
    assert wide.lyapunov_steps is None and wide.nrmse_lyapunov == pytest.approx(wide.nrmse)


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.unicorn
def test_every_board_runs_the_same_fitted_integers(fitted: ModelCase) -> None:
    boards = [BOARD, load_board("mps2-an385")]
    costs = measure_model(fitted, "a16w4", boards, find_toolchain("gcc"), long_steps=2000)
    assert [cost.board for cost in costs] == ["mps2-an386", "mps2-an385"]
    m4, m3 = costs
    assert m4.rounding == m3.rounding == "fitted" and m4.nrmse == m3.nrmse
    assert m4.instructions_per_step != m3.instructions_per_step
    assert m4.long_steps is None  # only a16w8 is run for long


def test_integers_are_fitted_unless_the_nearest_are_asked_for(
    fitted: ModelCase, nearest: ModelCase
) -> None:
    assert fitted.integers.responses is not None and widths_of(fitted, "a16w4", BOARD).fitted
    assert nearest.integers.responses is None and not widths_of(nearest, "a16w4", BOARD).fitted


@pytest.mark.arm
@pytest.mark.unicorn
def test_the_cheapest_plan_keeps_its_error_and_the_decided_widths(
    small: Prepared, small_scores: Scores
) -> None:
    case = model_case(
        small,
        small_scores,
        Integers(Rounding.NEAREST),
        target=ErrorTarget(0.2, "insns"),
        decided=Decided(weight_bits=8),
    )
    (cost,) = measure_model(case, "cheapest", [BOARD], find_toolchain("gcc"))
    assert cost.weight_bits == 8 and cost.nrmse < 0.4  # judged on contexts of its own
    assert 0 <= cost.narrow_activations <= cost.activations


def test_a_cheapest_plan_needs_an_error_to_keep(nearest: ModelCase) -> None:
    with pytest.raises(InputError, match="an error to keep"):
        widths_of(nearest, "cheapest", BOARD)


def test_the_error_until_a_step_is_that_of_the_steps_before() -> None:
    per_step = (3.0, 4.0, 100.0)
    assert nrmse_until(per_step, 2) == pytest.approx(np.sqrt(12.5))
    assert nrmse_until(per_step, None) == nrmse_until(per_step, 9) > 50.0


@pytest.mark.slow
def test_streaming_is_a_form_of_its_own() -> None:
    assert form_of(prepare("zoo:co2-tcn", horizon=2).model) == "streaming"
    whole = prepare("zoo:co2-tcn", horizon=2, stream=False).model
    assert form_of(whole) == "windowed" == RolloutForm.WINDOWED.value


def test_searched_plans_need_scores(nearest: ModelCase) -> None:
    assert (planned_bits("tqs4.5"), planned_bits("a16w4")) == (4.5, None)
    with pytest.raises(InputError, match="needs scores"):
        widths_of(replace(nearest, scores=None), "tqs4", BOARD)
    with pytest.raises(InputError, match="not a width code"):
        widths_of(nearest, "best", BOARD)
