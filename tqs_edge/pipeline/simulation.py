"""Stage 5: running the firmware of a compiled directory, and checking it again."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tqs_edge.artifacts import write_bytes
from tqs_edge.errors import InputError, ToolMissing
from tqs_edge.frontend.contexts import read_contexts
from tqs_edge.pipeline.directory import Package, read_package
from tqs_edge.pipeline.verification import (
    Verification,
    executions_of,
    runners_for,
    verify_rollouts,
    with_all_cores,
)
from tqs_edge.run.run_log import RunLog
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import dequantize_frames, quantize_inputs


def simulate_package(
    directory: Path,
    *,
    runner: str | None = None,
    context: Path | None = None,
    exog: Path | None = None,
    horizon: int | None = None,
) -> tuple[np.ndarray, RunLog]:
    """(float32 frames (contexts, horizon, F) in the model's units, what the runner measured).

    Contexts default to the ones the package is judged on. Raises InputError, ToolMissing where no
    simulator of the board is installed, RunnerError.
    """
    package = read_package(directory)
    steps = horizon or package.horizon
    contexts, known = _contexts(package, context, exog, steps)
    program = package.lowered.program
    integers, inputs = quantize_inputs(program, contexts, known)
    log = run(
        package.firmware,
        integers,
        steps,
        exog=inputs,
        runner=runner or _default_runner(package),
    )
    return dequantize_frames(log.frames, program), log


def save_frames(path: Path, frames: np.ndarray) -> None:
    """Writes a plain .npy file."""
    if path.suffix != ".npy":
        raise InputError(f"'{path}': frames are saved as .npy; choose a name that ends so")
    buffer = io.BytesIO()
    np.save(buffer, frames)
    write_bytes(path, buffer.getvalue())


def verify_package(
    directory: Path,
    folder: Path,
    *,
    runner: str | None = None,
    all_cores: bool = False,
    done: Callable[[int, int], None] | None = None,
) -> Verification:
    """The chain for the package's own firmware and, with `all_cores`, for firmware of all
    cores with every compiler, built in `folder`."""
    package = read_package(directory)
    executions = executions_of(package.firmware, runner)
    if all_cores:
        executions = with_all_cores(executions, package.lowered, folder)
    return verify_rollouts(package.lowered, executions, package.trials, package.horizon, done=done)


def _contexts(
    package: Package, context: Path | None, exog: Path | None, horizon: int
) -> tuple[np.ndarray, np.ndarray | None]:
    if context is None:
        if exog is not None:
            raise InputError("--exog goes with --context; give both")
        known = package.trials.exog
        if known is not None and horizon > package.horizon:
            raise InputError(
                f"the package knows exogenous inputs for {package.horizon} steps; give --context "
                "and --exog for more"
            )
        return package.trials.contexts, known
    contexts = read_contexts(package.lowered.model, context, horizon=horizon, exog_path=exog)
    return contexts.values, contexts.exog


def _default_runner(package: Package) -> str:
    board = package.firmware.board
    found = runners_for(board)
    if not found:
        how = "pip install unicorn" if board.core.unicorn else f"install {board.core.qemu}"
        raise ToolMissing(f"no simulator for board '{board.name}' is installed; {how}")
    return found[0]
