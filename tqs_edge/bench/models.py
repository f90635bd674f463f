"""What the shipped models take of a device under usual plans, and how far they then drift."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tqs_edge.bench.long_run import LongRun, long_run
from tqs_edge.bench.model_case import ModelCase, form_of, widths_of
from tqs_edge.errors import ToolMissing, VerificationFailed
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.pipeline.building import Compiled
from tqs_edge.pipeline.expected_usage import expected_usage
from tqs_edge.pipeline.judging import Judged, judge
from tqs_edge.pipeline.lowering import lower_plan
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.reporting import average_weight_bits
from tqs_edge.pipeline.usage import model_flash_bytes, model_ram_bytes
from tqs_edge.pipeline.verification import runners_for
from tqs_edge.plan.rounding import Rounding
from tqs_edge.run.runner import run

PLANS = ("a16w8", "a8w8", "tqs5", "a16w4")
LONG_PLAN = "a16w8"  # the plan that long runs are made of


@dataclass(frozen=True)
class ModelCost:
    """A model under a plan: what it adds to a product, as built and executed, and its error.

    nrmse: of the integer rollouts against the float ones, from the judging contexts
    rounding: "fitted" or "nearest", what the integers are
    saturations: values clipped in all of these rollouts together
    weight_bits: on average; narrow_activations of activations have 8 bits
    lyapunov_steps, nrmse_lyapunov: one Lyapunov time of a chaotic model and the error until then;
    None and `nrmse` for other models
    predicted_instructions, predicted_flash: what the planner expects before anything is built
    long_steps, long_peak, limit_cycle_lsb: see long_run.LongRun; None without a long run
    """

    model: str
    board: str
    plan: str
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    instructions_per_step: float
    nrmse: float
    rounding: str
    form: str
    saturations: int
    horizon: int
    lyapunov_steps: int | None
    nrmse_lyapunov: float
    predicted_instructions: float
    predicted_flash: float
    weight_bits: float
    narrow_activations: int
    activations: int
    long_steps: int | None = None
    long_peak: float | None = None
    limit_cycle_lsb: int | None = None


def measure_model(
    case: ModelCase,
    plan: str,
    boards: Sequence[Board],
    toolchain: Toolchain,
    *,
    long_steps: int | None = None,
) -> tuple[ModelCost, ...]:
    """The cost of a model on every board under `plan`: a width code, "tqs5" for TQS at 5 bits on
    average, or "cheapest" for the case's target of error. Widths and integers are chosen once,
    for the first board.

    long_steps: also make a rollout of that length, under LONG_PLAN. Raises ToolMissing without a
    simulator of a board, VerificationFailed where a firmware's frames are not the reference's.
    """
    prepared = case.prepared
    lowered = lower_plan(prepared, widths_of(case, plan, boards[0]))
    judged = judge(lowered.program, lowered.model, prepared.judging, prepared.horizon)
    costs: list[ModelCost] = []
    long: LongRun | None = None
    for board in boards:
        with tempfile.TemporaryDirectory(prefix="tqs-bench-") as folder:
            firmware = build(lowered.bundle, board, toolchain, Path(folder))
            compiled = Compiled(None, lowered, firmware)
            if long is None and long_steps is not None and plan == LONG_PLAN:
                long = long_run(prepared, compiled, long_steps)
            stack, instructions = _execute(prepared, compiled, judged)
        costs.append(_cost(case, plan, compiled, judged, stack, instructions, long))
    return tuple(costs)


def _cost(
    case: ModelCase,
    plan: str,
    compiled: Compiled,
    judged: Judged,
    stack: int,
    instructions: float,
    long: LongRun | None,
) -> ModelCost:
    model, lowered = case.prepared.model, compiled.lowered
    board = compiled.firmware.board
    predicted = expected_usage(lowered, board.core.isa)
    return ModelCost(
        model=model.source,
        board=board.name,
        plan=plan,
        flash_bytes=model_flash_bytes(compiled.firmware),
        ram_bytes=model_ram_bytes(lowered, stack),
        stack_bytes=stack,
        instructions_per_step=instructions,
        nrmse=judged.error.nrmse,
        rounding=(Rounding.FITTED if lowered.plan.fitted else Rounding.NEAREST).value,
        form=form_of(model),
        saturations=sum(judged.reference.saturations.values()),
        horizon=case.prepared.horizon,
        lyapunov_steps=case.lyapunov_steps,
        nrmse_lyapunov=nrmse_until(judged.error.nrmse_per_step, case.lyapunov_steps),
        predicted_instructions=predicted["insns"],
        predicted_flash=predicted["flash"],
        weight_bits=average_weight_bits(lowered.plan, lowered.program),
        narrow_activations=sum(bits == 8 for bits in lowered.plan.activations.values()),
        activations=len(lowered.plan.activations),
        long_steps=long.long_steps if long else None,
        long_peak=long.long_peak if long else None,
        limit_cycle_lsb=long.limit_cycle_lsb if long else None,
    )


def nrmse_until(per_step: Sequence[float], steps: int | None) -> float:
    """RMS of the errors of the first `steps` steps, of all where that is None or more."""
    return float(np.sqrt(np.mean(np.square(per_step[:steps]))))


def _execute(prepared: Prepared, compiled: Compiled, judged: Judged) -> tuple[int, float]:
    """(stack bytes, instructions per step) of one rollout on the board's simulator."""
    board = compiled.firmware.board
    runners = runners_for(board)
    if not runners:
        raise ToolMissing(f"no simulator of '{board.name}' is installed; see `tqs-edge doctor`")
    context, exog = judged.contexts[:1], None if judged.exog is None else judged.exog[:1]
    log = run(compiled.firmware, context, prepared.horizon, exog=exog, runner=runners[0])
    if not np.array_equal(log.frames, judged.reference.frames[:1]):
        raise VerificationFailed(f"{prepared.model.name}: {log.runner} differs from the reference")
    if log.stack_bytes is None or log.instructions_per_step is None:
        raise ToolMissing(f"{log.runner} measured neither stack nor instructions; use another one")
    return log.stack_bytes, log.instructions_per_step
