"""Predicted against measured: what the planner expects of whole models before anything is built."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.errors import ToolMissing
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.optimize import Optimize
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.lowering import lower_plan
from tqs_edge.pipeline.planning import estimate_for, predict
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import measure_usage
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.sensitivity.sites import BLOCK_ROWS

BOARDS = ("arduino-zero", "mps2-an386", "mps3-an547")  # M0+, M4, M55
MIXED = "mixed"
PLANS = ("a16w8", "a8w8", MIXED)
MIXED_WEIGHTS, MIXED_ACTIVATIONS = (8, 4, 8, 2), (16, 8)


@dataclass(frozen=True)
class CostCheck:
    """Instructions per step and flash bytes of a model under a plan on a board."""

    model: str
    board: str
    plan: str
    predicted_insns: float
    measured_insns: float
    insns_error: float
    predicted_flash: float
    measured_flash: float
    flash_error: float


@one_thread()
def check_costs(
    prepared: Prepared,
    boards: Sequence[Board],
    plans: Sequence[str] = PLANS,
    *,
    compiler: str | None = None,
    optimize: Optimize = Optimize.BALANCED,
) -> tuple[CostCheck, ...]:
    """One record for each plan and board; plans are width codes or "mixed".

    Errors are relative, positive where too much was predicted. Raises ToolMissing without the
    compiler or a simulator of a board.
    """
    checks = []
    for code in plans:
        lowered = lower_plan(prepared, check_plan(prepared.model.graph, code))
        for board in boards:
            predicted = predict(
                prepared, lowered.plan, board.core.isa, estimate_for(prepared, board)
            )
            toolchain = find_toolchain(compiler, board.core, optimize)
            with tempfile.TemporaryDirectory(prefix="tqs-bench-") as folder:
                firmware = build(lowered.bundle, board, toolchain, Path(folder))
                used = measure_usage(firmware, lowered, prepared.planning)
            if "insns" not in used:
                raise ToolMissing(f"no simulator of '{board.name}'; see `tqs-edge doctor`")
            checks.append(
                CostCheck(
                    prepared.model.name,
                    board.name,
                    code,
                    predicted["insns"],
                    used["insns"],
                    predicted["insns"] / used["insns"] - 1.0,
                    predicted["flash"],
                    used["flash"],
                    predicted["flash"] / used["flash"] - 1.0,
                )
            )
    return tuple(checks)


def check_plan(graph: Graph, code: str) -> BitPlan:
    """The uniform plan of a width code; for "mixed" blocks of four rows and activations take
    MIXED_WEIGHTS and MIXED_ACTIVATIONS in turn."""
    if code != MIXED:
        return uniform_plan(graph, code)
    plan = uniform_plan(graph, "a16w8")
    weights = {}
    for path in plan.weights:
        rows = len(graph.constants[path])
        blocks = [
            RowBlock(begin, min(begin + BLOCK_ROWS, rows), bits)
            for begin, bits in zip(
                range(0, rows, BLOCK_ROWS), MIXED_WEIGHTS * (rows // BLOCK_ROWS + 1), strict=False
            )
        ]
        weights[path] = tuple(blocks)
    activations = {
        name: MIXED_ACTIVATIONS[number % len(MIXED_ACTIVATIONS)]
        for number, name in enumerate(plan.activations)
    }
    return BitPlan(weights, activations, plan.states, MIXED)
