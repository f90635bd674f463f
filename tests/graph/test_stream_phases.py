"""Windows that move on by less than a stride: rows of all its phases are made, one at a time."""

from __future__ import annotations

import pytest

from tests.graph.test_stream import assert_same_frames, kept_rows
from tests.graph.test_stream_exog import assert_same_frames as assert_same_with_exog
from tests.graph.windowed_graphs import Step, strided_stack
from tqs_edge.graph.graph import Op
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.stream import KEPT_PRICE, products, stream, streaming_form


def rows_of(model: RolloutModel, op: Op) -> list[int]:
    return [node.shape[-2] for node in model.graph.nodes if node.op is op]


def test_one_patch_is_embedded_in_each_step() -> None:
    model = strided_stack(64, [(16, 8, 1)], 1)
    streamed = stream(model)
    assert streamed is not model and rows_of(streamed, Op.TANH) == [1]
    (tanh,) = (node.name for node in model.graph.nodes if node.op is Op.TANH)
    assert kept_rows(streamed)[tanh] == 64 - 16 + 1 and max(kept_rows(streamed).values()) == 49
    assert products(streamed.graph) * 4 < products(model.graph)
    assert_same_frames(model, streamed, extra_rows=3)


def test_as_many_phases_are_made_as_the_window_moves_on_by() -> None:
    model = strided_stack(31, [(4, 3, 1)], 4)
    streamed = streaming_form(model, kept_price=0)
    assert rows_of(streamed, Op.TANH) == [4]  # one of each moment that is new
    assert rows_of(streaming_form(strided_stack(32, [(6, 4, 1)], 2), 0), Op.TANH) == [1]
    assert_same_frames(model, streamed)


def test_strides_on_strides_read_rows_of_the_phases_before() -> None:
    model = strided_stack(64, [(4, 2, 1), (4, 2, 1), (3, 2, 2)], 1)
    streamed = stream(model)
    assert rows_of(streamed, Op.TANH) == [1, 1, 1]
    assert_same_frames(model, streamed)


def test_what_saves_too_little_is_computed_as_a_whole() -> None:
    step = Step(64, 1)
    h = step.same(Op.TANH, step.strided("x", 16, 2, 20))  # two products for each of 61 rows kept
    model = step.model(step.rows_ahead(step.op(Op.RESHAPE, (h,), (1, 1, 64)), 1))
    assert rows_of(streaming_form(model), Op.TANH) == [4]
    assert rows_of(streaming_form(model, 0), Op.TANH) == [1]
    for price in (0, KEPT_PRICE):
        assert_same_frames(model, streaming_form(model, price))


@pytest.mark.parametrize("pooling", [Op.MAX, Op.MEAN])
def test_rows_pooled_in_groups_are_pooled_for_every_phase(pooling: Op) -> None:
    step = Step(13, 2)
    later = step.last(step.dense("x", 4), rows=12)
    grouped = step.op(Op.RESHAPE, (later,), (1, 4, 3, 4))
    pooled = step.op(pooling, (grouped,), (1, 4, 1, 4), axis=-2)
    h = step.dense(step.op(Op.RESHAPE, (pooled,), (1, 4, 4)), 8)
    model = step.model(step.rows_ahead(step.op(Op.RESHAPE, (h,), (1, 1, 32)), 1))
    streamed = streaming_form(model, 0)
    assert streamed.graph.shapes[pooled] == (1, 1, 1, 4)
    assert_same_frames(model, streamed, extra_rows=1)


def test_a_mean_over_patches_reads_one_phase() -> None:
    step = Step(20, 1)
    h = step.same(Op.TANH, step.strided("x", 6, 8, 3))
    mean = step.op(Op.MEAN, (h,), (1, 1, 6), axis=-2)
    model = step.model(step.dense(mean, 1))
    streamed = streaming_form(model, 0)
    assert kept_rows(streamed)[h] == 4 * 3 + 1
    assert_same_frames(model, streamed)


@pytest.mark.parametrize("block", [1, 3])
def test_time_may_lie_along_another_axis(block: int) -> None:
    step = Step(21, 1)
    h = step.same(Op.TANH, step.strided("x", 6, 8, 4))
    heads = step.op(Op.RESHAPE, (h,), (4, 2, 3))
    turned = step.op(Op.TRANSPOSE, (heads,), (4, 3, 2), axes=(-3, -1, -2))
    mixed = step.op(Op.MATMUL, (heads, turned), (4, 2, 2))
    flat = step.op(Op.RESHAPE, (mixed,), (1, 1, 16))
    rows = step.op(Op.RESHAPE, (heads,), (1, 1, 24))
    both = step.op(Op.CONCAT, (flat, rows), (1, 1, 40), axis=-1)
    model = step.model(step.rows_ahead(both, block))
    streamed = streaming_form(model, 0)
    assert rows_of(streamed, Op.TANH) == [block]
    assert_same_frames(model, streamed)


def test_padding_that_is_read_makes_strided_rows_mixed() -> None:
    step = Step(16, 2)
    h = step.same(Op.TANH, step.strided(step.pad("x", 2), 4, 6, 4))
    model = step.model(step.rows_ahead(step.op(Op.RESHAPE, (h,), (1, 1, 16)), 1))
    streamed = streaming_form(model, 0)
    assert rows_of(streamed, Op.TANH) == [4]
    assert_same_frames(model, streamed)


def test_patches_of_exogenous_rows_are_embedded_once() -> None:
    step = Step(20, 1, known=21)
    ahead = step.last("exog", rows=20)
    joined = step.op(Op.CONCAT, ("x", ahead), (1, 20, 3), axis=-1)
    h = step.same(Op.TANH, step.strided(joined, 6, 8, 4))
    model = step.model(step.rows_ahead(step.op(Op.RESHAPE, (h,), (1, 1, 24)), 1))
    streamed = streaming_form(model, 0)
    assert rows_of(streamed, Op.TANH) == [1] and kept_rows(streamed)[joined] == 8
    assert_same_with_exog(model, streamed, 2)


def test_a_moving_sum_over_patches_is_of_rows_of_one_phase() -> None:
    step = Step(26, 1)
    h = step.same(Op.TANH, step.strided("x", 6, 8, 3))
    ends = {"before": 0, "after": 0}
    sums = step.op(Op.MOVING_SUM, (h,), (1, 5, 6), axis=-2, kernel=3, **ends, gain=0.5)
    model = step.model(step.rows_ahead(step.op(Op.RESHAPE, (sums,), (1, 1, 30)), 1))
    assert_same_frames(model, streaming_form(model, 0))
