"""Scoring of models that need not compile: a black box, where it starts, and its scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tqs_edge.backends.black_box import BlackBox
from tqs_edge.backends.choose import BackendName, open_black_box
from tqs_edge.frontend.contexts import Contexts, split_contexts
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.horizon import check_horizon
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.prepare import (
    DEFAULT_HORIZON,
    MAX_CONTEXTS,
    Trials,
    check_finite,
    choose_contexts,
    given_contexts,
    zoo_contexts,
    zoo_horizon,
)
from tqs_edge.sensitivity.score import PROBES, score
from tqs_edge.sensitivity.sites import BLOCK_ROWS
from tqs_edge.sensitivity.sweep import Executor

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PreparedBlackBox:
    """A black box with the rollouts to score it on, those that a compiled model is planned on.

    ranges: largest magnitude of the input, exog and the states
    """

    model: BlackBox
    planning: Trials
    ranges: dict[str, float]
    horizon: int


@one_thread()
def prepare_black_box(
    source: Any,
    backend: BackendName,
    *,
    form: RolloutForm | None = None,
    example_inputs: tuple[torch.Tensor, ...] | None = None,
    device: str = "cpu",
    context: Path | None = None,
    exog: Path | None = None,
    horizon: int | None = None,
) -> PreparedBlackBox:
    """The model that `source` names, opened by `backend`, with its rollouts.

    Contexts come from where `pipeline.prepare.prepare` takes them: the first half of those in the
    files, the zoo's, or the model's own free run. Raises what `open_black_box` and the readers of
    contexts raise, and NonFiniteRollout.
    """
    box = open_black_box(source, backend, form=form, example_inputs=example_inputs, device=device)
    shipped = str(source).startswith("zoo:") and context is None
    steps = horizon or (zoo_horizon(str(source)) if shipped else DEFAULT_HORIZON)
    check_horizon(steps, MAX_CONTEXTS, box.features, box.weights)
    if shipped:
        contexts = _zoo_contexts(box, str(source), steps)
    else:
        contexts = given_contexts(
            box.sizes, _run(box), context, exog, steps, count=2 * MAX_CONTEXTS
        )
        if len(contexts.values) > 1:
            contexts, _ = split_contexts(contexts)
    chosen = choose_contexts(len(contexts.values))
    values = np.ascontiguousarray(contexts.values[chosen])
    known = None if contexts.exog is None else contexts.exog[chosen]
    frames, ranges = _clean_rollouts(box, values, known, steps)
    trials = Trials(values, known, frames, None, contexts.origin)
    return PreparedBlackBox(box, trials, ranges, steps)


@one_thread()
def score_black_box(
    prepared: PreparedBlackBox,
    *,
    probes: int = PROBES,
    block_rows: int = BLOCK_ROWS,
    seed: int = 0,
    progress: Progress | None = None,
    executor: Executor | None = None,
    resume: Path | None = None,
) -> Scores:
    """TQS of the weights, the input and the states of a black box.

    executor, resume: see `sensitivity.score.score`.
    """
    report = score(
        prepared.model,
        prepared.planning.contexts,
        prepared.horizon,
        prepared.planning.exog,
        probes=probes,
        seed=seed,
        progress=progress,
        block_rows=block_rows,
        ranges=prepared.ranges,
        executor=executor,
        resume=resume,
    )
    return Scores(report, None)


def _zoo_contexts(box: BlackBox, source: str, horizon: int) -> Contexts:
    from tqs_edge import zoo

    entry = zoo.load(source.removeprefix("zoo:"))
    values, exog = entry.planning_contexts, entry.planning_exog
    return zoo_contexts(box.sizes, values, exog, "planning", horizon)


def _run(box: BlackBox) -> Callable[[torch.Tensor, int], torch.Tensor]:
    return lambda contexts, horizon: box.rollout(contexts[None], horizon)[0]


def _clean_rollouts(
    box: BlackBox, contexts: np.ndarray, exog: np.ndarray | None, horizon: int
) -> tuple[np.ndarray, dict[str, float]]:
    """Frames (N, horizon, F) and largest magnitudes; NonFiniteRollout names the first bad step."""
    largest = dict.fromkeys(box.tensors, 0.0)

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        largest[name] = max(largest[name], float(value.abs().amax()))
        return value

    known = None if exog is None else torch.from_numpy(np.ascontiguousarray(exog))[None]
    frames = box.rollout(torch.from_numpy(contexts)[None], horizon, exog=known, tap=tap)[0].numpy()
    check_finite(frames, horizon)
    return frames, largest
