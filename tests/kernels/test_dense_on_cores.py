"""Dense kernels and tables on simulated cores, with both compilers, against the Python twins."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.kernels.conftest import KERNELS
from tests.kernels.dense_cases import (
    corner_cases,
    decode,
    dense_cases,
    encode,
    extreme_integers,
    long_cases,
    padded,
)
from tqs_edge.firmware.board import Board, load_board, load_core
from tqs_edge.firmware.command import run_compiler
from tqs_edge.firmware.link_script import linker_script
from tqs_edge.firmware.runtime import RUNTIMES
from tqs_edge.firmware.sources import copy_targets, kernel_file
from tqs_edge.firmware.toolchain import (
    compile_flags,
    environment_in,
    find_toolchain,
    link_attempts,
    link_flags,
)
from tqs_edge.quant.lut import sigmoid_s16, tanh_s16
from tqs_edge.run.qemu import qemu_command

HARNESS = Path(__file__).parent / "harness.c"
TABLES = {1: tanh_s16, 2: sigmoid_s16}  # operation codes of harness.c
PRODUCT = 3
# Armv6-M code runs on the Cortex-M3 board, whose memories hold the harness.
HARNESS_RAM = 262144  # the simulated boards have more than that
CORES = {
    "cortex-m0": "mps2-an385",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m33": "mps2-an505",
    "cortex-m55": "mps3-an547",
}
LINUX = {
    "cortex-a8": "beaglebone-black",
    "cortex-a72": "raspberry-pi-4",
    "cortex-a76": "raspberry-pi-5",  # dot products
}


def vectors() -> tuple[bytes, list[np.ndarray]]:
    """Contents of vectors.bin and the expected outputs."""
    rng = np.random.default_rng(7)
    cases = dense_cases(rng, rows=(1, 4, 7), depths=(1, 3, 4, 9, 17, 31, 40))
    cases += [*long_cases(rng), *corner_cases(rng)]
    blob, expected = b"".join(map(encode, cases)), [case.expected for case in cases]
    for code, twin in TABLES.items():
        for fraction_bits in (8, 12, 15):
            x = np.linspace(-32768, 32767, padded(500)).astype(np.int16)
            head = struct.pack("<6i", 0, code, 0, x.size, x.size, fraction_bits)
            blob += head + x.astype("<i2").tobytes()
            expected.append(twin(x, fraction_bits))
    x = extreme_integers(rng, 16, (padded(500),)).astype(np.int16)
    blob += (
        struct.pack("<6i", 0, PRODUCT, 0, 4 * (x.size - 4), x.size, 0) + x.astype("<i2").tobytes()
    )
    expected.append(half_words_of_products(x))
    return blob, expected


def half_words_of_products(x: np.ndarray) -> np.ndarray:
    """The four half words of every a * b, a and b the 32-bit numbers at x[i] and x[i + 2]."""
    at = np.arange(x.size - 4)
    numbers = x[:-1].astype(np.uint16).astype(np.int64) | x[1:].astype(np.int64) << 16
    products = numbers[at] * numbers[at + 2]
    return (products[:, None] >> 16 * np.arange(4)).astype(np.int16).ravel()


def build(board: Board, compiler: str, folder: Path) -> Path:
    """The harness with every kernel, the core's own files preferred."""
    toolchain = find_toolchain(compiler, board.core)
    environment = environment_in(toolchain, folder)
    shutil.copyfile(HARNESS, folder / HARNESS.name)
    for header in KERNELS.glob("**/*.h"):
        shutil.copyfile(header, folder / header.name)
    runtime = RUNTIMES[board.core.runtime]
    sources = [HARNESS.name, *copy_targets((*runtime.start_up, runtime.semihosting), folder)]
    for name in sorted(path.name for path in KERNELS.glob("tqs_*.c")):
        shutil.copyfile(kernel_file(name, board.core.isa), folder / name)
        sources.append(name)
    (folder / "link.ld").write_text(linker_script(board), encoding="utf-8")
    flags = (*toolchain.command, *compile_flags(toolchain, board.core), "-I.", "-c")
    for source in sources:
        output = f"{Path(source).stem}.o"
        run_compiler((*flags, source, "-o", output), cwd=folder, environment=environment)
    objects = [f"{Path(source).stem}.o" for source in sources]
    link = (*toolchain.command, *link_flags(toolchain, board.core, "link.ld"), *objects)
    command = (*link, *link_attempts(toolchain)[-1], "-o", "harness.elf")
    run_compiler(command, cwd=folder, environment=environment)
    return folder / "harness.elf"


@pytest.mark.qemu
@pytest.mark.parametrize(
    "compiler",
    [pytest.param("gcc", marks=pytest.mark.arm), pytest.param("zig", marks=pytest.mark.zig)],
)
@pytest.mark.parametrize("core", CORES)
def test_kernels_equal_the_twins(core: str, compiler: str, tmp_path: Path) -> None:
    board = replace(load_board(CORES[core]), core=load_core(core), ram_bytes=HARNESS_RAM)
    elf = build(board, compiler, tmp_path)
    compare((*qemu_command(board), "-kernel", str(elf)), tmp_path)


@pytest.mark.slow
@pytest.mark.riscv
def test_portable_kernels_on_riscv_equal_the_twins(tmp_path: Path) -> None:
    board = replace(load_board("qemu-riscv32-virt"), ram_bytes=HARNESS_RAM)
    elf = build(board, "gcc", tmp_path)
    compare((*qemu_command(board), "-kernel", str(elf)), tmp_path)


@pytest.mark.slow
@pytest.mark.cortex_a
@pytest.mark.parametrize(
    "compiler",
    [pytest.param("gcc", marks=pytest.mark.arm), pytest.param("zig", marks=pytest.mark.zig)],
)
@pytest.mark.parametrize("core", LINUX)
def test_kernels_for_linux_equal_the_twins(core: str, compiler: str, tmp_path: Path) -> None:
    board = load_board(LINUX[core])
    assert board.core == load_core(core)
    elf = build(board, compiler, tmp_path)
    elf.chmod(0o755)
    compare((board.core.qemu, "-cpu", str(board.core.qemu_cpu), str(elf)), tmp_path)


def compare(command: tuple[str, ...], folder: Path) -> None:
    """Runs the harness on all operands and compares every output."""
    blob, expected = vectors()
    (folder / "vectors.bin").write_bytes(blob)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    results = decode((folder / "results.bin").read_bytes(), [len(want) for want in expected])
    for got, want in zip(results, expected, strict=True):
        assert (got == want).all()
