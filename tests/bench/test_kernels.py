"""Counts of kernels are exact, so they repeat, and the kernel table stays close to them."""

from __future__ import annotations

import pytest

from tqs_edge.bench.kernel_costs import BOARDS, measure_kernels
from tqs_edge.bench.kernel_program import dense_program
from tqs_edge.bench.kernels import count_kernels
from tqs_edge.bench.step_costs import measure_step
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import load_board, load_core
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.kernel_table import (
    DENSE_KERNELS,
    MEASURED_ROWS,
    MEASURED_WORDS,
    STEP_COSTS,
    Cost,
    Kernel,
    cost_of,
    dense_kernel,
)
from tqs_edge.quant.fixed_point import SHORT_BOUND

M4_GCC = {"cores": ("cortex-m4",), "with_compilers": ("gcc",)}
KERNEL_TABLE_ERROR = (
    0.03  # of shapes larger than those that were measured; Armv6-M branches on data
)


@pytest.mark.arm
@pytest.mark.unicorn
def test_counts_repeat_and_agree_with_the_kernel_table() -> None:
    symbols = ("tqs_dense_a8w4",)
    (first,) = count_kernels(kernels=symbols, **M4_GCC)
    assert count_kernels(kernels=symbols, **M4_GCC) == (first,)
    assert (first.core, first.compiler, first.macs) == ("cortex-m4", "gcc", 128 * 64)
    expected = dense_kernel(8, 4, 32).instructions(load_core("cortex-m4").isa, 128, 64)
    assert first.instructions == pytest.approx(expected, rel=KERNEL_TABLE_ERROR)


@pytest.mark.arm
@pytest.mark.unicorn
def test_support_routines_belong_to_the_kernel() -> None:
    """Armv6-M multiplies to 64 bits in a routine of the compiler, once per row at least."""
    (count,) = count_kernels(
        kernels=("tqs_dense_a16w8",), cores=("cortex-m0plus",), with_compilers=("gcc",)
    )
    expected = dense_kernel(16, 8, 32).instructions("v6m", 128, 64)
    assert count.instructions == pytest.approx(expected, rel=KERNEL_TABLE_ERROR)


@pytest.mark.arm
@pytest.mark.unicorn
@pytest.mark.parametrize("symbol", ["tqs_tanh_s16", "tqs_sigmoid_s16"])
def test_table_functions_take_tens_of_instructions(symbol: str) -> None:
    (count,) = count_kernels(kernels=(symbol,), **M4_GCC)
    assert 10 <= count.instructions / count.depth <= 40


CORTEX_M = ("v6m", "v7m", "dsp", "mve")


@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.unicorn
@pytest.mark.parametrize("isa", CORTEX_M)
def test_stored_costs_are_what_is_measured(isa: str) -> None:
    kernel = dense_kernel(8, 4, 32)
    (measured,) = measure_kernels((isa,), (kernel,))[isa].values()
    assert cost_of(measured) == kernel.costs[isa]


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.unicorn
@pytest.mark.parametrize("isa", CORTEX_M)
def test_stored_costs_of_steps_are_what_is_measured(isa: str) -> None:
    board = load_board(BOARDS[isa])
    kernels = {k.symbol: k.costs[isa] for k in DENSE_KERNELS}
    measured = measure_step(isa, board, find_toolchain("gcc", board.core), kernels)
    stored = STEP_COSTS[isa]
    assert {name: tuple(cost) for name, cost in measured["features"].items()} == stored.features
    assert (measured["linked"], tuple(measured["around"])) == (stored.linked, stored.around)


def test_large_shapes_go_on_in_whole_blocks() -> None:
    def count(rows: int, words: int) -> int:
        odd = 9 * (words // 4 % 2)  # a period of eight words
        return 40 + 7 * (rows % 4) + (rows // 4) * (11 + 5 * words + odd) + 3 * (words % 4) + words

    table = tuple(tuple(count(r, w) for r in MEASURED_ROWS) for w in MEASURED_WORDS)
    cost = Cost(0, table, tuple(tuple(2 * n for n in row) for row in table))
    for rows in (1, 3, 8, 9, 14, 40, 129):
        for words in (1, 5, 8, 10, 16, 21, 32, 64):
            assert cost.of(rows, words) == pytest.approx(count(rows, words))
            assert cost.of(rows, words, least_shift=True) == pytest.approx(2 * count(rows, words))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="unknown core 'cortex-m99'; known: cortex-m0plus"):
        count_kernels(cores=("cortex-m99",))
    with pytest.raises(InputError, match="unknown kernel 'dense'"):
        count_kernels(kernels=("dense",))


@pytest.mark.parametrize("kernel", DENSE_KERNELS, ids=lambda k: k.symbol)
def test_random_weights_take_all_values_and_keep_the_accumulator(kernel: Kernel) -> None:
    program = dense_program(kernel, 128, 64)
    (block,) = program.ops[1].blocks
    half = 1 << (kernel.weight_bits - 1)
    assert block.weights.min() < -0.9 * half and block.weights.max() >= 0.9 * (half - 1)
    bound = abs(block.bias) + (abs(block.weights.astype(int)).sum(1) << (kernel.act_bits - 1))
    assert (block.shift == 32) == (bound.max() <= SHORT_BOUND)  # as the compiler chooses it
    if kernel.acc_bits == 32:
        assert bound.max() < 1 << 31
    most = max(b * m for b, m in zip(bound.tolist(), block.multiplier.tolist(), strict=True))
    assert most + (1 << (block.shift - 1)) < 1 << 63
