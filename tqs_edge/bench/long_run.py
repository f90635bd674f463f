"""What becomes of a model that runs on and on: whether it stays bounded, and whether it rests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.firmware.build import Firmware
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.threads import one_thread
from tqs_edge.graph.time_loop import calls_of
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.pipeline.building import Compiled
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import quantize_inputs

if TYPE_CHECKING:
    import torch

LAST_PART = 0.1  # of the rollout, that its peak is taken from
LAST_STEPS = 1000  # of the rollout, that a limit cycle is looked for in
FLOAT_STEPS, STILL_STEPS = 5000, 500  # of the float rollout, and its last ones that must not move
STILL = 0.25  # output LSBs that a model at rest may move
TIMEOUT = 1800.0  # seconds


@dataclass(frozen=True)
class LongRun:
    """One long integer rollout.

    long_peak: largest |frame| of its last tenth over that of the float rollout of usual length
    limit_cycle_lsb: how far the outputs still swing, from peak to peak, where the float model has
    come to rest; None where that never rests
    """

    long_steps: int
    long_peak: float
    limit_cycle_lsb: int | None


def long_run(prepared: Prepared, compiled: Compiled, steps: int) -> LongRun:
    """`steps` frames from the first judging context, by the firmware's C code on this computer.

    Known exogenous rows are repeated. Raises ToolMissing without a C compiler.
    """
    program = compiled.lowered.program
    frames = _frames(prepared, compiled.firmware, program, steps)
    scale = program.tensors[program.output].scale
    last = np.abs(frames[-max(1, round(LAST_PART * steps)) :].astype(np.int64)).max() * scale
    usual = np.abs(prepared.judging.frames[0]).max()
    still = float_swing(prepared) < STILL * scale
    ends = frames[-LAST_STEPS:].astype(np.int64)
    swing = int((ends.max(axis=0) - ends.min(axis=0)).max())
    return LongRun(steps, float(last / usual) if usual else float(last), swing if still else None)


def _frames(
    prepared: Prepared, firmware: Firmware, program: IntegerProgram, steps: int
) -> np.ndarray:
    known = repeated_exog(prepared, steps)
    contexts, exog = quantize_inputs(program, prepared.judging.contexts[:1], known)
    log = run(firmware, contexts, steps, exog=exog, runner="host", timeout=TIMEOUT)
    frames: np.ndarray = log.frames[0]
    return frames


def repeated_exog(prepared: Prepared, steps: int) -> np.ndarray | None:
    """The exogenous rows (1, calls, E) of `steps` frames: the known ones over and over."""
    exog, model = prepared.judging.exog, prepared.model
    if exog is None:
        return None
    calls = calls_of(model, prepared.judging.contexts.shape[1], steps)
    return exog[:1, np.arange(calls) % exog.shape[1]]


@one_thread()
def float_swing(prepared: Prepared) -> float:
    """How far the outputs of the float model still move, peak to peak, at the end of FLOAT_STEPS;
    infinite where they are not finite."""
    import torch

    from tqs_edge.graph.rollout import rollout

    known = repeated_exog(prepared, FLOAT_STEPS)
    with torch.no_grad():
        frames = rollout(
            prepared.model,
            torch.from_numpy(prepared.judging.contexts[:1].astype(np.float64)),
            FLOAT_STEPS,
            exog=None if known is None else torch.from_numpy(known.astype(np.float64)),
            weight=_double_constants(prepared.model),
        )
    ends = frames[0, -STILL_STEPS:].numpy()
    swing = float((ends.max(axis=0) - ends.min(axis=0)).max())
    return swing if np.isfinite(swing) else float("inf")


def _double_constants(model: RolloutModel) -> Callable[[str], torch.Tensor]:
    import torch

    constants = model.graph.constants
    return {k: torch.from_numpy(v.astype(np.float64)) for k, v in constants.items()}.__getitem__
