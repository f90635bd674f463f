"""Stage 6: the integer rollout against every executor and against the float model."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board, Core, load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import GCC, TOOLCHAINS, Toolchain, find_toolchain
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.quantize_sites import integer_module
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.lowering import Lowered
from tqs_edge.pipeline.prepare import Trials
from tqs_edge.run.runner import RUNNERS
from tqs_edge.verify.chain import Execution, Link, check_chain
from tqs_edge.verify.metrics import RolloutError
from tqs_edge.verify.reference import ReferenceRun

# One board for each core class that the product promises.
CORE_BOARDS = (
    "arduino-zero",
    "mps2-an385",
    "mps2-an386",
    "mps2-an500",
    "mps2-an505",
    "mps3-an547",
)
# Cortex-A with 64 bits, with dot products, with 32 bits; RISC-V.
OTHER_BOARDS = ("raspberry-pi-4", "raspberry-pi-5", "beaglebone-black", "qemu-riscv32-virt")


@dataclass(frozen=True, eq=False)
class Verification:
    """links: every executor against the integer reference; error: reference against float."""

    reference: ReferenceRun
    links: tuple[Link, ...]
    error: RolloutError
    frames: np.ndarray  # float32 (contexts, horizon, F), the dequantized reference

    @property
    def exact(self) -> bool:
        return all(link.exact for link in self.links)


def verify_rollouts(
    lowered: Lowered,
    executions: tuple[Execution, ...],
    trials: Trials,
    horizon: int,
    *,
    done: Callable[[int, int], None] | None = None,
) -> Verification:
    """Runs every executor over all rollouts of `trials` and compares frame by frame."""
    program, model = lowered.program, lowered.model
    judged = judge(program, model, trials, horizon)
    contexts, exog, reference = judged.contexts, judged.exog, judged.reference

    def frames_of_llvm() -> np.ndarray:
        module = integer_module(program)
        return run_llvm(module, program, model, contexts, horizon=horizon, exog=exog)

    links = check_chain(
        reference.frames, frames_of_llvm, executions, contexts, exog=exog, done=done
    )
    return Verification(reference, links, judged.error, judged.frames)


def runners_for(board: Board) -> tuple[str, ...]:
    """The installed simulators that can run `board`, the fastest first."""
    qemu = shutil.which(board.core.qemu) is not None
    present = {
        "unicorn": importlib.util.find_spec("unicorn") is not None,
        "qemu": qemu,
        "qemu-user": qemu,
    }
    return tuple(name for name in board.simulators if present[name])


def compilers(core: Core | None = None) -> tuple[str, ...]:
    """The installed cross compilers for `core`, by default for Cortex-M."""
    present = {
        "gcc": shutil.which(core.gcc if core else GCC) is not None,
        "zig": importlib.util.find_spec("ziglang") is not None,
    }
    return tuple(name for name in TOOLCHAINS if present[name])


def executions_of(firmware: Firmware, runner: str | None) -> tuple[Execution, ...]:
    """The host and the chosen runner, or every installed simulator of the board."""
    names = (runner,) if runner else runners_for(firmware.board)
    if any(name not in RUNNERS for name in names):
        raise InputError(f"unknown runner '{runner}'; known: {', '.join(RUNNERS)}")
    return tuple(Execution(firmware, name) for name in dict.fromkeys(("host", *names)))


def with_all_cores(
    executions: tuple[Execution, ...], lowered: Lowered, folder: Path
) -> tuple[Execution, ...]:
    """`executions` and those of every core, installed compiler and simulator, built in `folder`
    and optimized as they are.
    """
    optimize = executions[0].firmware.record.optimize
    known = {execution.name for execution in executions}
    boards = [
        board for board in map(load_board, (*CORE_BOARDS, *OTHER_BOARDS)) if runners_for(board)
    ]
    pairs = [
        (board, find_toolchain(name, board.core, optimize))
        for board in boards
        for name in compilers(board.core)
    ]

    def build_one(pair: tuple[Board, Toolchain]) -> Firmware:
        board, toolchain = pair
        return build(lowered.bundle, board, toolchain, folder / f"{board.name}-{toolchain.name}")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        firmwares = list(pool.map(build_one, pairs))
    more = [Execution(f, runner) for f in firmwares for runner in runners_for(f.board)]
    return executions + tuple(e for e in more if e.name not in known)
