"""Row kernels of mve/ on a simulated Cortex-M55: equal to the integer reference."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.executors import emitted, model_of, program_of
from tests.kernels.nonlinear_cases import rows_of_every_size
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.integer.nonlinear_ops import DeviationOp, MatmulOp, NormalizeOp, SoftmaxOp
from tqs_edge.integer.program import ConcatOp, IntegerOp, IntegerProgram, ReshapeOp, SliceOp
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import run_reference

LENGTHS = (1, 3, 4, 7, 8, 9, 16, 33)
ROWS = 2


def softmax(length: int, scale: float) -> IntegerProgram:
    """Softmax of rows of integers times `scale`."""
    shift = min(62, 46 - math.ceil(math.log2(scale * math.log2(math.e) * 65536)))
    multiplier = math.floor(scale * math.log2(math.e) * 65536 * 2.0 ** (shift - 15) + 0.5)
    return of_rows(length, SoftmaxOp("y_rows", "rows", multiplier, shift))


def of_rows(length: int, op: SoftmaxOp | NormalizeOp | DeviationOp) -> IntegerProgram:
    """An operation on ROWS rows."""
    width = 1 if isinstance(op, DeviationOp) else length
    shapes = {"rows": (ROWS, length), "y_rows": (ROWS, width), "flat": (1, ROWS * width)}
    steps = (ReshapeOp("rows", "v"), op, ReshapeOp("flat", "y_rows"))
    return filled_up(ROWS * length, shapes, *steps)


def filled_up(
    elements: int, shapes: dict[str, tuple[int, ...]], *steps: IntegerOp
) -> IntegerProgram:
    """The steps, and behind "flat" what is left of x, as models' outputs are as long as inputs."""
    length = shapes["flat"][-1]
    if length < elements:
        shapes |= {"left": (1, elements - length), "whole": (1, elements)}
        left = SliceOp("left", "v", -1, length, elements)
        steps = (*steps, left, ConcatOp("whole", ("flat", "left"), -1))
    return program_of((1, elements), 16, shapes, *steps)


def product(rows: int, depth: int, columns: int) -> IntegerProgram:
    """Two matrices times two, all from one vector."""
    parts = {"a": (2, rows, depth), "b": (2, depth, columns), "product": (2, rows, columns)}
    first, second = 2 * rows * depth, 2 * depth * columns
    shapes = {"a_flat": (1, first), "b_flat": (1, second), **parts}
    steps = (
        SliceOp("a_flat", "v", -1, 0, first),
        SliceOp("b_flat", "v", -1, first, first + second),
        ReshapeOp("a", "a_flat"),
        ReshapeOp("b", "b_flat"),
        MatmulOp("product", ("a", "b"), (1 << 31) - 1, 46 + depth.bit_length() - 1),
        ReshapeOp("flat", "product"),
    )
    shapes["flat"] = (1, 2 * rows * columns)
    return filled_up(first + second, shapes, *steps)


PROGRAMS = {
    **{f"softmax {n} {s}": softmax(n, s) for n in LENGTHS for s in (1e-6, 2e-3, 0.1)},
    **{
        f"normalize {n} {m} {s}": of_rows(n, NormalizeOp("y_rows", "rows", 12345, m, s))
        for n in LENGTHS
        for m, s in ((1 << 30, 2), (1 << 29, 9), (987654321, 17), (1, 31))
    },
    **{
        f"deviation {n}": of_rows(n, DeviationOp("y_rows", "rows", 1, 987654321, 40))
        for n in LENGTHS
    },
    **{
        f"product {shape}": product(*shape)
        for shape in (
            (1, 1, 1),
            (3, 7, 2),
            (2, 8, 5),
            (2, 9, 3),
            (1, 40, 4),
            (4, 4, 11),
            (1, 1, 9363),
        )
    },
}
QUICK = ("softmax 7 0.002", "normalize 9 987654321 17", "deviation 16", "product (2, 9, 3)")


@pytest.mark.qemu
@pytest.mark.parametrize(
    "compiler",
    [pytest.param("gcc", marks=pytest.mark.arm), pytest.param("zig", marks=pytest.mark.zig)],
)
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in PROGRAMS]
)
def test_row_kernels_equal_the_reference(name: str, compiler: str, tmp_path: Path) -> None:
    program = PROGRAMS[name]
    model = model_of(program)
    contexts = rows_of_every_size(program.tensors[program.input].shape[-1])[:, None]
    board = load_board("mps3-an547")
    firmware = build(emitted(program), board, find_toolchain(compiler, board.core), tmp_path)
    frames = run(firmware, contexts, 1, runner="qemu").frames
    np.testing.assert_array_equal(frames, run_reference(program, model, contexts, 1).frames)
