"""The streaming step's integers are the windowed step's, bit for bit."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.windowed_graphs import Step, averages, driven_tcn, strided_stack, tcn
from tests.passes.small_models import mixed_plan
from tqs_edge.frontend.contexts import exog_of_calls, known_rows, zeros_first
from tqs_edge.graph.graph import Op
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.stream import KEPT_PRICE, stream, streaming_form
from tqs_edge.integer.build import build_program
from tqs_edge.verify.reference import quantize_inputs, run_reference

HORIZON = 20


def integer_frames(model: RolloutModel, ranges: dict[str, float], **bits: int) -> np.ndarray:
    contexts, exog = contexts_of(model)
    plan = mixed_plan(model.graph, bits.get("act_bits", 16), 16, (8, 4, 16))
    program = build_program(model.graph, plan, with_kept_rows(model, ranges))
    integers, known = quantize_inputs(program, contexts, exog)
    return run_reference(program, model, integers, HORIZON, exog=known).frames


def with_kept_rows(model: RolloutModel, ranges: dict[str, float]) -> dict[str, float]:
    """Rows of a tensor are as large as the tensor."""
    return {
        name: ranges[re.split("_(rows|new|phase|laid|flat)", name)[0]]
        for name in model.graph.shapes
    }


def contexts_of(model: RolloutModel) -> tuple[np.ndarray, np.ndarray | None]:
    """The same starts for windowed and streaming forms, with zeros before them if need be."""
    rows, random = model.least_context, np.random.default_rng(0)
    values = random.uniform(-1, 1, (3, rows, model.features)).astype(np.float32)
    exog = None
    if model.exog:
        shape = (3, known_rows(model, rows, HORIZON), model.exog // model.exog_rows)
        known = random.uniform(-1, 1, shape).astype(np.float32)
        exog = exog_of_calls(model, known, rows, HORIZON)
    return zeros_first(values, model.context_length - rows), exog


def ranges_of(model: RolloutModel) -> dict[str, float]:
    contexts, exog = contexts_of(model)
    return observe_ranges(model, contexts, HORIZON, exog)


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


def phases() -> RolloutModel:
    return strided_stack(40, [(8, 4, 1), (3, 2, 1)], 1)


def driven() -> RolloutModel:
    return driven_tcn(16, 1, 17, lead=1)


def driven_blocks() -> RolloutModel:
    return driven_tcn(18, 3, 21)


@pytest.mark.parametrize("act_bits", [8, 16])
@pytest.mark.parametrize("make", [tcn, wavenet, block_tcn, patches, phases, driven, driven_blocks])
def test_frames_are_equal_bit_for_bit(make, act_bits: int) -> None:
    model = make()
    streamed = stream(model)
    assert streamed is not model
    ranges = ranges_of(model)
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
    st.sampled_from([1, 2, 3, 4]),
    st.integers(2, 4),
    st.sampled_from([0, KEPT_PRICE]),
)
def test_any_stack_of_strided_convolutions_keeps_its_integers(
    layers: list[tuple[int, int, int]], block: int, rows: int, kept_price: int
) -> None:
    for kernel, stride, dilation in reversed(layers):
        rows = (rows - 1) * stride + (kernel - 1) * dilation + 1
    assert_same_integers(strided_stack(max(rows, block), layers, block), kept_price)


@settings(deadline=None, max_examples=10)
@given(
    st.lists(st.integers(2, 15), min_size=1, max_size=3),
    *(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from([0, KEPT_PRICE]),
)
def test_any_stack_of_causal_averages_keeps_its_integers(
    kernels: list[int], features: int, block: int, stride: int, kept_price: int
) -> None:
    length = max(block, 1 + stride * (sum(kernels) - len(kernels)))
    model = averages(length, tuple(kernels), features, block, stride)
    assert_same_integers(model, kept_price)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 3), st.integers(0, 3), st.data())
def test_any_alignment_of_exogenous_rows_keeps_its_integers(
    dilations: list[int], block: int, lead: int, data: st.DataObject
) -> None:
    length, lead = 2 + 2 * sum(dilations) + 2 * block, min(lead, block)
    known = data.draw(st.integers(block - lead + 1, length + block))
    assert_same_integers(driven_tcn(length, block, known, tuple(dilations), lead))


def assert_same_integers(model: RolloutModel, kept_price: int = KEPT_PRICE) -> None:
    ranges = ranges_of(model)
    streamed = streaming_form(model, kept_price)
    assert (integer_frames(streamed, ranges) == integer_frames(model, ranges)).all()


def test_a_longer_context_changes_nothing() -> None:
    streamed = stream(tcn())
    ranges = ranges_of(tcn())
    plan = mixed_plan(streamed.graph, 16, 16, (8,))
    program = build_program(streamed.graph, plan, with_kept_rows(streamed, ranges))
    contexts = np.random.default_rng(1).integers(-9000, 9000, (2, 40, 1)).astype(np.int16)
    long = run_reference(program, streamed, contexts, HORIZON).frames
    short = run_reference(program, replace(streamed), contexts[:, -16:], HORIZON).frames
    assert (long == short).all()
