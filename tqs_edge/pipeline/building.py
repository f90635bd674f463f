"""Stages 3 to 5 as one loop: plan, lower, build, measure, until the firmware fits the budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqs_edge.errors import BudgetInfeasible
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.pipeline.expected_usage import Calibration, calibrate, expected_usage
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

    calibrations: builds of other plans, which say what to expect of this one; none without a limit
    on what a build tells
    """

    result: PlanResult | None
    lowered: Lowered
    firmware: Firmware
    calibrations: tuple[Calibration, ...] = ()


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

    The planner works with a cost model that adds up what widths of single sites cost, whose part
    that all plans share is measured by building the narrowest. What is expected of a plan once it
    is lowered, then what is measured once it is built, is compared with the model; where the model
    was off by more than TOLERANCE of a limit, to either side, the difference is added to what every
    plan costs and planning is repeated. Of the plans that fit, the one of least error is returned.
    """
    limits = budget.limits()
    limits = {name: limits[name] for name in MEASURED if name in limits}
    fixed = estimate_for(prepared, board, decided)
    calibrations: tuple[Calibration, ...] = ()
    if limits:
        fixed, calibrations = calibrated_costs(
            prepared, scores, board, toolchain, folder, decided, fixed, limits
        )
    options: dict[str, Any] = {"method": method, "decided": decided, "progress": progress}
    search = partial(plan_widths, prepared, scores, board, budget, **options)
    best: Compiled | None = None
    for number in range(MAX_BUILDS):
        try:
            planned = _planned(
                search, prepared, board.core.isa, limits, fixed, calibrations, dump_ir
            )
        except BudgetInfeasible:
            if best is None:
                raise
            return best
        firmware = build(planned.lowered.bundle, board, toolchain, folder / str(number))
        compiled = Compiled(planned.result, planned.lowered, firmware, calibrations)
        usage = measure_usage(firmware, planned.lowered, prepared.planning)
        fits = all(usage.get(name, 0.0) <= limits[name] for name in limits)
        if fits and (best is None or _error(compiled) < _error(best)):
            best = compiled
        if best is not None and fits and _gap(usage, planned.result.usage, limits) <= TOLERANCE:
            return best
        fixed = _corrected(planned.fixed, usage, planned.result.usage, limits)
    if best is None:
        raise _over_budget({name: (usage[name], limits[name]) for name in limits})
    return best


@dataclass(frozen=True, eq=False)
class _Planned:
    """A plan as the search found it with `fixed` for what plans share, and its lowering."""

    fixed: Fixed
    result: PlanResult
    lowered: Lowered


def _planned(
    search: Callable[..., PlanResult],
    prepared: Prepared,
    isa: str,
    limits: Mapping[str, float],
    fixed: Fixed,
    calibrations: Sequence[Calibration],
    dump_ir: Path | None,
) -> _Planned:
    """A plan within the limits; searched again where its lowering tells of another use, which a
    build has to confirm where it leaves no plan."""
    result = search(fixed=fixed)
    lowered = lower_plan(prepared, result.plan, dump_dir=dump_ir)
    expected = expected_usage(lowered, isa, calibrations) if limits else {}
    if _gap(expected, result.usage, limits) <= TOLERANCE:
        return _Planned(fixed, result, lowered)
    corrected = _corrected(fixed, expected, result.usage, limits)
    try:
        again = search(fixed=corrected)
    except BudgetInfeasible:
        return _Planned(fixed, result, lowered)
    return _Planned(corrected, again, lower_plan(prepared, again.plan, dump_dir=dump_ir))


def _over_budget(used: Mapping[str, tuple[float, float]]) -> BudgetInfeasible:
    text = ", ".join(f"{name} {use:.0f} of {limit:.0f}" for name, (use, limit) in used.items())
    return BudgetInfeasible(
        f"{MAX_BUILDS} plans in a row measured above the budget ({text}); allow a few per cent more"
    )


def calibrated_costs(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    toolchain: Toolchain,
    folder: Path,
    decided: Decided,
    fixed: Fixed,
    names: Collection[str],
) -> tuple[Fixed, tuple[Calibration, ...]]:
    """What all plans share, and how far off estimates are, from builds of the narrowest plans."""
    (wide, modelled), (narrow, _) = (
        narrowest_plan(
            prepared.model,
            scores.report,
            prepared.ranges,
            board.core.isa,
            decided,
            fixed,
            activations=activations,
        )
        for activations in (False, True)
    )
    plans = (wide, narrow) if narrow.activations != wide.activations else (wide,)
    calibrations = calibrate(prepared, plans, board, toolchain, folder / "least")
    least = expected_usage(lower_plan(prepared, wide), board.core.isa, calibrations)
    return _corrected(fixed, least, modelled, names), calibrations


def _gap(
    used: Mapping[str, float], modelled: Mapping[str, float], limits: Mapping[str, float]
) -> float:
    """The largest difference of both, as part of the limit."""
    gaps = (abs(used.get(n, modelled[n]) - modelled[n]) / limit for n, limit in limits.items())
    return max(gaps, default=0.0)


def _error(compiled: Compiled) -> float:
    assert compiled.result is not None
    return compiled.result.measured


def _corrected(
    fixed: Fixed,
    measured: Mapping[str, float],
    modelled: Mapping[str, float],
    names: Collection[str],
) -> Fixed:
    """`fixed` with the difference of measured and modelled use of `names` added."""
    gap = {name: measured.get(name, modelled[name]) - modelled[name] for name in names}
    return replace(
        fixed,
        flash=fixed.flash + gap.get("flash", 0.0),
        ram=fixed.ram + gap.get("ram", 0.0),
        insns=fixed.insns + gap.get("insns", 0.0),
    )
