"""Sums on lanes: the C text in exact integers, and whole loops on a core with MVE."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.executors import emitted, integers, model_of, program_of
from tqs_edge.codegen.lanes_sum import LanesSum, narrowed
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.integer.nonlinear_ops import TableOp
from tqs_edge.integer.program import (
    AffineOp,
    IntegerOp,
    IntegerProgram,
    LutOp,
    ProductOp,
    ScaleOp,
    SliceOp,
)
from tqs_edge.quant.knots import Knots
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import run_reference

LEAST, MOST = -(1 << 15), (1 << 15) - 1
EDGES = (LEAST, LEAST + 1, -16385, -257, -3, -1, 0, 1, 2, 255, 16384, MOST - 1, MOST)


def clamp(v: np.ndarray) -> np.ndarray:
    return np.clip(v, LEAST, MOST)


def fitting(bits: int, v: np.ndarray) -> np.ndarray:
    assert (np.abs(v) <= (1 << (bits - 1)) - (v >= 0)).all()
    return v


def wide(v: np.ndarray) -> np.ndarray:
    return fitting(32, v)


def rounded(v: np.ndarray, shift: int) -> np.ndarray:
    return (v + (1 << shift >> 1)) >> shift


# What kernels/tqs_lanes.h says of each function; even and odd lanes are the same numbers here.
FUNCTIONS = {
    "tqs_lanes_dup": np.int64,
    "tqs_lanes_add": lambda a, b: clamp(a + b),
    "tqs_lanes_sub": lambda a, b: clamp(a - b),
    "tqs_lanes_product": lambda a, b: clamp(rounded(a * b, 15)),
    "tqs_lanes_scale": lambda a, b: clamp(rounded(a * fitting(16, np.int64(b)), 15)),
    "tqs_lanes_high_product": lambda a, b: rounded(a * fitting(16, np.int64(b)), 16),
    "tqs_lanes_wrap_add": lambda a, b: fitting(16, a + b),
    "tqs_lanes_wrap_sub": lambda a, b: fitting(16, a - b),
    "tqs_lanes_round_shift": rounded,
    "tqs_wide_add": lambda a, b: wide(a + b),
    "tqs_wide_add_n": lambda a, b: wide(a + b),
    "tqs_wide_mul_n": lambda a, b: wide(a * b),
    "tqs_wide_shift": lambda v, shift: v >> shift,
    "tqs_wide_round_shift": rounded,
    "tqs_lanes_narrow": lambda even, odd: clamp(even),
    "tqs_lanes_narrow_shift": lambda even, odd, shift: clamp(even >> shift),
    "tqs_lanes_narrow_round_shift": lambda even, odd, shift: clamp(rounded(even, shift)),
    **{f"tqs_wide_{side}": lambda v: v for side in ("even", "odd")},
    **{f"tqs_wide_product_{side}": lambda a, b: a * b for side in ("even", "odd")},
}
A, B = (np.array(column, np.int64) for column in zip(*product(EDGES, EDGES), strict=True))


def check(total: LanesSum) -> str:
    """The text of the sum, which computes it for all pairs of edges."""
    text = narrowed(total)
    values = {("a",): A, ("b",): B, ("a", "b"): A * B}
    exact = total.constant + sum(f * values[key] for key, f in total.factors.items())
    np.testing.assert_array_equal(
        eval(text, {**FUNCTIONS, "a": A, "b": B}), clamp(exact >> total.shift), text
    )
    return text


@pytest.mark.parametrize("shift", range(0, 20))
def test_sums_of_two_are_exact(shift: int) -> None:
    half = 1 << shift >> 1
    rng = np.random.default_rng(shift)
    odd = (3297, -12773, 25565, 32767, -32768, 52763, -52763, 65535)
    powers = (1, -1, 2, 4, 1 << max(0, shift - 1), 1 << shift, -(1 << shift), 3 << shift)
    for a, b in product((*odd, *powers), (0, *odd, *powers)):
        factors = {key: f for key, f in ((("a",), a), (("b",), b)) if f}
        total = LanesSum(factors, half, shift)
        for constant in (half, 0, half + int(rng.integers(-99, 99))):
            if shift and (abs(a) + abs(b) << 15) + abs(constant) < 1 << 31:
                check(LanesSum(factors, constant, shift))
        if not shift and (abs(a) + abs(b) << 15) < 1 << 31:
            check(total)


@pytest.mark.parametrize("shift", range(1, 31))
def test_products_are_exact(shift: int) -> None:
    half = 1 << shift >> 1
    for factor in (1, -1):
        for constant in (half, 0):
            check(LanesSum({("a", "b"): factor}, constant, shift))


def test_usual_forms_take_one_or_two_instructions() -> None:
    forms = (
        ({("a",): 4, ("b",): 1}, 2, "tqs_lanes_add(a, tqs_lanes_round_shift(b, 2))"),
        ({("a", "b"): 1}, 15, "tqs_lanes_product(a, b)"),
        ({("b",): 3297, ("a",): 4096}, 12, "tqs_lanes_add(a, tqs_lanes_scale(b, 26376))"),
        ({("a",): 1, ("b",): -1}, 0, "tqs_lanes_sub(a, b)"),
    )
    for factors, shift, text in forms:
        assert check(LanesSum(factors, 1 << shift >> 1, shift)) == text


def test_several_saturations_are_not_taken_for_one() -> None:
    assert "narrow" in check(LanesSum({("a",): 4, ("b",): 8}, 2, 2))
    assert "narrow" in check(LanesSum({("a",): -4, ("b",): 5}, 2, 2))


SHIFT = 40


def affine(
    output: str, inputs: tuple[str, ...], factors: tuple[int, ...], shift: int, lowest: int
) -> AffineOp:
    """output = sat((sum of factors * inputs + half) >> shift)."""
    numbers = tuple(factor << 10 for factor in factors)
    return AffineOp(output, inputs, numbers, 30 - shift, 1 << (SHIFT - 1), SHIFT, lowest)


def program(elements: int, bits: int) -> IntegerProgram:
    """A chain of sums, products and tables over `elements` numbers."""
    low = -(1 << (bits - 1))
    ops: tuple[IntegerOp, ...] = (
        affine("a", ("v",), (3297,), 12, low),
        affine("b", ("a", "v"), (4, 1), 2, low),
        affine("c", ("b", "v"), (4096, -3297), 12, low),
        LutOp("d", "c", "sigmoid", 12 if bits == 16 else 15),
        ProductOp("e", ("d", "b"), 1 << 18, 14 + 18),
        affine("f", ("e", "v"), (52763, -(1 << 16)), 16, low),
        ProductOp("g", ("f", "d"), 1 << 20, 15 + 20),
        LutOp("h", "f", "tanh", 11),
        affine("i", ("h", "g"), (-1, 1), 0, low),
        affine("j", ("i", "v"), (12773, 25565), 17, 0),
        affine("k", ("j", "e"), (1, 1), 1, low),
    )
    return program_of((1, elements), bits, {op.output: (1, elements) for op in ops}, *ops)


@pytest.mark.qemu
@pytest.mark.parametrize(
    "compiler",
    [pytest.param("gcc", marks=pytest.mark.arm), pytest.param("zig", marks=pytest.mark.zig)],
)
@pytest.mark.parametrize(("elements", "bits"), [(16, 16), (13, 16), (5, 8)])
def test_loops_on_lanes_equal_the_reference(
    elements: int, bits: int, compiler: str, tmp_path: Path
) -> None:
    steps, model = program(elements, bits), model_of(program(elements, bits))
    bundle = emitted(steps)
    assert "TQS_LANES" in bundle.files["model.c"]
    contexts = np.concatenate([integers((1, elements), seed) for seed in range(20)])
    contexts = contexts.astype(np.int16)
    board = load_board("mps3-an547")
    firmware = build(bundle, board, find_toolchain(compiler, board.core), tmp_path)
    frames = run(firmware, contexts, 2, runner="qemu").frames
    np.testing.assert_array_equal(frames, run_reference(steps, model, contexts, 2).frames)


def rows_program(rows: int, elements: int) -> IntegerProgram:
    """Rows times factors of 32 bits, a table, and sums that repeat a column or a row."""
    rng = np.random.default_rng(0)
    limit = (1 << 31) - 1
    factors = rng.integers(-limit, limit, elements).astype(np.int32)
    factors[:3] = limit, -limit, 0
    knots = rng.integers(LEAST, MOST + 1, 33).astype(np.int16)
    knots[3:6] = LEAST, MOST, LEAST
    shape = (1, rows, elements)
    ops: tuple[IntegerOp, ...] = (
        ScaleOp("a", "v", 1, factors, 33),
        ScaleOp("b", "a", 0, factors, 32),
        TableOp("c", "b", "gelu", Knots(knots, -9000, 9, 0.0)),
        affine("d", ("c", "row"), (33451, 1062), 15, LEAST),
        SliceOp("column", "d", -1, 2, 3),
        affine("e", ("d", "column"), (16540, -4135), 14, LEAST),
    )
    shapes = {op.output: shape for op in ops} | {"column": (1, rows, 1)}
    constants = {"row": rng.integers(LEAST, MOST + 1, elements).astype(np.int16)}
    return program_of(shape, 16, shapes, *ops, constants=constants)


@pytest.mark.qemu
@pytest.mark.parametrize(
    "compiler",
    [pytest.param("gcc", marks=pytest.mark.arm), pytest.param("zig", marks=pytest.mark.zig)],
)
@pytest.mark.parametrize(("rows", "elements"), [(3, 16), (2, 13)])
def test_loops_in_loops_equal_the_reference(
    rows: int, elements: int, compiler: str, tmp_path: Path
) -> None:
    steps, model = rows_program(rows, elements), model_of(rows_program(rows, elements))
    bundle = emitted(steps)
    text = bundle.files["model.c"]
    for name in ("tqs_lanes_scaled", "tqs_lanes_table(", "tqs_lanes_dup(", "i_1 += TQS_LANES"):
        assert name in text, name
    contexts = np.concatenate([integers((1, rows * elements), seed) for seed in range(20)])
    contexts = contexts.astype(np.int16)
    board = load_board("mps3-an547")
    firmware = build(bundle, board, find_toolchain(compiler, board.core), tmp_path)
    frames = run(firmware, contexts, 2, runner="qemu").frames
    np.testing.assert_array_equal(frames, run_reference(steps, model, contexts, 2).frames)
