"""Moving sums are the plain ones, bit for bit, by every executor."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codegen.executors import check_executors_agree, emitted, integers, program_of
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.integer.reduction_ops import MovingSumOp
from tqs_edge.quant.fixed_point import to_multiplier_shift

# (shape, axis, kernel, before, after)
CASES = {
    "replicated ends": ((1, 48, 3), -2, 25, 12, 12),
    "one row": ((1, 5, 3), -2, 5, 0, 0),
    "causal": ((2, 9, 4), -2, 3, 2, 0),
    "last axis": ((2, 3, 11), -1, 4, 1, 2),
    "more than the axis": ((1, 4, 2), -2, 9, 4, 4),
    "far beyond the axis": ((1, 3, 2), -2, 4, 9, 11),
    "one element": ((1, 1, 1), -2, 3, 1, 1),
    "no neighbour": ((1, 4, 2), -2, 1, 0, 0),
    "four axes": ((2, 2, 7, 3), -3, 2, 1, 0),
    "64 bits": ((1, 2, 1), -2, 70000, 35000, 35000),
}


def program(
    shape: tuple[int, ...], axis: int, kernel: int, before: int, after: int, bits: int
) -> IntegerProgram:
    """s = the moving means of v."""
    made = list(shape)
    made[axis] += before + after - kernel + 1
    # A factor of 1 / kernel that is below 1/2, times a power of two that stands outside.
    requant = to_multiplier_shift([1 / (4 * kernel)], [kernel << (bits + 1)])
    factor = requant.multipliers[0] << 2
    op = MovingSumOp("s", "v", axis, kernel, before, after, factor, requant.shift)
    return program_of(shape, bits, {"s": tuple(made)}, op)


def plain(x: np.ndarray, program: IntegerProgram, bits: int) -> np.ndarray:
    """The same numbers by Python's integers, every sum by itself."""
    (op,) = (o for o in program.ops if isinstance(o, MovingSumOp))
    limit = 1 << (bits - 1)
    rows = np.moveaxis(x.clip(-limit, limit - 1), op.axis, -1)
    last = rows.shape[-1] - 1
    out = np.zeros((*rows.shape[:-1], program.tensors["s"].shape[op.axis]), np.int64)
    for place in np.ndindex(*out.shape):
        *where, t = place
        terms = [
            int(rows[(*where, min(max(t + j - op.before, 0), last))]) for j in range(op.kernel)
        ]
        scaled = (sum(terms) * op.factor + (1 << (op.shift - 1))) >> op.shift
        out[place] = min(max(scaled, -limit), limit - 1)
    return np.moveaxis(out, -1, op.axis)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_executor_gives_the_plain_sums(
    case: tuple[tuple[int, ...], int, int, int, int], bits: int, tmp_path: Path
) -> None:
    made = program(*case, bits)
    x = integers(case[0])
    np.testing.assert_array_equal(check_executors_agree(made, x, tmp_path), plain(x, made, bits))


@settings(max_examples=6)
@given(
    length=st.integers(1, 12),
    others=st.integers(1, 4),
    axis=st.sampled_from([-1, -2]),
    kernel=st.integers(1, 14),
    before=st.integers(0, 9),
    after=st.integers(0, 9),
    bits=st.sampled_from([8, 16]),
)
def test_any_moving_sum_is_the_plain_one(
    tmp_path_factory: pytest.TempPathFactory,
    length: int,
    others: int,
    axis: int,
    kernel: int,
    before: int,
    after: int,
    bits: int,
) -> None:
    shape = (1, length, others) if axis == -2 else (1, others, length)
    made = program(shape, axis, min(kernel, length + before + after), before, after, bits)
    x = integers(shape)
    y = check_executors_agree(made, x, tmp_path_factory.mktemp("sums"))
    np.testing.assert_array_equal(y, plain(x, made, bits))


def test_memory_holds_neither_windows_nor_repeated_ends() -> None:
    made = program((1, 48, 3), -2, 25, 12, 12, 16)
    assert emitted(made).arena_bytes == 2 * 2 * 48 * 3  # the series and its averages


def test_a_sum_takes_two_additions() -> None:
    source = emitted(program((1, 48, 3), -2, 25, 12, 12, 16)).files["model.c"]
    body = source[source.index("static void step_s(") : source.index("static void step_y(")]
    loops = [int(n) for n in re.findall(r"for \(int32_t \w+ = 0; \w+ < (\d+);", body)]
    assert loops == [3, 12, 12, 24, 12]  # channels, the first sum, then runs of places
