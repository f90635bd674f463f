"""Dense kernels on unfolded and transposed rows, which are copied only where they have to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.codegen.executors import check_executors_agree, emitted, integers
from tests.passes.small_models import mixed_plan
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram


def convolution(
    shape: tuple[int, ...], kernel: int, dilation: int = 1, stride: int = 1, bits: int = 16
) -> IntegerProgram:
    """x -> unfolded rows -> y of three channels."""
    rows = (shape[-2] - (kernel - 1) * dilation - 1) // stride + 1
    unfolded = (*shape[:-2], rows, kernel * shape[-1])
    attrs = {"kernel": kernel, "dilation": dilation, "stride": stride}
    return on_rows(shape, Node("rows", Op.UNFOLD, ("x",), unfolded, attrs), bits)


def mixing(shape: tuple[int, ...], axes: tuple[int, ...], bits: int = 16) -> IntegerProgram:
    """x -> transposed -> y of three columns."""
    turned = tuple(shape[axis] for axis in axes)
    return on_rows(shape, Node("rows", Op.TRANSPOSE, ("x",), turned, {"axes": axes}), bits)


def on_rows(shape: tuple[int, ...], rows: Node, bits: int) -> IntegerProgram:
    """A dense layer on what `rows` makes of x."""
    nodes = (rows, Node("y", Op.DENSE, ("rows",), (*rows.shape[:-1], 3), {}, "w"))
    weights = np.random.default_rng(0).normal(size=(3, rows.shape[-1])).astype(np.float32)
    shapes = {"x": shape, **{n.name: n.shape for n in nodes}}
    graph = Graph("x", None, (), "y", nodes, {"w": weights}, shapes)
    return build_program(graph, mixed_plan(graph, bits, 16, (8, 4)), dict.fromkeys(shapes, 3.0))


def calls(program: IntegerProgram) -> list[str]:
    """What the step calls or copies up to y, in order."""
    body = emitted(program).files["model.c"].partition("tqs_model_status tqs_model_step(")[2]
    lines = (line.strip() for line in body.splitlines())
    names = [line.partition("(")[0] for line in lines if line.startswith(("step_", "copy_"))]
    return names[: names.index("step_y") + 1]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "shape, kernel, dilation, stride",
    [
        ((1, 9, 1), 3, 1, 1),
        ((1, 9, 1), 4, 1, 2),
        ((1, 9, 2), 3, 1, 1),
        ((1, 12, 3), 5, 1, 2),
        ((1, 9, 4), 2, 1, 1),
        ((1, 9, 4), 2, 3, 1),
        ((1, 9, 5), 9, 1, 1),
        ((1, 9, 5), 6, 1, 4),
        ((2, 9, 4), 3, 1, 1),
        ((1, 7, 4), 1, 1, 2),
        ((8, 3), 2, 2, 3),
    ],
)
def test_convolutions_are_the_same_by_every_executor(
    shape: tuple[int, ...], kernel: int, dilation: int, stride: int, bits: int, tmp_path: Path
) -> None:
    program = convolution(shape, kernel, dilation, stride, bits)
    y = check_executors_agree(program, integers(shape), tmp_path)
    assert y.std() > 100


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "shape, axes",
    [((1, 9, 3), (-3, -1, -2)), ((2, 5, 4), (-1, -3, -2)), ((2, 5, 4), (-2, -3, -1))],
)
def test_layers_across_time_are_the_same_by_every_executor(
    shape: tuple[int, ...], axes: tuple[int, ...], bits: int, tmp_path: Path
) -> None:
    y = check_executors_agree(mixing(shape, axes, bits), integers(shape), tmp_path)
    assert y.std() > 100


def test_transposed_rows_are_copied_one_at_a_time() -> None:
    assert calls(mixing((1, 40, 3), (-3, -1, -2))) == ["step_y_row", "step_y"]
    assert calls(mixing((1, 1, 40), (-2, -3, -1))) == ["copy_s16", "step_y"]


def test_rows_that_start_at_words_are_read_where_they_lie() -> None:
    assert calls(convolution((1, 9, 2), 3)) == ["copy_s16", "step_y"]
    assert calls(convolution((1, 9, 1), 3, stride=2)) == ["copy_s16", "step_y"]
    assert calls(convolution((1, 9, 4), 3, bits=8)) == ["step_x_a8", "step_y"]


def test_a_single_row_is_read_where_it_lies() -> None:
    assert calls(convolution((1, 9, 3), 9)) == ["copy_s16", "step_y"]
    assert calls(convolution((1, 9, 3), 7, stride=3)) == ["copy_s16", "step_y"]


@pytest.mark.parametrize(
    "shape, dilation", [((1, 40, 1), 1), ((1, 40, 4), 2), ((2, 40, 4), 1), ((2, 20, 3), 3)]
)
def test_other_rows_are_copied_one_at_a_time(shape: tuple[int, ...], dilation: int) -> None:
    program = convolution(shape, 3, dilation)
    assert calls(program) == ["step_y_row", "step_y"]
    assert emitted(program).arena_bytes == 2 * 16  # three or twelve values, read as sixteen


def test_a_single_row_is_copied_once() -> None:
    for program in (convolution((1, 5, 4), 3, dilation=2), mixing((1, 40, 1), (-3, -1, -2))):
        assert calls(program)[1:] == ["step_y"]
        assert "source" not in emitted(program).files["model.c"]  # what y copies rows from
