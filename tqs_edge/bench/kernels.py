"""Exact instructions of every kernel on every simulated core, with every installed compiler."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tqs_edge.artifacts import content_hash
from tqs_edge.bench.kernel_program import dense_program, step_model, table_program
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import InputError, ToolMissing, VerificationFailed
from tqs_edge.firmware.board import Board, load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.kernel_table import DENSE_KERNELS, Kernel
from tqs_edge.passes.lower import lower_program
from tqs_edge.pipeline.verification import CORE_BOARDS, OTHER_BOARDS, compilers, runners_for
from tqs_edge.run.run_log import RunLog
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import run_reference

ROWS, DEPTH = 128, 64
CONTEXTS, CONTEXT_ROWS, HORIZON = 8, 6, 2  # most calls see random rows
TABLES = ("tanh", "sigmoid")
# Functions of the step around the kernel; whatever else runs is the kernel or its support.
SURROUNDINGS = ("tqs_model_step", "step_", "copy_", "mem", "__aeabi_mem")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class KernelCount:
    """Mean instructions of one call on random data, requantization and support code included.

    A table function has weight_bits 0, one row, and as depth the numbers it was applied to; its
    instructions include the loop, loads and stores.
    """

    kernel: str
    act_bits: int
    weight_bits: int
    rows: int
    depth: int
    core: str
    compiler: str
    instructions: float
    macs: int


@dataclass(frozen=True, eq=False)
class _Step:
    """A program as C, with rollouts and what they must give."""

    bundle: SourceBundle
    contexts: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True)
class _Target:
    board: Board
    compiler: str
    runner: str


def count_kernels(
    *,
    kernels: Sequence[str] = (),
    cores: Sequence[str] = (),
    with_compilers: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[KernelCount, ...]:
    """A count per kernel, core and compiler; empty selections mean all that are installed.

    kernels: symbols of kernel_table, "tqs_tanh_s16" or "tqs_sigmoid_s16". Each run is compared
    with the integer reference first. Raises InputError for unknown names, ToolMissing without
    compiler or simulator, VerificationFailed where a result differs.
    """
    dense = {kernel.symbol: kernel for kernel in DENSE_KERNELS}
    chosen = _select(kernels, (*dense, *map(_table_symbol, TABLES)), "kernel")
    targets = _targets(cores, with_compilers)
    tables = [name for name in TABLES if _table_symbol(name) in chosen]
    counters = [_dense_counter(dense[symbol]) for symbol in chosen if symbol in dense]
    counters += [_table_counter(name) for name in tables]
    counts = []
    for counter in counters:
        for target in targets:
            counts.append(counter(target))
            if progress:
                progress(len(counts), len(counters) * len(targets))
    return tuple(counts)


def core_boards() -> Mapping[str, Board]:
    """The board that stands for each core, by core name."""
    boards = map(load_board, (*CORE_BOARDS, *OTHER_BOARDS))
    return {board.core.name: board for board in boards}


def _targets(cores: Sequence[str], with_compilers: Sequence[str]) -> list[_Target]:
    boards = core_boards()
    usual = tuple(boards)[: len(CORE_BOARDS)]  # the others are measured when asked for
    names = _select(cores or usual, tuple(boards), "core")
    # A compiler asked for by name is looked up, so that its absence says what to install.
    found = [find_toolchain(name).name for name in with_compilers or compilers()]
    targets = [
        _Target(boards[name], compiler, runners_for(boards[name])[0])
        for name in names
        if runners_for(boards[name])
        for compiler in found
    ]
    if not targets:
        raise ToolMissing(
            "no compiler and simulator of these cores are installed; run: "
            "pip install ziglang unicorn capstone"
        )
    return targets


def _select(wanted: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """`wanted` in the order of `known`; all of them when nothing is wanted."""
    for name in wanted:
        if name not in known:
            raise InputError(f"unknown {what} '{name}'; known: {', '.join(known)}")
    return [name for name in known if not wanted or name in wanted]


def _table_symbol(function: str) -> str:
    return f"tqs_{function}_s16"


def _dense_counter(kernel: Kernel) -> Callable[[_Target], KernelCount]:
    step = _lower(dense_program(kernel, ROWS, DEPTH), step_model(DEPTH))

    def count(target: _Target) -> KernelCount:
        functions = _run(step, target).instructions_by_function or {}
        own = (n for name, n in functions.items() if not name.startswith(SURROUNDINGS))
        return KernelCount(
            kernel.symbol,
            kernel.act_bits,
            kernel.weight_bits,
            ROWS,
            DEPTH,
            target.board.core.name,
            target.compiler,
            sum(own),
            ROWS * DEPTH,
        )

    return count


def _table_counter(function: str) -> Callable[[_Target], KernelCount]:
    # Twice the second half: what a call costs however few numbers there are drops out.
    half, whole = (_lower(table_program(function, n), step_model(n)) for n in (DEPTH // 2, DEPTH))

    def count(target: _Target) -> KernelCount:
        less, more = (_run(s, target).instructions_per_step or 0.0 for s in (half, whole))
        symbol, core = _table_symbol(function), target.board.core.name
        return KernelCount(symbol, 16, 0, 1, DEPTH, core, target.compiler, 2 * (more - less), 0)

    return count


def _lower(program: IntegerProgram, model: RolloutModel) -> _Step:
    rng = np.random.default_rng(1)
    shape = (CONTEXTS, CONTEXT_ROWS, model.features)
    contexts = rng.integers(-32768, 32768, shape).astype(np.int16)
    bundle = emit(lower_program(program), program, model, content_hash(program))
    return _Step(bundle, contexts, run_reference(program, model, contexts, HORIZON).frames)


def _run(step: _Step, target: _Target) -> RunLog:
    with tempfile.TemporaryDirectory(prefix="tqs-bench-") as folder:
        toolchain = find_toolchain(target.compiler, target.board.core)
        firmware = build(step.bundle, target.board, toolchain, Path(folder))
        log = run(firmware, step.contexts, HORIZON, runner=target.runner)
    if not np.array_equal(log.frames, step.frames):
        raise VerificationFailed(
            f"{', '.join(step.bundle.kernels)} on {target.board.name} ({target.compiler}): the "
            "results are not those of the integer reference; the count would mean nothing"
        )
    return log
