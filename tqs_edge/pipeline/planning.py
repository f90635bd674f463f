"""Stages 2 and 3: scores of all sites, and a plan that fits the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import measure_usage
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.cost import Fixed, estimate_fixed
from tqs_edge.plan.planner import Method, PlanResult, plan
from tqs_edge.sensitivity.exact import DamageTable, measure_damage
from tqs_edge.sensitivity.score import SensitivityReport, score

Progress = Callable[[int, int], None]
DEFAULT_AVG_BITS = 8.0  # without any budget: what uniform 8-bit weights would take
MAX_BUILDS = 4  # builds until the cost model agrees with the linker


@dataclass(frozen=True)
class Scores:
    """Predicted sensitivity of every site and, in exact mode or for reports, measured damage."""

    report: SensitivityReport
    table: DamageTable | None


@dataclass(frozen=True, eq=False)
class Compiled:
    """A plan, its lowering and its firmware; `result` is None where the plan was given."""

    result: PlanResult | None
    lowered: Lowered
    firmware: Firmware


def score_sites(
    prepared: Prepared,
    *,
    exact: bool = True,
    probes: int = 16,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """TQS of every site on the planning rollouts; `exact` also measures every width of each."""
    trials, horizon = prepared.planning, prepared.horizon
    report = score(
        prepared.model,
        trials.contexts,
        horizon,
        trials.exog,
        probes=probes,
        seed=seed,
        progress=progress,
    )
    if not exact:
        return Scores(report, None)
    table = measure_damage(
        prepared.model,
        trials.contexts,
        horizon,
        trials.exog,
        report=report,
        ranges=prepared.ranges,
    )
    return Scores(report, table)


def plan_widths(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    budget: Budget,
    *,
    method: str = Method.TQS,
    act_bits: int | None = None,
    state_bits: int | None = None,
    fixed: Fixed | None = None,
    progress: Progress | None = None,
) -> PlanResult:
    """The plan of least rollout damage within `budget`; raises BudgetInfeasible, InputError."""
    if not budget.limits():
        budget = Budget(avg_bits=DEFAULT_AVG_BITS)
    trials = prepared.planning
    return plan(
        prepared.model,
        scores.table if method == Method.EXACT and scores.table else scores.report,
        prepared.ranges,
        trials.contexts,
        prepared.horizon,
        budget,
        board.core.isa,
        method,
        exog=trials.exog,
        act_bits=act_bits,
        state_bits=state_bits,
        fixed=fixed,
        progress=progress,
    )


def compile_plan(
    prepared: Prepared, widths: BitPlan, board: Board, toolchain: Toolchain, folder: Path
) -> Compiled:
    """Firmware of a given plan, built in `folder`."""
    lowered = lower_plan(prepared, widths)
    return Compiled(None, lowered, build(lowered.bundle, board, toolchain, folder))


def compile_within(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    toolchain: Toolchain,
    budget: Budget,
    folder: Path,
    *,
    method: str = Method.TQS,
    act_bits: int | None = None,
    state_bits: int | None = None,
    progress: Progress | None = None,
) -> Compiled:
    """A plan within `budget` and its firmware, with flash, RAM and instructions as measured.

    The planner works with a cost model. Where the built firmware takes more than the model said
    and breaks a limit, the difference is added to what every plan costs and planning is repeated.
    """
    limits = budget.limits()
    fixed = estimate_fixed(prepared.model.graph)
    for _ in range(MAX_BUILDS):
        result = plan_widths(
            prepared,
            scores,
            board,
            budget,
            method=method,
            act_bits=act_bits,
            state_bits=state_bits,
            fixed=fixed,
            progress=progress,
        )
        compiled = compile_plan(prepared, result.plan, board, toolchain, folder)
        compiled = Compiled(result, compiled.lowered, compiled.firmware)
        usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
        over = {
            name: usage[name] - result.usage[name]
            for name in ("flash", "ram", "insns")
            if name in limits and name in usage and usage[name] > limits[name]
        }
        if not over:
            return compiled
        fixed = Fixed(
            flash=fixed.flash + over.get("flash", 0.0),
            ram=fixed.ram + over.get("ram", 0.0),
            insns=fixed.insns + over.get("insns", 0.0),
        )
    raise BudgetInfeasible(
        f"{MAX_BUILDS} plans in a row measured above the budget ("
        + ", ".join(f"{name} {usage[name]:.0f} of {limits[name]:.0f}" for name in over)
        + "); allow a few per cent more"
    )
