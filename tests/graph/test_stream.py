"""Streaming steps give the windowed step's frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.windowed_graphs import Step, averages, strided_stack, tcn
from tqs_edge.graph.graph import Op
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.stream import KEPT_PRICE, products, stream, streaming_form

HORIZON = 12


def assert_same_frames(model: RolloutModel, streamed: RolloutModel, extra_rows: int = 0) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (3, model.length + extra_rows, model.features)
    contexts = torch.randn(shape, generator=generator).double()
    constants = {k: torch.from_numpy(v).double() for k, v in model.graph.constants.items()}
    weight = constants.__getitem__
    want = rollout(model, contexts, HORIZON, weight=weight)
    got = rollout(streamed, contexts, HORIZON, weight=weight)
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


def kept_rows(model: RolloutModel) -> dict[str, int]:
    return {state.rows_of: state.shape[-2] for state in model.graph.states if state.rows_of}


@pytest.mark.parametrize("extra_rows", [0, 5])
def test_a_tcn_computes_one_row_of_every_layer(extra_rows: int) -> None:
    model = tcn()  # receptive field 15
    streamed = stream(model)
    assert streamed.form is RolloutForm.RECURRENT and streamed.context_length == 16
    assert products(streamed.graph) * 16 <= products(model.graph) + 16 * 4
    assert_same_frames(model, streamed, extra_rows)
    # What a layer reads: (kernel - 1) * dilation + 1 rows of its input, and no tensor else is kept.
    assert sorted(kept_rows(streamed).values()) == [3, 5, 9]


def test_a_receptive_field_beyond_the_window_is_not_streamed() -> None:
    model = tcn(length=14)
    assert stream(model) is model


def test_a_convolution_that_looks_ahead_is_not_streamed() -> None:
    step = Step(8, 1)
    model = step.model(step.dense(step.last(step.conv("x", 4, 3, after=1)), 1))
    assert stream(model) is model


def test_rows_beside_the_same_rows_as_columns_are_not_streamed() -> None:
    step = Step(8, 1)
    columns = step.op(Op.RESHAPE, ("x",), (8,))
    table = step.op(Op.ADD, ("x", columns), (1, 8, 8))
    model = step.model(step.dense(step.last(table), 1))
    assert stream(model) is model


def test_rows_before_the_last_can_be_read() -> None:
    step = Step(12, 2)
    h = step.same(Op.TANH, step.conv(step.conv("x", 4, 3), 4, 2))
    joined = step.op(Op.CONCAT, (step.last(h), step.last(h, back=4)), (1, 1, 8), axis=-1)
    model = step.model(step.dense(joined, 2))
    streamed = stream(model)
    assert streamed is not model
    assert_same_frames(model, streamed)
    assert 5 in kept_rows(streamed).values()


def test_what_mixes_moments_reads_kept_rows() -> None:
    step = Step(10, 1)
    h = step.conv(step.same(Op.TANH, step.dense("x", 6)), 6, 2)
    later = step.op(Op.SLICE, (h,), (1, 8, 6), axis=-2, begin=2, end=10)
    flat = step.op(Op.RESHAPE, (later,), (1, 1, 48))
    model = step.model(step.dense(flat, 1))
    streamed = stream(model)
    assert kept_rows(streamed)[h] == 8 and later not in kept_rows(streamed)
    assert_same_frames(model, streamed)


def test_padding_that_is_read_makes_a_tensor_mixed() -> None:
    step = Step(10, 1)
    wide = step.dense(step.same(Op.TANH, step.dense("x", 16)), 16)
    h = step.conv(wide, 2, 2)  # all its rows are read, the first of which sees the padding
    model = step.model(step.dense(step.op(Op.RESHAPE, (h,), (1, 1, 20)), 1))
    streamed = stream(model)
    assert streamed is not model and kept_rows(streamed) == {wide: 10}
    assert_same_frames(model, streamed)


def test_a_constant_for_every_row_makes_a_tensor_mixed() -> None:
    step = Step(10, 1)
    step.constants["position"] = torch.randn(10, 4).numpy()
    h = step.op(Op.ADD, (step.dense("x", 4), "position"), (1, 10, 4))
    model = step.model(step.dense(step.last(step.dense(h, 4)), 1))
    streamed = stream(model)
    if streamed is not model:
        assert h not in kept_rows(streamed)
        assert_same_frames(model, streamed)


def test_layout_changes_carry_the_time_axis_along() -> None:
    step = Step(9, 2)
    turned = step.op(Op.TRANSPOSE, ("x",), (1, 2, 9), axes=(-3, -1, -2))
    back = step.op(Op.TRANSPOSE, (turned,), (1, 9, 2), axes=(-3, -1, -2))
    unfolded = step.op(Op.UNFOLD, (step.pad(back, 2),), (1, 9, 6), kernel=3, dilation=1, stride=1)
    taps = step.op(Op.RESHAPE, (unfolded,), (1, 9, 3, 2))
    pooled = step.op(Op.MEAN, (taps,), (1, 9, 1, 2), axis=-2)
    row = step.last(step.conv(step.op(Op.RESHAPE, (pooled,), (1, 9, 2)), 8, 3))
    model = step.model(step.dense(row, 2))
    assert_same_frames(model, stream(model))
    assert stream(model) is not model


def test_other_forms_stay_as_they_are() -> None:
    model = tcn()
    for other in (
        replace(model, form=RolloutForm.MAP),
        stream(model),
    ):
        assert stream(other) is other


@settings(deadline=None, max_examples=25)
@given(
    dilations=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    spare=st.integers(0, 3),
    features=st.integers(1, 3),
    block=st.integers(1, 4),
)
def test_any_stack_of_causal_convolutions_streams(
    dilations: list[int], spare: int, features: int, block: int
) -> None:
    length = max(1 + 2 * sum(dilations), 2 * block) + spare
    model = tcn(length, tuple(dilations), features, block)
    streamed = streaming_form(model)
    assert streamed.length == block
    assert_same_frames(model, streamed, extra_rows=spare)


@settings(deadline=None, max_examples=25)
@given(
    layers=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([1, 1, 2, 3]), st.integers(1, 2)),
        min_size=1,
        max_size=3,
    ),
    block=st.sampled_from([1, 2, 3, 4, 6]),
    rows=st.integers(1, 3),
    extra=st.integers(0, 4),
    kept_price=st.sampled_from([0, KEPT_PRICE]),
)
def test_any_stack_of_strided_convolutions_streams(
    layers: list[tuple[int, int, int]], block: int, rows: int, extra: int, kept_price: int
) -> None:
    length = rows
    for kernel, stride, dilation in reversed(layers):
        length = (length - 1) * stride + (kernel - 1) * dilation + 1
    model = strided_stack(max(length, block), layers, block)
    assert_same_frames(model, streaming_form(model, kept_price), extra)


def test_patches_are_embedded_once() -> None:
    model = strided_stack(32, [(8, 4, 1), (2, 1, 1)], 4)
    streamed = stream(model)
    assert streamed.form is RolloutForm.RECURRENT and streamed.length == 4
    patches = next(node for node in streamed.graph.nodes if node.op is Op.DENSE)
    assert patches.shape == (1, 4, 4)  # the rows as they are lifted; then one patch of them
    assert [n.shape[-2] for n in streamed.graph.nodes if n.op is Op.TANH] == [1, 1]
    assert_same_frames(model, streamed)


def test_rows_that_are_pooled_in_groups_stream() -> None:
    step = Step(12, 2)
    grouped = step.op(Op.RESHAPE, (step.dense("x", 4),), (1, 6, 2, 4))
    pooled = step.op(Op.MAX, (grouped,), (1, 6, 1, 4), axis=-2)
    h = step.dense(step.op(Op.RESHAPE, (pooled,), (1, 6, 4)), 6)
    flat = step.op(Op.RESHAPE, (h,), (1, 1, 36))
    model = step.model(step.rows_ahead(flat, 2))
    streamed = streaming_form(model)
    assert streamed.graph.shapes[pooled] == (1, 1, 1, 4)
    assert_same_frames(model, streamed, extra_rows=1)


def test_a_block_of_output_rows_comes_from_as_many_rows() -> None:
    step = Step(20, 2)
    h = step.conv(step.dense("x", 4), 4, 3)
    ahead = step.same(Op.ADD, step.dense(h, 2), "x")
    model = step.model(step.last(ahead, rows=4))
    streamed = stream(model)
    assert streamed.graph.shapes[h] == (1, 4, 4)
    assert_same_frames(model, streamed, extra_rows=3)


def test_the_last_row_may_go_unread() -> None:
    step = Step(12, 1)
    h = step.conv(step.op(Op.SLICE, ("x",), (1, 10, 1), axis=-2, begin=0, end=10), 4, 3)
    model = step.model(step.dense(step.last(h), 1))
    assert_same_frames(model, streaming_form(model))


@settings(deadline=None, max_examples=25)
@given(
    kernels=st.lists(st.integers(2, 5), min_size=1, max_size=3),
    spare=st.integers(0, 3),
    features=st.integers(1, 2),
    block=st.integers(1, 3),
)
def test_any_stack_of_causal_averages_streams(
    kernels: list[int], spare: int, features: int, block: int
) -> None:
    length = max(1 + sum(kernels) - len(kernels), block) + spare
    model = averages(length, tuple(kernels), features, block)
    streamed = streaming_form(model)
    made = [n for n in streamed.graph.nodes if n.op is Op.MOVING_SUM]
    assert made and all(node.shape[1] <= block for node in made)
    assert_same_frames(model, streamed, extra_rows=spare)


def test_averages_that_reach_over_no_end_are_made_row_by_row() -> None:
    step = Step(12, 1)
    trend = step.average(step.dense("x", 4), 5, before=2, after=2)
    model = step.model(step.dense(step.last(step.same(Op.TANH, trend), back=2), 1))
    streamed = stream(model)
    (node,) = (n for n in streamed.graph.nodes if n.op is Op.MOVING_SUM)
    assert node.shape == (1, 1, 4) and node.attrs["before"] == node.attrs["after"] == 0
    assert_same_frames(model, streamed)


def test_averages_that_reach_over_an_end_are_computed_as_a_whole() -> None:
    step = Step(12, 1)
    trend = step.average(step.dense("x", 4), 5, before=2, after=2)
    model = step.model(step.dense(step.last(step.same(Op.TANH, trend)), 1))
    streamed = streaming_form(model)
    (node,) = (n for n in streamed.graph.nodes if n.op is Op.MOVING_SUM)
    assert node.shape == (1, 12, 4) and node.attrs["after"] == 2
    assert_same_frames(model, streamed)


def test_averages_along_another_axis_keep_the_time_axis() -> None:
    step = Step(8, 1)
    h = step.dense("x", 6)
    smooth = step.op(Op.MOVING_SUM, (h,), (1, 8, 6), axis=-1, kernel=3, before=1, after=1, gain=0.5)
    model = step.model(step.dense(step.last(step.conv(smooth, 4, 3)), 1))
    streamed = stream(model)
    (node,) = (n for n in streamed.graph.nodes if n.op is Op.MOVING_SUM)
    assert node.shape == (1, 1, 6) and node.attrs["before"] == 1
    assert_same_frames(model, streamed)
