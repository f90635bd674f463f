"""Stages 2 and 3: scores of all sites, and a plan that fits the device."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
from tqs_edge.plan.narrowest import narrowest_plan
from tqs_edge.plan.pareto import ParetoFront, pareto
from tqs_edge.plan.pins import least_average_bits
from tqs_edge.plan.planner import NO_PINS, PlanResult, check_method, plan
from tqs_edge.plan.problem import Decided, make_problem
from tqs_edge.plan.search import Method
from tqs_edge.sensitivity.exact import DamageTable, measure_damage
from tqs_edge.sensitivity.score import PROBES, SensitivityReport, score
from tqs_edge.sensitivity.sites import BLOCK_ROWS
from tqs_edge.sensitivity.sweep import Executor

Progress = Callable[[int, int], None]
DEFAULT_AVG_BITS = 8.0  # without any budget: what uniform 8-bit weights would take
MAX_BUILDS = 4  # builds until the cost model agrees with the linker
TOLERANCE = 0.02  # of a limit, that a plan may leave unused for want of a better model
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
    probes: int = PROBES,
    block_rows: int = BLOCK_ROWS,
    seed: int = 0,
    progress: Progress | None = None,
    executor: Executor | None = None,
    resume: Path | None = None,
) -> Scores:
    """TQS of every site on the planning rollouts; `exact` also measures every width of each.

    block_rows: rows of a weight that have one width together. executor, resume: see
    `sensitivity.score.score`; by default, a thread for every core.
    """
    trials, horizon = prepared.planning, prepared.horizon
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        report = score(
            prepared.model,
            trials.contexts,
            horizon,
            trials.exog,
            probes=probes,
            seed=seed,
            progress=progress,
            block_rows=block_rows,
            ranges=prepared.ranges,
            executor=executor or threads,
            resume=resume,
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
    pins: Mapping[str, int] = NO_PINS,
    fixed: Fixed | None = None,
    progress: Progress | None = None,
) -> PlanResult:
    """The plan of least rollout damage within `budget`; raises BudgetInfeasible, InputError.

    pins: widths by name of sites (plan/pins.py). Without a budget, DEFAULT_AVG_BITS or what the
    pins take at least.
    """
    if not budget.limits():
        budget = Budget(avg_bits=max(DEFAULT_AVG_BITS, _least_bits(scores, pins)))
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
        pins=pins,
        fixed=fixed,
        progress=progress,
    )


@one_thread()
def pareto_widths(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    budget: Budget,
    resource: str,
    *,
    method: str = Method.TQS,
    act_bits: int | None = None,
    state_bits: int | None = None,
    pins: Mapping[str, int] = NO_PINS,
    progress: Progress | None = None,
) -> ParetoFront:
    """The front of error against `resource` ("flash", "insns", "avg_bits") within the other limits
    of `budget`; see plan.pareto.pareto."""
    table = scores.table if method == Method.EXACT and scores.table else scores.report
    problem = make_problem(
        prepared.model,
        table,
        prepared.ranges,
        prepared.planning.contexts,
        prepared.horizon,
        budget.limits(),
        board.core.isa,
        Decided(act_bits, state_bits, pins),
        exog=prepared.planning.exog,
    )
    return pareto(problem, resource, check_method(method, table), progress=progress)


def _least_bits(scores: Scores, pins: Mapping[str, int]) -> float:
    return least_average_bits([score.site for score in scores.report.sites], pins)


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
    pins: Mapping[str, int] = NO_PINS,
    progress: Progress | None = None,
    dump_ir: Path | None = None,
) -> Compiled:
    """A plan within `budget` and its firmware, with flash, RAM and instructions as measured.

    The planner works with a cost model, whose part that all plans share is measured by building
    the narrowest. A plan is built and measured; where the model was off by more than TOLERANCE of a
    limit, to either side, the difference is added to what every plan costs and planning is
    repeated. Of the plans that fit, the one of least error is returned.
    """
    limits = budget.limits()
    measured = tuple(name for name in MEASURED if name in limits)
    shared: dict[str, Any] = {"act_bits": act_bits, "state_bits": state_bits, "pins": pins}
    fixed = estimate_fixed(prepared.model.graph)
    if measured:
        decided = Decided(act_bits, state_bits, pins)
        narrowest, modelled = narrowest_plan(
            prepared.model, scores.report, prepared.ranges, board.core.isa, decided, fixed
        )
        compiled = compile_plan(prepared, narrowest, board, toolchain, folder / "least")
        usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
        fixed = _corrected(fixed, usage, modelled, measured)
    shared |= {"method": method, "progress": progress}
    best: Compiled | None = None
    for number in range(MAX_BUILDS):
        try:
            result = plan_widths(prepared, scores, board, budget, fixed=fixed, **shared)
        except BudgetInfeasible:
            if best is None:
                raise
            break
        place = folder / str(number)
        compiled = compile_plan(prepared, result.plan, board, toolchain, place, dump_ir=dump_ir)
        compiled = replace(compiled, result=result)
        usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
        fits = all(usage.get(name, 0.0) <= limits[name] for name in measured)
        if fits and (best is None or _error(compiled) < _error(best)):
            best = compiled
        gaps = [abs(usage.get(n, result.usage[n]) - result.usage[n]) / limits[n] for n in measured]
        if fits and max(gaps, default=0.0) <= TOLERANCE:
            break
        fixed = _corrected(fixed, usage, result.usage, measured)
    if best is None:
        text = ", ".join(f"{name} {usage[name]:.0f} of {limits[name]:.0f}" for name in measured)
        raise BudgetInfeasible(
            f"{MAX_BUILDS} plans in a row measured above the budget ({text}); allow a few per cent "
            "more"
        )
    return best


def _error(compiled: Compiled) -> float:
    assert compiled.result is not None
    return compiled.result.measured


def _corrected(
    fixed: Fixed,
    measured: Mapping[str, float],
    modelled: Mapping[str, float],
    names: tuple[str, ...],
) -> Fixed:
    """`fixed` with the difference of measured and modelled use of `names` added."""
    gap = {name: measured.get(name, modelled[name]) - modelled[name] for name in names}
    return Fixed(
        flash=fixed.flash + gap.get("flash", 0.0),
        ram=fixed.ram + gap.get("ram", 0.0),
        insns=fixed.insns + gap.get("insns", 0.0),
    )
