"""The integer reference on a set of rollouts, held against the float model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.pipeline.prepare import Trials
from tqs_edge.verify.metrics import RolloutError, rollout_error
from tqs_edge.verify.reference import (
    ReferenceRun,
    dequantize_frames,
    quantize_inputs,
    run_reference,
)


@dataclass(frozen=True, eq=False)
class Judged:
    """contexts int16 (N, L, F) and exog int16 (N, calls, E) or None: what every executor is given;
    frames float32 (N, horizon, F): the dequantized reference; error: those against float."""

    contexts: np.ndarray
    exog: np.ndarray | None
    reference: ReferenceRun
    frames: np.ndarray
    error: RolloutError


def judge(program: IntegerProgram, model: RolloutModel, trials: Trials, horizon: int) -> Judged:
    """Rolls the reference out from all contexts of `trials`."""
    contexts, exog = quantize_inputs(program, trials.contexts, trials.exog)
    reference = run_reference(program, model, contexts, horizon, exog=exog)
    frames = dequantize_frames(reference.frames, program)
    return Judged(contexts, exog, reference, frames, rollout_error(trials.frames, frames))
