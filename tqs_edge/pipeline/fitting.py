"""Stage 3b: integers of the planned widths, fitted to the rollout where that pays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqs_edge.firmware.board import Board
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.graph.threads import one_thread
from tqs_edge.integer.build import build_program
from tqs_edge.pipeline.building import MEASURED, Compiled, compile_plan
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import measure_usage
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.feedback import ErrorFeedback, everywhere, with_feedback
from tqs_edge.plan.rounding import (
    FITTED_BY_DEFAULT,
    Fit,
    FloatResponses,
    Rounding,
    fit_rounding,
    float_responses,
)
from tqs_edge.plan.zero_points import with_zero_points
from tqs_edge.sensitivity.batch import clean_rollouts

Progress = Callable[[int, int], None]
QUIET = "without rounding activations"  # method of a plan that is there for its integers alone
STARTS = 3  # fits at most
ENOUGH = 0.01  # nRMSE on the planning contexts with which no other fit is begun


@dataclass(frozen=True, eq=False)
class Integers:
    """How plans get their integers; responses: of the float model, where they are known."""

    rounding: Rounding = Rounding.AUTO
    feedback: ErrorFeedback = ErrorFeedback.AUTO
    seed: int = 0
    responses: FloatResponses | None = None


BY_DEFAULT = Integers()


@one_thread()
def fed_plans(
    prepared: Prepared, plans: Sequence[BitPlan], how: ErrorFeedback = ErrorFeedback.AUTO
) -> list[BitPlan]:
    """`plans` with zero points and error feedback of 8-bit activations, chosen on the planning
    rollouts. Plans with fitted integers were made with or without them, and stay as they are.
    """
    if not any(8 in plan.activations.values() for plan in plans):
        return list(plans)
    model, trials, ranges = prepared.model, prepared.planning, prepared.ranges
    clean = clean_rollouts(model, trials.contexts, prepared.horizon, trials.exog)

    def feed(plan: BitPlan) -> BitPlan:
        if how is ErrorFeedback.AUTO:
            return with_feedback(model, plan, ranges, clean)
        return everywhere(model.graph, plan) if how is ErrorFeedback.ON else plan

    fed: list[BitPlan] = []
    for plan in plans:
        if plan.fitted or 8 not in plan.activations.values():
            fed.append(plan)
            continue
        fed.append(with_zero_points(model, plan, ranges, clean, feed))
    return fed


@one_thread()
def settled(
    prepared: Prepared,
    plan: BitPlan,
    how: ErrorFeedback = ErrorFeedback.AUTO,
    *,
    every: bool = False,
) -> BitPlan:
    """`plan`, under AUTO without its error feedback, or with that of every activation if `every`,
    where its integers, as they came out, follow the planning rollouts better so."""
    if how is not ErrorFeedback.AUTO:
        return plan
    others = [replace(plan, feedback=())] if plan.feedback else []
    if every:
        others.append(everywhere(prepared.model.graph, plan))
    if not others:
        return plan
    return min([*others, plan], key=lambda other: planning_error(prepared, other))


def _with_wide_activations(plan: BitPlan) -> BitPlan | None:
    """The same with all activations at 16 bits, to fit integers without the noise of 8; None where
    none has 8 or the integers are fitted already."""
    if plan.fitted or 8 not in plan.activations.values():
        return None
    wide = dict.fromkeys(plan.activations, 16)
    return replace(plan, activations=wide, method=QUIET, feedback=(), spans={})


def planning_error(prepared: Prepared, plan: BitPlan) -> float:
    """nRMSE of the integers of a plan, as they will run, on the planning contexts; infinite where
    it is no number."""
    program = build_program(prepared.model.graph, plan, prepared.ranges)
    error = judge(program, prepared.model, prepared.planning, prepared.horizon).error.nrmse
    return error if math.isfinite(error) else math.inf


@one_thread()
def with_integers(
    prepared: Prepared,
    plans: Sequence[BitPlan],
    integers: Integers,
    progress: Progress | None = None,
) -> list[BitPlan]:
    """What `compile` makes of `plans`: zero points of 8-bit activations, and error feedback and
    fitted integers where they are asked for, as far as they lower the error on the planning
    rollouts; best first, at least one.

    A fit ends in the valley it starts in: where its integers err by more than ENOUGH, as they will
    run, others are begun from other sketches of the responses, and the best one counts. What
    rounding activations to 8 bits adds is noise to a fit: the first plan is fitted without it as
    well.
    """
    plans = fed_plans(prepared, plans, integers.feedback)
    quiet = _with_wide_activations(plans[0])
    best: list[BitPlan] = []
    least = math.inf
    for start in range(STARTS):
        fits = fit_plans(
            prepared,
            plans if quiet is None else [*plans, quiet],
            integers.rounding,
            seed=integers.seed + start,
            responses=None if start else integers.responses,
            progress=progress,
        )
        found = []
        for plan in (fit.plan for fit in fits if fit.plan.fitted):
            if plan.method != QUIET:
                found.append(settled(prepared, plan, integers.feedback))
            else:
                taken = replace(plans[0], fitted=plan.fitted, biases=plan.biases)
                found.append(settled(prepared, taken, integers.feedback, every=True))
        if not found:
            break
        if quiet is not None:
            found.sort(key=lambda plan: planning_error(prepared, plan))
        error = planning_error(prepared, found[0])
        if error < least:
            best, least = found, error
        if least <= ENOUGH:
            break
    return best or [settled(prepared, plans[0], integers.feedback)]


@one_thread()
def fit_plans(
    prepared: Prepared,
    plans: Sequence[BitPlan],
    rounding: Rounding = Rounding.AUTO,
    *,
    seed: int = 0,
    responses: FloatResponses | None = None,
    progress: Progress | None = None,
) -> tuple[Fit, ...]:
    """`plans` with integers fitted on the planning rollouts, best first; none where that is not
    asked for, or where the first plan has fitted integers already.
    """
    if plans[0].fitted or not is_fitted(prepared, rounding):
        return ()
    trials = prepared.planning
    return fit_rounding(
        prepared.model,
        plans,
        prepared.ranges,
        trials.contexts,
        prepared.horizon,
        trials.exog,
        seed=seed,
        responses=responses,
        progress=progress,
    )


def responses_of(
    prepared: Prepared, *, seed: int = 0, progress: Progress | None = None
) -> FloatResponses:
    """What fits of several plans of one model share; see `plan.rounding.float_responses`."""
    trials = prepared.planning
    return float_responses(
        prepared.model,
        trials.contexts,
        prepared.horizon,
        trials.exog,
        seed=seed,
        progress=progress,
    )


def is_fitted(prepared: Prepared, rounding: Rounding) -> bool:
    """Whether integers are fitted under `rounding`: where asked for, or by default if few."""
    numbers = numbers_of(prepared)
    few = rounding is Rounding.AUTO and numbers <= FITTED_BY_DEFAULT
    return numbers > 0 and (rounding is Rounding.FITTED or few)


def fit_compiled(
    prepared: Prepared,
    compiled: Compiled,
    board: Board,
    toolchain: Toolchain,
    budget: Budget,
    folder: Path,
    integers: Integers,
    *,
    progress: Progress | None = None,
    dump_ir: Path | None = None,
) -> Compiled:
    """Firmware with error feedback and fitted integers, built in `folder`; `compiled` where nothing
    is gained.

    The planner's other candidates are fitted too, as the best widths with nearest integers need not
    be the best with fitted ones. Integers decide which accumulators are proven to hold 32 bits, and
    so may change code: firmware that does not keep the budget is passed over for the same without
    error feedback, then for the next best.
    """
    plain = [compiled.lowered.plan, *(compiled.result.alternatives if compiled.result else ())]
    found = with_integers(prepared, plain, integers, progress)
    leaner = [(plan, replace(plan, feedback=())) if plan.feedback else (plan,) for plan in found]
    for number, plan in enumerate(plan for pair in leaner for plan in pair):
        if not plan.fitted and (plan.feedback, plan.spans) == (plain[0].feedback, plain[0].spans):
            continue  # as compiled already
        fitted = compile_plan(
            prepared, plan, board, toolchain, folder / str(number), dump_ir=dump_ir
        )
        if keeps_budget(fitted, budget, prepared):
            return replace(fitted, result=compiled.result, calibrations=compiled.calibrations)
    return compiled


def keeps_budget(compiled: Compiled, budget: Budget, prepared: Prepared) -> bool:
    """Whether flash, RAM and instructions, as measured, are within the budget."""
    limits = budget.limits()
    measured = [name for name in MEASURED if name in limits]
    if not measured:
        return True
    usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
    return all(usage.get(name, 0.0) <= limits[name] for name in measured)


def numbers_of(prepared: Prepared) -> int:
    """Weights and biases of the model's dense layers; each takes one rollout to fit."""
    graph = prepared.model.graph
    paths = {path for node in graph.dense_nodes() for path in (node.weight, node.bias) if path}
    return sum(graph.constants[path].size for path in paths)
