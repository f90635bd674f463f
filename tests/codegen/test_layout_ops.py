"""Operations that move elements are the same integers by every executor."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.executors import check_executors_agree, emitted, integers, program_of
from tqs_edge.integer.layout_ops import TransposeOp, UnfoldOp
from tqs_edge.integer.program import ConcatOp


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("axes", [(-1, -2), *permutations((-3, -2, -1))])
def test_transpose_permutes_the_axes(axes: tuple[int, ...], bits: int, tmp_path: Path) -> None:
    shape = (3, 5, 2)[-len(axes) :]
    moved = tuple(shape[axis] for axis in axes)
    program = program_of(shape, bits, {"t": moved}, TransposeOp("t", "v", axes))
    x = integers(shape)
    y = check_executors_agree(program, x, tmp_path)
    limit = 1 << (bits - 1)
    want = np.stack([row.transpose(axes) for row in x])
    np.testing.assert_array_equal(y, want.clip(-limit, limit - 1))


def test_a_transpose_of_a_single_row_is_no_copy() -> None:
    program = program_of((1, 7), 16, {"t": (7, 1)}, TransposeOp("t", "v", (-1, -2)))
    assert "step_t" not in emitted(program).files["model.c"]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kernel, dilation, stride", [(3, 1, 1), (2, 3, 1), (4, 2, 3), (1, 1, 2)])
@pytest.mark.parametrize("shape", [(1, 9, 1), (2, 8, 3)])
def test_unfold_lays_rows_side_by_side(
    shape: tuple[int, ...], kernel: int, dilation: int, stride: int, bits: int, tmp_path: Path
) -> None:
    rows = (shape[-2] - (kernel - 1) * dilation - 1) // stride + 1
    unfolded = (shape[0], rows, kernel * shape[-1])
    op = UnfoldOp("u", "v", kernel, dilation, stride)
    x = integers(shape)
    y = check_executors_agree(program_of(shape, bits, {"u": unfolded}, op), x, tmp_path)
    limit = 1 << (bits - 1)
    v = x.clip(-limit, limit - 1)
    for t in range(rows):
        for j in range(kernel):
            columns = slice(j * shape[-1], (j + 1) * shape[-1])
            np.testing.assert_array_equal(y[..., t, columns], v[..., t * stride + j * dilation, :])


def test_unfolding_divides_nothing() -> None:
    program = program_of((1, 9, 3), 16, {"u": (1, 4, 6)}, UnfoldOp("u", "v", 2, 1, 2))
    body = emitted(program).files["model.c"].partition("step_u(")[2].partition("}\n\n")[0]
    assert "/ " not in body and "%" not in body


@pytest.mark.parametrize("kernel, rows", [(9, 1), (1, 9)])
def test_unfolding_that_moves_nothing_is_no_copy(kernel: int, rows: int) -> None:
    op = UnfoldOp("u", "v", kernel, 1, 1)
    program = program_of((1, 9, 3), 16, {"u": (1, rows, 3 * kernel)}, op)
    assert "step_u" not in emitted(program).files["model.c"]


@pytest.mark.parametrize("bits", [8, 16])
def test_constants_are_joined_at_their_place(bits: int, tmp_path: Path) -> None:
    constants = {"zeros": np.zeros((2, 2, 3), int), "ramp": np.arange(6).reshape(2, 1, 3)}
    op = ConcatOp("c", ("zeros", "v", "ramp", "zeros"), -2)
    program = program_of((2, 4, 3), bits, {"c": (2, 9, 3)}, op, constants=constants)
    y = check_executors_agree(program, integers((2, 4, 3)), tmp_path)
    assert not y[:, :, :2].any() and not y[:, :, 7:].any()
    np.testing.assert_array_equal(y[:, :, 6:7], np.broadcast_to(constants["ramp"], (5, 2, 1, 3)))


def test_padding_is_written_and_not_stored() -> None:
    constants = {"zeros": np.zeros((1, 2, 3), int)}
    op = ConcatOp("c", ("zeros", "v"), -2)
    program = program_of((1, 4, 3), 16, {"c": (1, 6, 3)}, op, constants=constants)
    assert "zeros" not in emitted(program).files["model_weights.h"]
