"""The streaming step's integers are the windowed step's, bit for bit."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.windowed_graphs import Step, averages, strided_stack, tcn
from tests.passes.small_models import mixed_plan
from tqs_edge.graph.graph import Op
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.stream import stream, streaming_form
from tqs_edge.integer.build import build_program
from tqs_edge.verify.reference import quantize_inputs, run_reference

HORIZON = 20


def integer_frames(model: RolloutModel, ranges: dict[str, float], **bits: int) -> np.ndarray:
    contexts = contexts_of(model)
    plan = mixed_plan(model.graph, bits.get("act_bits", 16), 16, (8, 4, 16))
    program = build_program(model.graph, plan, with_kept_rows(model, ranges))
    integers, _ = quantize_inputs(program, contexts, None)
    return run_reference(program, model, integers, HORIZON).frames


def with_kept_rows(model: RolloutModel, ranges: dict[str, float]) -> dict[str, float]:
    """Rows of a tensor are as large as the tensor."""
    return {name: ranges[re.split("_rows|_new", name)[0]] for name in model.graph.shapes}


def contexts_of(model: RolloutModel) -> np.ndarray:
    shape = (3, model.context_length, model.features)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def wavenet() -> RolloutModel:
    """Gates of two convolutions, residuals and skips that are summed up, read at the last row."""
    step = Step(20, 2)
    h, skips = step.dense("x", 4), []
    for dilation in (1, 2, 4):
        gate = step.same(Op.SIGMOID, step.conv(h, 4, 2, dilation))
        gated = step.same(Op.MUL, step.same(Op.TANH, step.conv(h, 4, 2, dilation)), gate)
        skips.append(step.dense(gated, 3))
        if dilation < 4:
            h = step.same(Op.ADD, h, step.dense(gated, 4))
    total = step.same(Op.ADD, step.same(Op.ADD, *skips[:2]), skips[2])
    return step.model(step.dense(step.last(step.same(Op.RELU, total)), 2))


def block_tcn() -> RolloutModel:
    return tcn(18, (1, 2, 4), 2, block=3)


def patches() -> RolloutModel:
    return strided_stack(32, [(8, 4, 1), (2, 1, 1)], 4)


@pytest.mark.parametrize("act_bits", [8, 16])
@pytest.mark.parametrize("make", [tcn, wavenet, block_tcn, patches])
def test_frames_are_equal_bit_for_bit(make, act_bits: int) -> None:
    model = make()
    streamed = stream(model)
    assert streamed is not model
    ranges = observe_ranges(model, contexts_of(model), HORIZON)
    want = integer_frames(model, ranges, act_bits=act_bits)
    assert (integer_frames(streamed, ranges, act_bits=act_bits) == want).all()
    assert len(np.unique(want)) > 10


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(1, 2), st.integers(1, 3))
def test_any_stack_of_causal_convolutions_keeps_its_integers(
    dilations: list[int], features: int, block: int
) -> None:
    model = tcn(max(block, 1 + 2 * sum(dilations)), tuple(dilations), features, block)
    assert_same_integers(model)


@settings(deadline=None, max_examples=10)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)), max_size=3),
    st.sampled_from([1, 2, 4]),
    st.integers(2, 4),
)
def test_any_stack_of_strided_convolutions_keeps_its_integers(
    layers: list[tuple[int, int, int]], block: int, rows: int
) -> None:
    for kernel, stride, dilation in reversed(layers):
        rows = (rows - 1) * stride + (kernel - 1) * dilation + 1
    assert_same_integers(strided_stack(max(rows, block), layers, block))


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(2, 15), min_size=1, max_size=3), st.integers(1, 2), st.integers(1, 3))
def test_any_stack_of_causal_averages_keeps_its_integers(
    kernels: list[int], features: int, block: int
) -> None:
    length = max(block, 1 + sum(kernels) - len(kernels))
    assert_same_integers(averages(length, tuple(kernels), features, block))


def assert_same_integers(model: RolloutModel) -> None:
    ranges = observe_ranges(model, contexts_of(model), HORIZON)
    streamed = streaming_form(model)
    assert (integer_frames(streamed, ranges) == integer_frames(model, ranges)).all()


def test_a_longer_context_changes_nothing() -> None:
    streamed = stream(tcn())
    ranges = observe_ranges(tcn(), contexts_of(tcn()), HORIZON)
    plan = mixed_plan(streamed.graph, 16, 16, (8,))
    program = build_program(streamed.graph, plan, with_kept_rows(streamed, ranges))
    contexts = np.random.default_rng(1).integers(-9000, 9000, (2, 40, 1)).astype(np.int16)
    long = run_reference(program, streamed, contexts, HORIZON).frames
    short = run_reference(program, replace(streamed), contexts[:, -16:], HORIZON).frames
    assert (long == short).all()
