"""What the largest exponent says, in numbers and in words."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest

from tests.chaotic_maps import driven_map, logistic_map, on_attractor, starts
from tests.graphs import linear_map
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.sensitivity import predictability
from tqs_edge.sensitivity.lyapunov import LyapunovSpectrum
from tqs_edge.sensitivity.predictability import Predictability, Verdict, measure_predictability

SPECTRUM = LyapunovSpectrum((0.1, -0.5), 0.001, 2, 300, 8, True)


def told(largest: float | None, error: float = 0.001, horizon: int = 50) -> Predictability:
    spectrum = replace(SPECTRUM, exponents=(largest, None), error=error)
    return Predictability(spectrum, 1e-4, horizon)


def measure(model: RolloutModel, contexts: np.ndarray, **rest) -> Predictability:
    frames = np.random.default_rng(0).normal(size=(4, 20, model.features))
    return measure_predictability(model, contexts, frames, 50, {"y": 2.0}, **rest)


def test_limit_is_when_one_step_of_the_output_has_grown_to_the_signal() -> None:
    found = told(0.1)
    assert found.verdict is Verdict.CHAOTIC
    assert found.lyapunov_time == pytest.approx(10.0)
    assert found.limit_steps == pytest.approx(log(1e4) / 0.1)
    assert "as large as the signal after about 92 steps" in found.words()
    assert "the horizon of 50 steps ends before that" in found.words()
    assert "goes beyond that: shorten it" in told(0.1, horizon=93).words()


@pytest.mark.parametrize(
    ("largest", "error", "verdict"),
    [
        (0.1, 0.034, Verdict.NEUTRAL),  # within three standard errors of zero
        (0.006, 0.0, Verdict.NEUTRAL),  # less than e^2 over 300 steps
        (0.007, 0.0, Verdict.CHAOTIC),
        (-0.006, 0.0, Verdict.NEUTRAL),
        (-0.05, 0.001, Verdict.CONTRACTING),
        (None, 0.0, Verdict.CONTRACTING),
    ],
)
def test_verdict_needs_an_exponent_clear_of_zero(largest, error, verdict) -> None:
    found = told(largest, error)
    assert found.verdict is verdict
    if verdict is not Verdict.CHAOTIC:
        assert found.limit_steps is None and found.lyapunov_time is None


def test_loops_that_are_not_chaotic_are_told_in_words() -> None:
    assert "dies out, to 1/e in 20 steps" in told(-0.05).words()
    assert "neither die out nor grow exponentially" in told(0.001).words()
    assert "forgets any disturbance" in told(None).words()


def test_logistic_map_is_chaotic_and_its_limit_follows_from_ln_2() -> None:
    model = logistic_map(4.0)
    found = measure(model, on_attractor(model, starts(8, 1, 0.1, 0.9), 50))
    assert found.verdict is Verdict.CHAOTIC
    assert found.spectrum is not None and found.spectrum.complete
    frames = np.random.default_rng(0).normal(size=(4, 20, 1))
    assert found.quantization_step == pytest.approx(2.0 * RANGE_HEADROOM / 32767 / frames.std())
    assert found.limit_steps == pytest.approx(-log(found.quantization_step) / log(2.0), rel=0.02)


def test_overflow_of_the_free_run_is_a_reason() -> None:
    found = measure(linear_map([[1e30]]), starts(2, 1))
    assert found.verdict is Verdict.UNKNOWN and "overflows" in found.words()


def test_short_known_inputs_are_a_reason() -> None:
    found = measure(driven_map(0.5), starts(1, 1), exog=np.zeros((1, 10, 1), np.float32))
    assert found.verdict is Verdict.UNKNOWN and "leave 9 free-running steps" in found.words()


def test_effort_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, contexts = linear_map(0.9 * np.eye(8)), starts(8, 8)
    whole = measure(model, contexts).spectrum
    assert whole is not None and whole.complete and whole.contexts == 8
    work = predictability.CALLS * 2 * 64
    monkeypatch.setattr(predictability, "MOST_WORK", 3 * work)
    one = measure(model, contexts).spectrum
    assert one is not None and not one.complete and one.contexts == 3
    monkeypatch.setattr(predictability, "MOST_WORK", work)
    assert "too large to repeat" in measure(model, contexts).words()
