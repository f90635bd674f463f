"""MVE dense kernels over every tail of rows, words and blocks, and beyond the depth for which
activations are laid out on the stack."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.kernels.conftest import KERNELS
from tests.kernels.dense_cases import DenseCase, decode, dense_case, encode
from tests.kernels.test_dense_on_cores import build
from tqs_edge.firmware.board import load_board
from tqs_edge.kernel_table import DENSE_KERNELS
from tqs_edge.run.qemu import qemu_command

OWN = [kernel for kernel in DENSE_KERNELS if (KERNELS / "mve" / f"{kernel.symbol}.c").is_file()]
# Blocks are 8 to 64 weights deep, loops take one or two; four rows, then single ones.
ROWS = (3, 4, 6, 8, 9)
DEPTHS = (2, 5, 12, 16, 31, 33, 48, 63, 64, 65, 96, 127, 128, 129)
DEEP = ((5, 257), (4, 400), (1, 300))


def calls() -> list[DenseCase]:
    rng = np.random.default_rng(55)
    cases = []
    for kernel in OWN:
        shapes = [*((r, d) for d in DEPTHS for r in ROWS if r * d <= 520), *DEEP]
        cases += [dense_case(kernel, rows, depth, rng) for rows, depth in shapes]
    # Saturated activations: both bytes of an x of 16 bits at their ends.
    extremes = (-32768, -32641, -129, -128, -1, 0, 127, 128, 255, 256, 32639, 32640, 32767)
    for case in [case for case in cases if case.kernel.act_bits == 16][::3]:
        x = rng.choice(extremes, case.x.shape).astype(np.int16)
        cases.append(replace(case, x=x))
    return cases


@pytest.mark.qemu
@pytest.mark.parametrize(
    "compiler",
    [pytest.param("gcc", marks=pytest.mark.arm), pytest.param("zig", marks=pytest.mark.zig)],
)
def test_kernels_equal_the_twin_on_every_tail(compiler: str, tmp_path: Path) -> None:
    board = load_board("mps3-an547")
    elf = build(board, compiler, tmp_path)
    cases = calls()
    (tmp_path / "vectors.bin").write_bytes(b"".join(map(encode, cases)))
    command = (*qemu_command(board), "-kernel", str(elf))
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    results = decode((tmp_path / "results.bin").read_bytes(), [case.rows for case in cases])
    for got, case in zip(results, cases, strict=True):
        shape = (case.kernel.symbol, case.rows, case.depth, case.shift)
        assert (got == case.expected).all(), shape
    assert len(OWN) == 8 and any(case.shift == 32 for case in cases)
