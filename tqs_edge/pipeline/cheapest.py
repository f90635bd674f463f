"""Stage 3 the other way round: the cheapest plan whose rollout errs little enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.building import MEASURED, Compiled, calibrated_costs, compile_plan
from tqs_edge.pipeline.expected_usage import Calibration
from tqs_edge.pipeline.fitting import (
    Integers,
    fed_plans,
    is_fitted,
    planning_error,
    responses_of,
    with_integers,
)
from tqs_edge.pipeline.planning import Scores, estimate_for, problem_of
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import measure_usage
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.cheapest import cheapest
from tqs_edge.plan.error_target import ErrorTarget
from tqs_edge.plan.fixed_cost import Fixed
from tqs_edge.plan.problem import NOTHING_DECIDED, Decided
from tqs_edge.plan.search import Method

Progress = Callable[[int, int], None]


@one_thread()
def cheapest_plan(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    target: ErrorTarget,
    budget: Budget,
    integers: Integers,
    *,
    method: str = Method.TQS,
    decided: Decided = NOTHING_DECIDED,
    fixed: Fixed | None = None,
    progress: Progress | None = None,
) -> BitPlan:
    """The plan, with its integers, that takes least of `target.resource` by the cost model, keeps
    the limits of `budget`, and errs at most by `target.nrmse` on the planning contexts.

    Errors are those of the integers as they will run. Raises BudgetInfeasible where the best plan
    within the budget errs by more.
    """
    if integers.responses is None and is_fitted(prepared, integers.rounding):
        integers = replace(integers, responses=responses_of(prepared, seed=integers.seed))
    tried: list[tuple[float, BitPlan]] = []

    def is_good(widths: BitPlan) -> bool:
        plan = fed_plans(prepared, [widths], integers.feedback)[0]
        error = planning_error(prepared, plan)
        if error > target.nrmse:  # fitting takes the time, and nearest integers may do
            plan = with_integers(prepared, [widths], integers)[0]
            error = planning_error(prepared, plan)
        tried.append((error, plan))
        return error <= target.nrmse

    problem, chosen = problem_of(prepared, scores, board, budget, method, decided, fixed)
    if not cheapest(problem, target.resource, chosen, is_good, progress=progress):
        best = f": the best one errs by {tried[0][0]:.2g}" if tried else ""
        raise BudgetInfeasible(
            f"no plan within the limits errs at most by {target.nrmse:g} on the planning contexts"
            f"{best}; allow more, or wider states (--state-bits 32)"
        )
    found = [plan for error, plan in tried if error <= target.nrmse][-1]
    if found.fitted:
        return found
    better = with_integers(prepared, [replace(found, feedback=(), spans={})], integers)[0]
    return better if planning_error(prepared, better) <= target.nrmse else found


def compile_cheapest(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    toolchain: Toolchain,
    target: ErrorTarget,
    budget: Budget,
    folder: Path,
    integers: Integers,
    *,
    method: str = Method.TQS,
    decided: Decided = NOTHING_DECIDED,
    progress: Progress | None = None,
    dump_ir: Path | None = None,
) -> Compiled:
    """Firmware of the cheapest plan, built in `folder`. Raises BudgetInfeasible also where it
    measures above a limit that it was reckoned to keep."""
    limits = {name: limit for name, limit in budget.limits().items() if name in MEASURED}
    fixed = estimate_for(prepared, board, decided)
    calibrations: tuple[Calibration, ...] = ()
    if limits:
        fixed, calibrations = calibrated_costs(
            prepared, scores, board, toolchain, folder, decided, fixed, limits
        )
    plan = cheapest_plan(
        prepared,
        scores,
        board,
        target,
        budget,
        integers,
        method=method,
        decided=decided,
        fixed=fixed,
        progress=progress,
    )
    compiled = compile_plan(prepared, plan, board, toolchain, folder / "plan", dump_ir=dump_ir)
    if limits:
        usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
        over = [
            f"{n} {usage[n]:.0f} of {limit:.0f}" for n, limit in limits.items() if usage[n] > limit
        ]
        if over:
            raise BudgetInfeasible(
                f"the cheapest plan found that errs at most by {target.nrmse:g} measures "
                f"{', '.join(over)}; allow that, or more error"
            )
    return replace(compiled, calibrations=calibrations)
