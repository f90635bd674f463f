"""Moving sums are found however they are written, and change no number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.windowed_graphs import Step
from tqs_edge.graph.evaluate import step as evaluate
from tqs_edge.graph.graph import Graph, Op
from tqs_edge.graph.moving_sums import find_moving_sums

FEATURES, LENGTH = 2, 9
UNFOLDED = {"dilation": 1, "stride": 1}


def between_ends(step: Step, x: str, before: int, after: int) -> str:
    """x between copies of its first row and of its last."""
    _, rows, columns = step.shapes[x]
    first = step.op(Op.SLICE, (x,), (1, 1, columns), axis=-2, begin=0, end=1)
    final = step.op(Op.SLICE, (x,), (1, 1, columns), axis=-2, begin=rows - 1, end=rows)
    parts = (*[first] * before, x, *[final] * after)
    return step.op(Op.CONCAT, parts, (1, before + rows + after, columns), axis=-2)


def windows(step: Step, x: str, kernel: int, **changed: int) -> str:
    """(1, T, C) -> (1, T', kernel, C)."""
    attrs = {**UNFOLDED, "kernel": kernel, **changed}
    _, rows, columns = step.shapes[x]
    count = (rows - 1 - (kernel - 1) * attrs["dilation"]) // attrs["stride"] + 1
    unfolded = step.op(Op.UNFOLD, (x,), (1, count, kernel * columns), **attrs)
    return step.op(Op.RESHAPE, (unfolded,), (1, count, kernel, columns))


def reduced(step: Step, taps: str, op: Op = Op.MEAN) -> str:
    _, count, _, columns = step.shapes[taps]
    made = step.op(op, (taps,), (1, count, 1, columns), axis=-2)
    return step.op(Op.RESHAPE, (made,), (1, count, columns))


def read(step: Step, averages: str) -> Graph:
    """The step that a dense layer ends which reads all averages."""
    flat = step.op(Op.RESHAPE, (averages,), (1, 1, int(np.prod(step.shapes[averages]))))
    return step.model(step.dense(flat, FEATURES)).graph


def values(graph: Graph) -> torch.Tensor:
    x = torch.randn(4, *graph.shapes["x"], generator=torch.Generator().manual_seed(0)).double()
    constants = {k: torch.from_numpy(v).double() for k, v in graph.constants.items()}
    return evaluate(graph, {"x": x}, weight=constants.__getitem__)[graph.output]


def found(graph: Graph) -> tuple[Graph, list[dict[str, float]]]:
    """The rewritten graph, which computes the same, and the attributes of its moving sums."""
    again = find_moving_sums(graph)
    torch.testing.assert_close(values(again), values(graph), rtol=1e-12, atol=1e-12)
    assert find_moving_sums(again) is again
    return again, [dict(node.attrs) for node in again.nodes if node.op is Op.MOVING_SUM]


def operations(graph: Graph) -> set[Op]:
    return {node.op for node in graph.nodes}


@given(
    before=st.integers(0, 6),
    after=st.integers(0, 6),
    length=st.integers(1, 9),
    kernel=st.integers(2, 9),
    op=st.sampled_from([Op.MEAN, Op.SUM]),
)
def test_averages_between_repeated_ends_read_the_series(
    before: int, after: int, length: int, kernel: int, op: Op
) -> None:
    kernel = min(kernel, before + length + after)
    if kernel < 2:
        return
    step = Step(length, FEATURES)
    series = between_ends(step, "x", before, after) if before + after else "x"
    graph, sums = found(read(step, reduced(step, windows(step, series, kernel), op)))
    assert operations(graph) == {Op.MOVING_SUM, Op.RESHAPE, Op.DENSE}
    (attrs,) = sums
    assert (attrs["kernel"], attrs["axis"]) == (kernel, -2)
    assert attrs["gain"] == (1 / kernel if op is Op.MEAN else 1.0)
    if length > 1:  # of a single row every entry is an end
        assert (attrs["before"], attrs["after"]) == (before, after)


def test_ends_may_be_joined_before_they_are_repeated() -> None:
    step = Step(LENGTH, FEATURES)
    front = between_ends(step, step.op(Op.SLICE, ("x",), (1, 1, 2), axis=-2, begin=0, end=1), 1, 0)
    joined = step.op(Op.CONCAT, (front, "x"), (1, LENGTH + 2, 2), axis=-2)
    graph, (attrs,) = found(read(step, reduced(step, windows(step, joined, 3))))
    assert Op.CONCAT not in operations(graph) and (attrs["before"], attrs["after"]) == (2, 0)


def test_a_part_of_a_series_is_cut_out_once() -> None:
    step = Step(LENGTH, FEATURES)
    part = step.op(Op.SLICE, ("x",), (1, 6, 2), axis=-2, begin=2, end=8)
    graph, (attrs,) = found(
        read(step, reduced(step, windows(step, between_ends(step, part, 1, 1), 3)))
    )
    assert [n.shape for n in graph.nodes if n.op is Op.SLICE] == [(1, 6, 2)]
    assert (attrs["before"], attrs["after"]) == (1, 1)


def test_other_padding_is_read_as_it_is() -> None:
    step = Step(LENGTH, FEATURES)
    graph, (attrs,) = found(read(step, reduced(step, windows(step, step.pad("x", 2, 2), 5))))
    assert Op.CONCAT in operations(graph) and attrs["before"] == attrs["after"] == 0
    step = Step(LENGTH, FEATURES)
    second = step.op(Op.SLICE, ("x",), (1, 1, 2), axis=-2, begin=1, end=2)
    mirrored = step.op(Op.CONCAT, (second, "x"), (1, LENGTH + 1, 2), axis=-2)
    graph, (attrs,) = found(read(step, reduced(step, windows(step, mirrored, 4))))
    assert Op.CONCAT in operations(graph) and attrs["before"] == 0


@pytest.mark.parametrize("behind", [False, True])
def test_factors_become_gains(behind: bool) -> None:
    step = Step(LENGTH, FEATURES)
    taps = windows(step, "x", 4)
    factor = {"scale": 0.3, "offset": 0.0}
    taps = taps if behind else step.same(Op.AFFINE, taps, **factor)
    sums = reduced(step, taps, Op.SUM)
    sums = step.same(Op.AFFINE, sums, **factor) if behind else sums
    graph, (attrs,) = found(read(step, sums))
    assert attrs["gain"] == pytest.approx(0.3) and Op.AFFINE not in operations(graph)


def test_a_factor_behind_sums_that_something_else_reads_stays() -> None:
    step = Step(LENGTH, FEATURES)
    sums = reduced(step, windows(step, "x", 4), Op.SUM)
    half = step.same(Op.AFFINE, sums, scale=0.5, offset=0.0)
    graph, (attrs,) = found(read(step, step.same(Op.MUL, sums, half)))
    assert attrs["gain"] == 1.0 and Op.AFFINE in operations(graph)


def test_a_convolution_of_one_channel_with_equal_weights() -> None:
    step = Step(LENGTH, 1)
    step.constants["k.weight"] = np.full((1, 4), 0.2, np.float32)
    unfolded = step.op(Op.UNFOLD, ("x",), (1, 6, 4), **UNFOLDED, kernel=4)
    graph, (attrs,) = found(
        read(step, step.op(Op.DENSE, (unfolded,), (1, 6, 1), weight="k.weight"))
    )
    assert attrs["gain"] == pytest.approx(0.2) and "k.weight" not in graph.constants


def test_a_difference_of_cumulative_sums() -> None:
    step = Step(LENGTH, FEATURES)
    turned = step.op(Op.TRANSPOSE, ("x",), (1, 2, LENGTH), axes=(-3, -1, -2))
    step.constants["tri"] = np.tri(LENGTH, dtype=np.float32)
    total = step.op(Op.DENSE, (turned,), (1, 2, LENGTH), weight="tri")
    later, sooner = (
        step.op(Op.SLICE, (total,), (1, 2, 5), axis=-1, begin=b, end=b + 5) for b in (4, 1)
    )
    moved = step.op(Op.SUB, (later, sooner), (1, 2, 5))
    back = step.op(Op.TRANSPOSE, (moved,), (1, 5, 2), axes=(-3, -1, -2))
    graph, (attrs,) = found(read(step, back))
    assert (attrs["kernel"], attrs["axis"]) == (3, -2)
    assert operations(graph) == {Op.SLICE, Op.MOVING_SUM, Op.RESHAPE, Op.DENSE}


def test_transposes_around_averages_cancel() -> None:
    step = Step(LENGTH, FEATURES)
    turned = step.op(Op.TRANSPOSE, ("x",), (1, 2, LENGTH), axes=(-3, -1, -2))
    rows = step.op(Op.RESHAPE, (turned,), (1, 2, LENGTH, 1))
    unfolded = step.op(Op.UNFOLD, (rows,), (1, 2, 6, 4), **UNFOLDED, kernel=4)
    means = step.op(Op.MEAN, (unfolded,), (1, 2, 6, 1), axis=-1)
    flat = step.op(Op.RESHAPE, (means,), (1, 2, 6))
    back = step.op(Op.TRANSPOSE, (flat,), (1, 6, 2), axes=(-3, -1, -2))
    graph, _ = found(read(step, back))
    assert operations(graph) == {Op.MOVING_SUM, Op.RESHAPE, Op.DENSE}


def unequal() -> Graph:
    step = Step(LENGTH, 1)
    step.constants["k.weight"] = np.float32([[0.2, 0.3, 0.2]])
    unfolded = step.op(Op.UNFOLD, ("x",), (1, 7, 3), **UNFOLDED, kernel=3)
    return read(step, step.op(Op.DENSE, (unfolded,), (1, 7, 1), weight="k.weight"))


def strided() -> Graph:
    step = Step(LENGTH, FEATURES)
    return read(step, reduced(step, windows(step, "x", 3, stride=2)))


def dilated() -> Graph:
    step = Step(LENGTH, FEATURES)
    return read(step, reduced(step, windows(step, "x", 3, dilation=2)))


def largest() -> Graph:
    step = Step(LENGTH, FEATURES)
    return read(step, reduced(step, windows(step, "x", 3), Op.MAX))


def over_channels() -> Graph:
    step = Step(LENGTH, FEATURES)
    taps = windows(step, "x", 3)
    means = step.op(Op.MEAN, (taps,), (1, 7, 3, 1), axis=-1)
    return read(step, step.op(Op.RESHAPE, (means,), (1, 7, 3)))


def nothing_else() -> Graph:
    step = Step(4, 1)
    step.constants["k.weight"] = np.full((1, 4), 0.25, np.float32)
    unfolded = step.op(Op.UNFOLD, ("x",), (1, 1, 4), **UNFOLDED, kernel=4)
    return step.model(step.op(Op.DENSE, (unfolded,), (1, 1, 1), weight="k.weight")).graph


@pytest.mark.parametrize("make", [unequal, strided, dilated, largest, over_channels, nothing_else])
def test_other_steps_stay_as_they_are(make) -> None:
    graph = make()
    assert find_moving_sums(graph) is graph
