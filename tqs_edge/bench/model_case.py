"""A model with all that its plans share: scores, responses to its weights, how chaotic it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.fitting import is_fitted, responses_of, with_integers
from tqs_edge.pipeline.planning import Scores, plan_widths
from tqs_edge.pipeline.predictability import predictability_of
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.feedback import ErrorFeedback
from tqs_edge.plan.problem import Decided
from tqs_edge.plan.rounding import FloatResponses, Rounding
from tqs_edge.plan.uniform import uniform_plan

Progress = Callable[[int, int], None]
STREAMING = "streaming"  # the form of a windowed model that takes one row per step


@dataclass(frozen=True, eq=False)
class ModelCase:
    """What is computed once for all plans and boards of a model.

    scores: needed by searched plans; responses: None where integers are the nearest
    feedback: which 8-bit activations carry rounding errors to the next step
    lyapunov_steps: steps in which a disturbance grows e-fold, None unless the model is chaotic
    """

    prepared: Prepared
    scores: Scores | None
    rounding: Rounding
    responses: FloatResponses | None
    lyapunov_steps: int | None
    feedback: ErrorFeedback = ErrorFeedback.AUTO
    seed: int = 0


@one_thread()
def model_case(
    prepared: Prepared,
    scores: Scores | None = None,
    rounding: Rounding = Rounding.AUTO,
    feedback: ErrorFeedback = ErrorFeedback.AUTO,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> ModelCase:
    """The case of a prepared model; `progress` follows the responses, which take the time."""
    responses = None
    if is_fitted(prepared, rounding):
        responses = responses_of(prepared, seed=seed, progress=progress)
    time = predictability_of(prepared).lyapunov_time
    steps = max(1, round(time)) if time is not None else None
    return ModelCase(prepared, scores, rounding, responses, steps, feedback, seed)


def planned_bits(plan: str) -> float | None:
    """5.0 for "tqs5": average weight bits of a searched plan; None for a width code."""
    match = re.fullmatch(r"tqs(\d+(?:\.\d+)?)", plan)
    return float(match[1]) if match else None


def widths_of(case: ModelCase, plan: str, board: Board) -> BitPlan:
    """The widths that `plan` names, with integers fitted to the rollout as `compile` does it.

    All activations and states have the plan's width or 16 bits; of a searched plan the candidates
    are fitted too, and the best is taken.
    """
    found = with_integers(
        case.prepared,
        _candidates(case, plan, board),
        case.rounding,
        case.feedback,
        seed=case.seed,
        responses=case.responses,
    )
    return found[0]


def _candidates(case: ModelCase, plan: str, board: Board) -> list[BitPlan]:
    average = planned_bits(plan)
    if average is None:
        return [uniform_plan(case.prepared.model.graph, plan)]
    if case.scores is None:
        raise InputError(f"plan '{plan}' is searched and needs scores; score the model first")
    budget = Budget(avg_bits=average)
    result = plan_widths(case.prepared, case.scores, board, budget, decided=Decided(16, 16))
    return [result.plan, *result.alternatives]


def form_of(model: RolloutModel) -> str:
    """ "streaming", "windowed", "recurrent" or "map"."""
    return STREAMING if model.streams else model.form.value
