"""Stages 3 to 5 as one loop: plan, lower, build, measure, until the firmware fits the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.planning import Scores, estimate_for, plan_widths
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import measure_usage
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.fixed_cost import Fixed
from tqs_edge.plan.narrowest import narrowest_plan
from tqs_edge.plan.planner import PlanResult
from tqs_edge.plan.problem import NOTHING_DECIDED, Decided
from tqs_edge.plan.search import Method

Progress = Callable[[int, int], None]
MAX_BUILDS = 4  # builds until the cost model agrees with the linker
TOLERANCE = 0.02  # of a limit, that a plan may leave unused for want of a better model
MEASURED = ("flash", "ram", "insns")  # resources that a build and a short run tell


@dataclass(frozen=True, eq=False)
class Compiled:
    """A plan, its lowering and its firmware; `result` is None where the plan was given.

    fixed: what the planner reckoned with for what plans share, None where it did not plan
    """

    result: PlanResult | None
    lowered: Lowered
    firmware: Firmware
    fixed: Fixed | None = None


def compile_plan(
    prepared: Prepared,
    widths: BitPlan,
    board: Board,
    toolchain: Toolchain,
    folder: Path,
    *,
    result: PlanResult | None = None,
    dump_ir: Path | None = None,
) -> Compiled:
    """Firmware of a given plan, built in `folder`; the IR of each phase goes to `dump_ir`."""
    lowered = lower_plan(prepared, widths, dump_dir=dump_ir)
    return Compiled(result, lowered, build(lowered.bundle, board, toolchain, folder))


def compile_within(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    toolchain: Toolchain,
    budget: Budget,
    folder: Path,
    *,
    method: str = Method.TQS,
    decided: Decided = NOTHING_DECIDED,
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
    fixed = estimate_for(prepared, board, decided)
    if measured:
        fixed = _measure_shared(
            prepared, scores, board, toolchain, folder, decided, measured, fixed
        )
    best: Compiled | None = None
    for number in range(MAX_BUILDS):
        try:
            result = plan_widths(
                prepared,
                scores,
                board,
                budget,
                method=method,
                decided=decided,
                fixed=fixed,
                progress=progress,
            )
        except BudgetInfeasible:
            if best is None:
                raise
            return best
        place = folder / str(number)
        compiled = compile_plan(
            prepared, result.plan, board, toolchain, place, result=result, dump_ir=dump_ir
        )
        compiled = replace(compiled, fixed=fixed)
        usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
        fits = all(usage.get(name, 0.0) <= limits[name] for name in measured)
        if fits and (best is None or _error(compiled) < _error(best)):
            best = compiled
        gaps = [abs(usage.get(n, result.usage[n]) - result.usage[n]) / limits[n] for n in measured]
        if best is not None and fits and max(gaps, default=0.0) <= TOLERANCE:
            return best
        fixed = _corrected(fixed, usage, result.usage, measured)
    if best is None:
        raise _over_budget({name: (usage[name], limits[name]) for name in measured})
    return best


def _over_budget(used: Mapping[str, tuple[float, float]]) -> BudgetInfeasible:
    text = ", ".join(f"{name} {use:.0f} of {limit:.0f}" for name, (use, limit) in used.items())
    return BudgetInfeasible(
        f"{MAX_BUILDS} plans in a row measured above the budget ({text}); allow a few per cent more"
    )


def _measure_shared(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    toolchain: Toolchain,
    folder: Path,
    decided: Decided,
    measured: tuple[str, ...],
    fixed: Fixed,
) -> Fixed:
    """What all plans share, from a build of the narrowest."""
    narrowest, modelled = narrowest_plan(
        prepared.model, scores.report, prepared.ranges, board.core.isa, decided, fixed
    )
    compiled = compile_plan(prepared, narrowest, board, toolchain, folder / "least")
    usage = measure_usage(compiled.firmware, compiled.lowered, prepared.planning)
    return _corrected(fixed, usage, modelled, measured)


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
    return replace(
        fixed,
        flash=fixed.flash + gap.get("flash", 0.0),
        ram=fixed.ram + gap.get("ram", 0.0),
        insns=fixed.insns + gap.get("insns", 0.0),
    )
