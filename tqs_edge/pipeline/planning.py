"""Stages 2 and 3: scores of all sites, and a plan that fits the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import measure_usage
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.cost import Fixed, estimate_fixed
from tqs_edge.plan.planner import PlanResult, plan
from tqs_edge.plan.search import Method
from tqs_edge.sensitivity.exact import DamageTable, measure_damage
from tqs_edge.sensitivity.score import SensitivityReport, score

Progress = Callable[[int, int], None]
DEFAULT_AVG_BITS = 8.0  # without any budget: what uniform 8-bit weights would take
LEAST_BITS = 2.0
MAX_BUILDS = 4  # builds until the cost model agrees with the linker
MEASURED = ("flash", "ram", "insns")  # resources that a build and a short run tell


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


@one_thread()
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


@one_thread()
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
    prepared: Prepared,
    widths: BitPlan,
    board: Board,
    toolchain: Toolchain,
    folder: Path,
    *,
    dump_ir: Path | None = None,
) -> Compiled:
    """Firmware of a given plan, built in `folder`; the IR of each phase goes to `dump_ir`."""
    lowered = lower_plan(prepared, widths, dump_dir=dump_ir)
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
    dump_ir: Path | None = None,
) -> Compiled:
    """A plan within `budget` and its firmware, with flash, RAM and instructions as measured.

    The planner works with a cost model of what differs between plans; what all plans share is
    measured by building one. Where a plan's firmware still takes more than the model said and
    breaks a limit, the difference is added to what every plan costs and planning is repeated.
    """
    limits = budget.limits()
    shared: dict[str, Any] = {"act_bits": act_bits, "state_bits": state_bits}
    fixed = estimate_fixed(prepared.model.graph)
    if set(limits) & set(MEASURED):
        least = Budget(avg_bits=LEAST_BITS)  # one kernel only, so no plan shares less code
        trial = plan_widths(
            prepared, scores, board, least, method=Method.GREEDY, fixed=fixed, **shared
        )
        compiled = compile_plan(prepared, trial.plan, board, toolchain, folder)
        usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
        fixed = _corrected(fixed, usage, trial.usage)
    for _ in range(MAX_BUILDS):
        result = plan_widths(
            prepared,
            scores,
            board,
            budget,
            method=method,
            fixed=fixed,
            progress=progress,
            **shared,
        )
        compiled = compile_plan(prepared, result.plan, board, toolchain, folder, dump_ir=dump_ir)
        usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
        over = [name for name in MEASURED if usage.get(name, 0.0) > limits.get(name, math.inf)]
        if not over:
            return replace(compiled, result=result)
        fixed = _corrected(fixed, {name: usage[name] for name in over}, result.usage)
    text = ", ".join(f"{name} {usage[name]:.0f} of {limits[name]:.0f}" for name in over)
    raise BudgetInfeasible(
        f"{MAX_BUILDS} plans in a row measured above the budget ({text}); allow a few per cent more"
    )


def _corrected(fixed: Fixed, measured: Mapping[str, float], modelled: Mapping[str, float]) -> Fixed:
    """`fixed` with the difference of measured and modelled use added, where it was measured."""
    gap = {name: measured.get(name, modelled[name]) - modelled[name] for name in MEASURED}
    return Fixed(fixed.flash + gap["flash"], fixed.ram + gap["ram"], fixed.insns + gap["insns"])
