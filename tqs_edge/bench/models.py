"""What the shipped models take of a device under usual plans, and how far they then drift."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tqs_edge.errors import InputError, ToolMissing, VerificationFailed
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.pipeline.building import Compiled, compile_plan
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.planning import Scores, plan_widths
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import model_flash_bytes, model_ram_bytes
from tqs_edge.pipeline.verification import runners_for
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.problem import Decided
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.run.runner import run

PLANS = ("a16w8", "tqs5", "a16w4")


@dataclass(frozen=True)
class ModelCost:
    """A model under a plan: what it adds to a product, as built and executed, and its error.

    nrmse: of the integer rollouts against the float ones, from the judging contexts
    """

    model: str
    board: str
    plan: str
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    instructions_per_step: float
    nrmse: float


def planned_bits(plan: str) -> float | None:
    """5.0 for "tqs5": average weight bits of a searched plan; None for a width code."""
    match = re.fullmatch(r"tqs(\d+(?:\.\d+)?)", plan)
    return float(match[1]) if match else None


def measure_model(
    prepared: Prepared, scores: Scores | None, plan: str, board: Board, toolchain: Toolchain
) -> ModelCost:
    """The cost of a model under `plan`: a width code, or "tqs5" for TQS at 5 bits on average.

    scores: needed for a searched plan. All activations and states have the plan's width or 16
    bits. Raises ToolMissing without a simulator of the board, VerificationFailed where the
    firmware's frames are not the reference's.
    """
    widths = _widths(prepared, scores, plan, board)
    with tempfile.TemporaryDirectory(prefix="tqs-bench-") as folder:
        compiled = compile_plan(prepared, widths, board, toolchain, Path(folder))
        stack, instructions, nrmse = _execute(prepared, compiled, board)
    return ModelCost(
        model=prepared.model.source,
        board=board.name,
        plan=plan,
        flash_bytes=model_flash_bytes(compiled.firmware),
        ram_bytes=model_ram_bytes(compiled.lowered, stack),
        stack_bytes=stack,
        instructions_per_step=instructions,
        nrmse=nrmse,
    )


def _widths(prepared: Prepared, scores: Scores | None, plan: str, board: Board) -> BitPlan:
    average = planned_bits(plan)
    if average is None:
        return uniform_plan(prepared.model.graph, plan)
    if scores is None:
        raise InputError(f"plan '{plan}' is searched and needs scores; score the model first")
    budget = Budget(avg_bits=average)
    return plan_widths(prepared, scores, board, budget, decided=Decided(16, 16)).plan


def _execute(prepared: Prepared, compiled: Compiled, board: Board) -> tuple[int, float, float]:
    """(stack bytes, instructions per step, nRMSE); one rollout runs on the board's simulator."""
    runners = runners_for(board)
    if not runners:
        raise ToolMissing(f"no simulator of '{board.name}' is installed; see `tqs-edge doctor`")
    lowered = compiled.lowered
    judged = judge(lowered.program, lowered.model, prepared.judging, prepared.horizon)
    context, exog = judged.contexts[:1], None if judged.exog is None else judged.exog[:1]
    log = run(compiled.firmware, context, prepared.horizon, exog=exog, runner=runners[0])
    if not np.array_equal(log.frames, judged.reference.frames[:1]):
        raise VerificationFailed(f"{prepared.model.name}: {log.runner} differs from the reference")
    if log.stack_bytes is None or log.instructions_per_step is None:
        raise ToolMissing(f"{log.runner} measured neither stack nor instructions; use another one")
    return log.stack_bytes, log.instructions_per_step, judged.error.nrmse
