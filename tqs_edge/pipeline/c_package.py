"""Stage 6b: the C package of a lowered model, with golden frames of the integer reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.time_loop import calls_of
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.package.names import c_name, checked_name
from tqs_edge.package.selftest import GoldenRollout
from tqs_edge.package.write import write_c_package
from tqs_edge.pipeline.lowering import Lowered
from tqs_edge.pipeline.prepare import Trials
from tqs_edge.verify.reference import quantize_inputs, run_reference

MOST_CONTEXT_ROWS = 8  # of a recurrent model's self-test
LEAST_HALF = 4  # steps in each half of the self-test


def package_name(lowered: Lowered, name: str | None) -> str:
    """The prefix of the package: `name`, or what the model's own name gives."""
    return c_name(lowered.model.name) if name is None else checked_name(name)


def write_model_package(folder: Path, lowered: Lowered, trials: Trials, name: str) -> None:
    """Writes the C package of `lowered` to `folder`; see package.write."""
    model, program = lowered.model, lowered.program
    contexts, exog = quantize_inputs(
        program, trials.contexts[:1], None if trials.exog is None else trials.exog[:1]
    )
    golden = golden_rollout(program, model, contexts[0], None if exog is None else exog[0])
    sentence = f"{model.name}: integer forecaster of {model.features} values in a loop"
    write_c_package(folder, lowered.bundle, name, sentence, golden)


def golden_rollout(
    program: IntegerProgram, model: RolloutModel, context: np.ndarray, exog: np.ndarray | None
) -> GoldenRollout:
    """A short rollout by the integer reference.

    context int16 (rows, F), of which the last are taken; exog int16 (calls, E), from the first row
    again where more are wanted.
    """
    rows = model.length
    if model.form is not RolloutForm.WINDOWED:
        rows *= max(1, min(MOST_CONTEXT_ROWS, len(context)) // rows)
    half = -(-LEAST_HALF // model.block) * model.block
    half_calls, calls = (calls_of(model, rows, steps) for steps in (half, 2 * half))
    context = context[-rows:]
    inputs = np.zeros((calls, 0), np.int16)
    if exog is not None:
        inputs = exog[np.arange(calls) % len(exog)]
    known = None if exog is None else inputs[np.newaxis]
    run = run_reference(program, model, context[np.newaxis], 2 * half, exog=known)
    return GoldenRollout(context, run.frames[0], inputs, half_calls)
