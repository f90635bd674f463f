"""Stage 6b: the C package of a lowered model, with golden frames of the integer reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tqs_edge.graph.rollout_model import RolloutForm
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
    features = lowered.model.features
    sentence = f"{lowered.model.name}: integer forecaster of {features} values in a loop"
    write_c_package(folder, lowered.bundle, name, sentence, golden_rollout(lowered, trials))


def golden_rollout(lowered: Lowered, trials: Trials) -> GoldenRollout:
    """A short rollout from the first context of `trials`, by the integer reference."""
    model = lowered.model
    windowed = model.form is RolloutForm.WINDOWED
    rows = model.length if windowed else min(MOST_CONTEXT_ROWS, trials.contexts.shape[1])
    half = -(-LEAST_HALF // model.block) * model.block
    half_calls = half // model.block if windowed else rows + half - 1
    calls = 2 * half // model.block if windowed else half_calls + half
    known = None if trials.exog is None else _calls(trials.exog[:1], calls)
    contexts, exog = quantize_inputs(lowered.program, trials.contexts[:1, -rows:], known)
    run = run_reference(lowered.program, model, contexts, 2 * half, exog=exog)
    inputs = np.zeros((calls, 0), np.int16) if exog is None else exog[0]
    return GoldenRollout(contexts[0], run.frames[0], inputs, half_calls)


def _calls(exog: np.ndarray, calls: int) -> np.ndarray:
    """`calls` rows of exog (1, known, E), from the first again where more are wanted."""
    return exog[:, np.arange(calls) % exog.shape[1]]
