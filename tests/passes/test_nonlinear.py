"""Functions, quotients, rows and matrix products: reference, LLVM and C agree on every integer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.passes.one_operation import Shapes, assert_all_equal, program_of, random_integers
from tqs_edge.graph.functions import FUNCTIONS
from tqs_edge.graph.graph import Op
from tqs_edge.integer.build_nonlinear import Q15
from tqs_edge.integer.nonlinear_ops import WaveOp
from tqs_edge.quant.waves import MAX_ERROR

ROUNDS = 60
SWEEP = np.arange(-32768, 32768).astype(np.int16).reshape(4, 1, -1)  # every input of a function


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_agree_on_every_input(function: str, tmp_path: Path) -> None:
    y_scale = {"rsqrt": 3e-3, "reciprocal": 0.01}.get(function, 2e-4)
    shapes = Shapes((1, 16384), (1, 16384))
    program = program_of(Op.FUNCTION, shapes, [2e-4], y_scale, function=function)
    y = assert_all_equal(program, tmp_path, SWEEP)
    assert y.std() > 100


@pytest.mark.parametrize(("function", "y_scale"), [("sqrt", 1e-9), ("rsqrt", 1e-7), ("log", 1e-8)])
def test_outputs_finer_than_a_function_can_be_are_rescaled(
    function: str, y_scale: float, tmp_path: Path
) -> None:
    shapes = Shapes((1, 16384), (1, 16384))
    program = program_of(Op.FUNCTION, shapes, [2e-5], y_scale, function=function)
    assert len(program.ops) == 2
    assert_all_equal(program, tmp_path, SWEEP)


@pytest.mark.parametrize("function", ["sin", "cos"])
def test_waves_of_many_turns_agree_on_every_input(function: str, tmp_path: Path) -> None:
    shapes = Shapes((1, 16384), (1, 16384))
    program = program_of(Op.FUNCTION, shapes, [1e-3], 4e-5, function=function)
    y = assert_all_equal(program, tmp_path, SWEEP)
    assert isinstance(program.ops[0], WaveOp)
    exact = {"sin": np.sin, "cos": np.cos}[function](SWEEP * 1e-3)
    assert np.abs(y * 4e-5 - exact).max() < MAX_ERROR + 4e-5


@pytest.mark.parametrize(
    "shapes",
    [
        Shapes((1, 8), (1, 8), (1, 8)),
        Shapes((3, 4), (3, 4), (3, 1)),
        Shapes((4,), (3, 4), (3, 1)),
        Shapes((1, 2, 3), (4, 2, 3), (4, 1, 3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("y_scale", [1e-3, 2.0**-14, 1e-7])
def test_quotients_agree(shapes: Shapes, y_scale: float, tmp_path: Path) -> None:
    program = program_of(Op.DIV, shapes, [2e-4, 3e-4], y_scale)
    assert shapes.second
    a, b = (random_integers(s, ROUNDS, n) for n, s in enumerate((shapes.x, shapes.second)))
    assert_all_equal(program, tmp_path, a, b)


ROWS = [(1, 1), (1, 2), (2, 3), (3, 2, 7), (5,), (1, 64), (2, 300)]


@pytest.mark.parametrize("shape", ROWS, ids=str)
@pytest.mark.parametrize("scale", [1e-6, 3e-4, 0.1])
def test_softmax_agrees(shape: tuple[int, ...], scale: float, tmp_path: Path) -> None:
    program = program_of(Op.SOFTMAX, Shapes(shape, shape), [scale], Q15)
    assert_all_equal(program, tmp_path, random_integers(shape, ROUNDS, 0))


@pytest.mark.parametrize("shape", ROWS, ids=str)
@pytest.mark.parametrize(("scale", "eps"), [(3e-4, 1e-5), (1e-6, 1e-3), (0.5, 1e-12)])
@pytest.mark.parametrize("op", [Op.NORMALIZE, Op.DEVIATION])
def test_normalisation_agrees(
    op: Op, shape: tuple[int, ...], scale: float, eps: float, tmp_path: Path
) -> None:
    out = shape if op is Op.NORMALIZE else (*shape[:-1], 1)
    y_scale = 1e-4 if op is Op.NORMALIZE else scale / 2
    program = program_of(op, Shapes(shape, out), [scale], y_scale, eps=eps)
    assert_all_equal(program, tmp_path, random_integers(shape, ROUNDS, 0))


@pytest.mark.parametrize(
    "shapes",
    [
        Shapes((2, 3), (2, 4), (3, 4)),
        Shapes((1, 1), (1, 1), (1, 1)),
        Shapes((2, 5, 33), (2, 5, 3), (2, 33, 3)),
        Shapes((2, 5, 4), (2, 5, 3), (4, 3)),
        Shapes((1, 5, 4), (2, 2, 5, 3), (2, 2, 4, 3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("y_scale", [1e-3, 1e-9])
def test_matrix_products_agree(shapes: Shapes, y_scale: float, tmp_path: Path) -> None:
    program = program_of(Op.MATMUL, shapes, [1e-3, 2.0**-15], y_scale)
    assert shapes.second
    a, b = (random_integers(s, ROUNDS, n) for n, s in enumerate((shapes.x, shapes.second)))
    assert_all_equal(program, tmp_path, a, b)
