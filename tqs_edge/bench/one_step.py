"""Single steps of a model on known inputs, for the scores that look one step ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.graph.evaluate import Weight
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.time_loop import context_calls
from tqs_edge.pipeline.prepare import Prepared

if TYPE_CHECKING:
    import torch

STARTS = 4  # places along each planning rollout from which one step is taken
MOST_WINDOWS = 32  # of a windowed model, for each rollout
BLIND_SHARE = 4  # the first quarter of a context, where a state cannot know the phase yet


def one_step_trials(prepared: Prepared) -> tuple[np.ndarray, np.ndarray | None]:
    """Contexts (N * STARTS, L, F) and exog of one call's worth of frames from each.

    They are windows of the planning rollouts: the contexts themselves, and later ones with the
    float model's own frames.
    """
    model, trials = prepared.model, prepared.planning
    rows = trials.contexts.shape[1]
    series = np.concatenate([trials.contexts, trials.frames], axis=1)
    last = (series.shape[1] - rows) // model.block
    offsets = sorted({last * k // STARTS * model.block for k in range(STARTS)})
    exog = None
    if trials.exog is not None:
        exog = np.concatenate([_calls(model, trials.exog, o, rows) for o in offsets])
    return np.concatenate([series[:, o : o + rows] for o in offsets]), exog


def _calls(model: RolloutModel, exog: np.ndarray, offset: int, rows: int) -> np.ndarray:
    """The exogenous rows of the calls that make one call's worth of frames from `offset` on."""
    if model.form is RolloutForm.WINDOWED:
        return exog[:, offset // model.block : offset // model.block + 1]
    return exog[:, offset // model.block :][:, : context_calls(model, rows)]


@dataclass(frozen=True, eq=False)
class Lessons:
    """Teacher forcing: true inputs and what should follow each of them.

    contexts float64 (N, rows, F); exog (N, calls, E) or None; targets (calls, N, K, F);
    std: (F,) of the targets, the unit of the loss; blind: first calls that the loss leaves out
    """

    contexts: torch.Tensor
    exog: torch.Tensor | None
    targets: torch.Tensor
    std: torch.Tensor
    blind: int


def teacher_lessons(prepared: Prepared) -> Lessons:
    """The planning contexts as lessons, each row's target the true row after it.

    After the last row of a context come the true rows where they are known, else the float frames.
    A windowed model learns from windows of context and what follows.
    """
    import torch

    model, trials = prepared.model, prepared.planning
    following = trials.frames if trials.truth is None else trials.truth
    series = np.concatenate([trials.contexts, following], axis=1).astype(np.float64)
    rows, block = trials.contexts.shape[1], model.block
    exog = None if trials.exog is None else trials.exog.astype(np.float64)
    if model.form is RolloutForm.WINDOWED:
        count = min(MOST_WINDOWS, (series.shape[1] - rows) // block)
        contexts = np.concatenate([series[:, k * block :][:, :rows] for k in range(count)])
        targets = np.concatenate([series[:, k * block + rows :][:, :block] for k in range(count)])
        if exog is not None:
            exog = np.concatenate([exog[:, k : k + 1] for k in range(count)])
        answers, blind = targets[None], 0
    else:
        calls = context_calls(model, rows)
        contexts, first = series[:, :rows], rows - (calls - 1) * block
        answers = np.stack([series[:, first + k * block :][:, :block] for k in range(calls)])
        exog = None if exog is None else exog[:, :calls]
        blind = calls // BLIND_SHARE if model.form is RolloutForm.RECURRENT else 0
    answers = answers[blind:]
    std = answers.reshape(-1, model.features).std(axis=0)
    return Lessons(
        contexts=torch.from_numpy(np.ascontiguousarray(contexts)),
        exog=None if exog is None else torch.from_numpy(np.ascontiguousarray(exog)),
        targets=torch.from_numpy(np.ascontiguousarray(answers)),
        std=torch.from_numpy(np.where(std > 0.0, std, 1.0)),
        blind=blind,
    )


def teacher_loss(model: RolloutModel, lessons: Lessons, weight: Weight) -> torch.Tensor:
    """Mean squared standardised one-step error, differentiable in what `weight` returns."""
    import torch

    outputs: list[torch.Tensor] = []
    batch = len(lessons.contexts)

    def keep(call: int, tensors: Mapping[str, torch.Tensor]) -> None:
        output = tensors[model.graph.output]
        outputs.append(output.reshape(batch, model.block, model.features))

    rollout(model, lessons.contexts, model.block, exog=lessons.exog, weight=weight, on_step=keep)
    error = (torch.stack(outputs[lessons.blind :]) - lessons.targets) / lessons.std
    return error.square().mean()
