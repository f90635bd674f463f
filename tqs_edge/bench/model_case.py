"""A model with all that its plans share: scores, responses to its weights, how chaotic it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.cheapest import cheapest_plan
from tqs_edge.pipeline.fitting import BY_DEFAULT, Integers, is_fitted, responses_of, with_integers
from tqs_edge.pipeline.planning import Scores, plan_widths
from tqs_edge.pipeline.predictability import predictability_of
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.error_target import ErrorTarget
from tqs_edge.plan.problem import NOTHING_DECIDED, Decided
from tqs_edge.plan.uniform import uniform_plan

Progress = Callable[[int, int], None]
CHEAPEST = "cheapest"  # the plan that keeps the case's target of error
STREAMING = "streaming"  # the form of a windowed model that takes one row per step


@dataclass(frozen=True, eq=False)
class ModelCase:
    """What is computed once for all plans and boards of a model.

    scores: needed by searched plans; integers: how plans get theirs
    lyapunov_steps: steps in which a disturbance grows e-fold, None unless the model is chaotic
    target, decided: what the plan CHEAPEST has to keep, and what it may not choose
    """

    prepared: Prepared
    scores: Scores | None
    integers: Integers
    lyapunov_steps: int | None
    target: ErrorTarget | None = None
    decided: Decided = NOTHING_DECIDED


@one_thread()
def model_case(
    prepared: Prepared,
    scores: Scores | None = None,
    integers: Integers = BY_DEFAULT,
    *,
    target: ErrorTarget | None = None,
    decided: Decided = NOTHING_DECIDED,
    progress: Progress | None = None,
) -> ModelCase:
    """The case of a prepared model; `progress` follows the responses, which take the time."""
    if is_fitted(prepared, integers.rounding):
        responses = responses_of(prepared, seed=integers.seed, progress=progress)
        integers = replace(integers, responses=responses)
    time = predictability_of(prepared).lyapunov_time
    steps = max(1, round(time)) if time is not None else None
    return ModelCase(prepared, scores, integers, steps, target, decided)


def is_searched(plan: str) -> bool:
    """Whether finding the plan's widths takes scores."""
    return plan == CHEAPEST or planned_bits(plan) is not None


def planned_bits(plan: str) -> float | None:
    """5.0 for "tqs5": average weight bits of a searched plan; None for a width code."""
    match = re.fullmatch(r"tqs(\d+(?:\.\d+)?)", plan)
    return float(match[1]) if match else None


def widths_of(case: ModelCase, plan: str, board: Board) -> BitPlan:
    """The widths that `plan` names, with integers fitted to the rollout as `compile` does it.

    All activations and states have the plan's width or 16 bits; of a searched plan the candidates
    are fitted too, and the best is taken.
    """
    if plan == CHEAPEST:
        return _cheapest(case, board)
    return with_integers(case.prepared, _candidates(case, plan, board), case.integers)[0]


def _cheapest(case: ModelCase, board: Board) -> BitPlan:
    if case.target is None or case.scores is None:
        raise InputError(f"plan '{CHEAPEST}' needs scores and an error to keep (--max-nrmse)")
    return cheapest_plan(
        case.prepared,
        case.scores,
        board,
        case.target,
        Budget(),
        case.integers,
        decided=case.decided,
    )


def _candidates(case: ModelCase, plan: str, board: Board) -> list[BitPlan]:
    average = planned_bits(plan)
    if average is None:
        return [uniform_plan(case.prepared.model.graph, plan)]
    if case.scores is None:
        raise InputError(f"plan '{plan}' is searched and needs scores; score the model first")
    budget = Budget(avg_bits=average)
    result = plan_widths(
        case.prepared, case.scores, board, budget, decided=Decided(act_bits=16, state_bits=16)
    )
    return [result.plan, *result.alternatives]


def form_of(model: RolloutModel) -> str:
    """ "streaming", "windowed", "recurrent" or "map"."""
    return STREAMING if model.streams else model.form.value
