"""Fitted integers: same widths, less rollout error, on windows that gave no responses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.graphs import gru_graph
from tqs_edge.artifacts import load, save
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import DenseOp
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.rounding import Fit, fit_rounding, float_responses
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.quant.scheme import integer_limits
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.verify.reference import dequantize_frames, quantize_inputs, run_reference

HORIZON, CONTEXTS = 25, 8


@pytest.fixture(scope="module")
def model() -> RolloutModel:
    return gru_graph(3, features=2, hidden=8)


@pytest.fixture(scope="module")
def contexts() -> np.ndarray:
    values = np.random.default_rng(0).standard_normal((3 * CONTEXTS, 3, 2))
    return values.astype(np.float32)


@pytest.fixture(scope="module")
def ranges(model: RolloutModel, contexts: np.ndarray) -> dict[str, float]:
    """Of all contexts: an input beyond its range would hide what the weights do."""
    return observe_ranges(model, contexts, HORIZON)


Fitted = Callable[[str], Fit]


def fit(model: RolloutModel, ranges: dict[str, float], contexts: np.ndarray, code: str) -> Fit:
    plan = uniform_plan(model.graph, code)
    return fit_rounding(model, [plan], ranges, contexts[:CONTEXTS], HORIZON)[0]


@pytest.fixture(scope="module")
def fitted(model: RolloutModel, ranges: dict[str, float], contexts: np.ndarray) -> Fitted:
    """fitted("a16w4"): the fit of that uniform plan, made once."""
    return functools.cache(functools.partial(fit, model, ranges, contexts))


def judged(
    model: RolloutModel, plan: BitPlan, ranges: dict[str, float], contexts: np.ndarray
) -> float:
    """Mean squared error of the integer program on contexts that fitting never saw."""
    program = build_program(model.graph, plan, ranges)
    clean = clean_rollouts(model, contexts[CONTEXTS:], HORIZON)
    start, _ = quantize_inputs(program, contexts[CONTEXTS:], None)
    frames = dequantize_frames(
        run_reference(program, model, start, HORIZON, exog=None).frames, program
    )
    return float((((frames - clean.frames.numpy()) / clean.std.numpy()) ** 2).mean())


@pytest.mark.parametrize("code", ["a16w4", "a16w8", "a8w4"])
def test_lowers_the_error_of_the_integer_program(
    model: RolloutModel,
    ranges: dict[str, float],
    contexts: np.ndarray,
    fitted: Fitted,
    code: str,
) -> None:
    found = fitted(code)
    nearest = judged(model, uniform_plan(model.graph, code), ranges, contexts)
    assert found.after < found.before
    assert judged(model, found.plan, ranges, contexts) < 0.5 * nearest


def test_widths_stay_and_integers_fit_them(model: RolloutModel, fitted: Fitted) -> None:
    plan = uniform_plan(model.graph, "a16w4")
    found = fitted("a16w4").plan
    assert (found.weights, found.activations, found.states) == (
        plan.weights,
        plan.activations,
        plan.states,
    )
    low, high = integer_limits(4)
    for weight in found.fitted.values():
        assert low <= weight.integers.min() and weight.integers.max() <= high
        assert (weight.scales > 0).all()


def test_the_same_input_gives_the_same_plan_and_a_file_keeps_it(
    model: RolloutModel,
    ranges: dict[str, float],
    contexts: np.ndarray,
    fitted: Fitted,
    tmp_path: Path,
) -> None:
    first = fitted("a16w4").plan
    save(tmp_path / "one.json", first)
    save(tmp_path / "two.json", fit(model, ranges, contexts, "a16w4").plan)
    for end in ("", ".npz"):
        one, two = (tmp_path / f"{name}.json{end}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    loaded = load(tmp_path / "one.json", BitPlan)
    programs = [build_program(model.graph, plan, ranges) for plan in (first, loaded)]
    for a, b in zip(*(dense_blocks(program.ops) for program in programs), strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
        np.testing.assert_array_equal(a.bias, b.bias)


def dense_blocks(ops: tuple) -> list:
    return [block for op in ops if isinstance(op, DenseOp) for block in op.blocks]


@pytest.mark.slow
def test_one_context_serves_for_both_purposes(
    model: RolloutModel, ranges: dict[str, float], contexts: np.ndarray
) -> None:
    plan = uniform_plan(model.graph, "a16w4")
    (found,) = fit_rounding(model, [plan], ranges, contexts[:1], HORIZON)
    assert found.after <= found.before


@pytest.mark.slow
def test_the_best_of_several_plans_comes_first_whatever_their_order(
    model: RolloutModel, ranges: dict[str, float], contexts: np.ndarray, fitted: Fitted
) -> None:
    plans = [uniform_plan(model.graph, code) for code in ("a16w2", "a16w8", "a16w4")]
    responses = float_responses(model, contexts[:CONTEXTS], HORIZON)
    found = fit_rounding(model, plans, ranges, contexts[:CONTEXTS], HORIZON, responses=responses)
    bits = [next(iter(fit.plan.weights.values()))[0].bits for fit in found]
    assert bits[0] == 8 and sorted(bits) == [2, 4, 8]
    assert [fit.after for fit in found] == sorted(fit.after for fit in found)
    assert found[0].after == fitted("a16w8").after
