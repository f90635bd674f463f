"""What a lowered plan is expected to take of the device: by measured costs, and by builds of other
plans of the same model, which tell how far off these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.step_estimate import estimate_plan
from tqs_edge.pipeline.usage import measure_usage, model_ram_bytes
from tqs_edge.plan.bit_plan import BitPlan


@dataclass(frozen=True)
class Calibration:
    """How far the estimate of a built plan was off: gaps, measured less estimated use by resource;
    loops, the instructions that it expected beside those of dense kernels."""

    loops: float
    gaps: Mapping[str, float]


def calibrate(
    prepared: Prepared,
    plans: Sequence[BitPlan],
    board: Board,
    toolchain: Toolchain,
    folder: Path,
) -> tuple[Calibration, ...]:
    """One calibration for each plan, built in `folder`; of what simulators measure only where one
    of the board is installed."""
    return tuple(
        _calibration(prepared, plan, board, toolchain, folder / str(number))
        for number, plan in enumerate(plans)
    )


def _calibration(
    prepared: Prepared, plan: BitPlan, board: Board, toolchain: Toolchain, folder: Path
) -> Calibration:
    lowered = lower_plan(prepared, plan)
    used = measure_usage(
        build(lowered.bundle, board, toolchain, folder), lowered, prepared.planning
    )
    loops, estimated = _estimated(lowered, board.core.isa)
    return Calibration(loops, {name: n - estimated[name] for name, n in used.items()})


def expected_usage(
    lowered: Lowered, isa: str, calibrations: Sequence[Calibration] = ()
) -> dict[str, float]:
    """flash, insns and ram of a plan on cores of class `isa`.

    calibrations: none, or one or two of the same model on the same board, the first with wide and
    the second with narrow activations: the plan is taken to be off as the first, or as something
    between both where it has some of the loops that narrow activations add. Without any, ram leaves
    out the stack.
    """
    loops, usage = _estimated(lowered, isa)
    if not calibrations:
        return usage
    first, last = calibrations[0], calibrations[-1]
    more = last.loops - first.loops
    share = min(1.0, max(0.0, (loops - first.loops) / more)) if abs(more) >= 1.0 else 0.0
    return {
        name: value + (1.0 - share) * first.gaps.get(name, 0.0) + share * last.gaps.get(name, 0.0)
        for name, value in usage.items()
    }


def _estimated(lowered: Lowered, isa: str) -> tuple[float, dict[str, float]]:
    """(instructions beside dense kernels, use by resource)."""
    step = estimate_plan(lowered.program, isa)
    flash = step.code + lowered.bundle.weight_bytes
    usage = {"flash": flash, "insns": step.insns, "ram": float(model_ram_bytes(lowered, 0))}
    return step.loops, usage
