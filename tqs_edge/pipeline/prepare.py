"""Stage 1: a checked model with the rollouts it is planned and judged on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.frontend.contexts import (
    Contexts,
    Run,
    free_windows,
    read_contexts,
    split_contexts,
)
from tqs_edge.frontend.load import LoadedModel, load_model
from tqs_edge.frontend.streaming import streaming
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.threads import one_thread
from tqs_edge.graph.time_loop import RolloutSizes, calls_of
from tqs_edge.pipeline.horizon import check_horizon

DEFAULT_HORIZON = 120
MAX_CONTEXTS = 16  # per half; more buys little and costs time linearly


@dataclass(frozen=True, eq=False)
class Trials:
    """Rollouts of one purpose: where they start and what the float model answers.

    contexts float32 (N, L, F), exog float32 (N, calls, E) or None, frames float32 (N, horizon, F);
    truth: the rows that really followed, (N, horizon, F), None where unknown.
    """

    contexts: np.ndarray
    exog: np.ndarray | None
    frames: np.ndarray
    truth: np.ndarray | None
    origin: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """A loaded model, disjoint rollouts to plan and to judge on, and the ranges observed while
    planning (largest magnitude by tensor)."""

    loaded: LoadedModel
    planning: Trials
    judging: Trials
    ranges: dict[str, float]
    horizon: int

    @property
    def model(self) -> RolloutModel:
        return self.loaded.model


@one_thread()
def prepare(
    source: Any,
    *,
    form: RolloutForm | None = None,
    example_inputs: tuple[torch.Tensor, ...] | None = None,
    context: Path | None = None,
    exog: Path | None = None,
    horizon: int | None = None,
    seed: int | None = None,
    stream: bool = True,
) -> Prepared:
    """The model that `source` names (see frontend.load_model) with its rollouts.

    Contexts come from the files, from the zoo for zoo models, else from the model's own free run;
    one half is planned on, the other judged on. Of more than MAX_CONTEXTS a half, evenly
    spaced ones are taken, or with a `seed` a random choice. stream: windowed models that gain by it
    take one row per step (graph/stream.py). Raises InputError, UnsupportedOp, NonFiniteRollout.
    """
    check_goes_with_context(context, exog)
    loaded = load_model(source, form=form, example_inputs=example_inputs)
    if stream:
        loaded = streaming(loaded)
    shipped = str(source).startswith("zoo:") and context is None
    steps = horizon or (zoo_horizon(str(source)) if shipped else DEFAULT_HORIZON)
    constants = loaded.model.graph.constants
    check_horizon(steps, 2 * MAX_CONTEXTS, loaded.model.features, constants)
    if shipped:
        planning, judging = _zoo_trials(loaded.model, str(source), steps, seed)
    else:
        planning, judging = _given_trials(loaded.model, context, exog, steps, seed)
    ranges = observe_ranges(loaded.model, planning.contexts, steps, planning.exog)
    return Prepared(loaded, planning, judging, ranges, steps)


def _given_trials(
    model: RolloutModel,
    context: Path | None,
    exog: Path | None,
    horizon: int,
    seed: int | None,
) -> tuple[Trials, Trials]:
    count = (2 if seed is None else 4) * MAX_CONTEXTS
    contexts = given_contexts(model, partial(rollout, model), context, exog, horizon, count)
    first, second = split_contexts(contexts)
    return _trials(model, first, horizon, None, seed), _trials(model, second, horizon, None, seed)


def given_contexts(
    model: RolloutSizes,
    run: Run,
    context: Path | None,
    exog: Path | None,
    horizon: int,
    count: int,
) -> Contexts:
    """At most `count` windows of a file, or as many free-running ones of what `run` rolls out."""
    if context is not None:
        return read_contexts(model, context, horizon=horizon, exog_path=exog, count=count)
    check_goes_with_context(context, exog)
    return free_windows(model, run, count=count)


def check_goes_with_context(context: Path | None, exog: Path | None) -> None:
    """Raises InputError for exogenous inputs of no contexts."""
    if exog is not None and context is None:
        raise InputError("--exog goes with --context; give both")


def zoo_horizon(source: str) -> int:
    """The horizon that a zoo model is meant for."""
    from tqs_edge import zoo

    return zoo.card_of(source.removeprefix("zoo:")).horizon


def _zoo_trials(
    model: RolloutModel, source: str, horizon: int, seed: int | None
) -> tuple[Trials, Trials]:
    from tqs_edge import zoo

    entry = zoo.load(source.removeprefix("zoo:"))
    parts = (
        ("planning", entry.planning_contexts, entry.planning_exog, entry.planning_truth),
        ("judging", entry.judging_contexts, entry.judging_exog, entry.judging_truth),
    )
    planning, judging = (
        _trials(model, zoo_contexts(model, values, exog, name, horizon), horizon, truth, seed)
        for name, values, exog, truth in parts
    )
    return planning, judging


def zoo_contexts(
    model: RolloutSizes, values: np.ndarray, exog: np.ndarray | None, part: str, horizon: int
) -> Contexts:
    """Contexts of a zoo series, exog cut to the calls of a rollout; InputError where it is short.

    values float32 (N, L, F); exog float32 (N, calls of the card's horizon, E) or None.
    """
    if exog is not None:
        calls = calls_of(model, values.shape[1], horizon)
        if exog.shape[1] < calls:
            most = horizon - (calls - exog.shape[1])
            raise InputError(
                f"the zoo knows this model's exogenous inputs for {most} steps; shorten --horizon "
                "or give --context and --exog"
            )
        exog = exog[:, :calls]
    return Contexts(values, exog, f"zoo series, {part} part")


def _trials(
    model: RolloutModel,
    contexts: Contexts,
    horizon: int,
    truth: np.ndarray | None,
    seed: int | None,
) -> Trials:
    chosen = choose_contexts(len(contexts.values), seed)
    values = contexts.values[chosen]
    exog = None if contexts.exog is None else contexts.exog[chosen]
    frames = float_frames(model, values, horizon, exog)
    known = truth is not None and truth.shape[1] >= horizon
    rows = truth[chosen, :horizon] if truth is not None and known else None
    return Trials(values, exog, frames, rows, contexts.origin)


def choose_contexts(count: int, seed: int | None = None) -> np.ndarray:
    """Which of `count` contexts to use, in their order: evenly spaced, or by chance with a seed."""
    most = min(count, MAX_CONTEXTS)
    if seed is None:
        return np.linspace(0, count - 1, most).astype(np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def float_frames(
    model: RolloutModel, contexts: np.ndarray, horizon: int, exog: np.ndarray | None = None
) -> np.ndarray:
    """The float model's frames (N, horizon, F); NonFiniteRollout names the first bad step."""
    with torch.no_grad():
        frames: np.ndarray = rollout(
            model,
            torch.from_numpy(np.ascontiguousarray(contexts)),
            horizon,
            exog=None if exog is None else torch.from_numpy(np.ascontiguousarray(exog)),
        ).numpy()
    check_finite(frames, horizon)
    return frames


def check_finite(frames: np.ndarray, horizon: int) -> None:
    """Raises NonFiniteRollout naming the first step of frames (N, horizon, F) that is not."""
    if not np.isfinite(frames).all():
        step = int(np.argmin(np.isfinite(frames).all(axis=(0, 2))))
        raise NonFiniteRollout(
            f"the float rollout reaches NaN or infinity at step {step} of {horizon}; shorten "
            "--horizon or give other contexts"
        )
