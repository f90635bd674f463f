"""Predicted against measured: what the planner expects of whole models."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.errors import ToolMissing
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.optimize import Optimize
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.expected_usage import Calibration, calibrate, expected_usage
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.usage import measure_usage
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.sensitivity.sites import BLOCK_ROWS

BOARDS = ("arduino-zero", "mps2-an386", "mps3-an547")  # M0+, M4, M55
MIXED = "mixed"
CALIBRATED = ("a16w2", "a8w2")  # the narrowest, which planning builds first, and none of PLANS
PLANS = ("a16w8", "a8w8", MIXED)
MIXED_WEIGHTS, MIXED_ACTIVATIONS = (8, 4, 8, 2), (16, 8)


@dataclass(frozen=True)
class CostCheck:
    """Instructions per step and flash bytes of a model under a plan on a board: predicted before
    any build, expected after builds of two other plans, and measured. Errors are relative,
    positive where too much was predicted."""

    model: str
    board: str
    plan: str
    predicted_insns: float
    expected_insns: float
    measured_insns: float
    insns_error: float
    expected_insns_error: float
    predicted_flash: float
    expected_flash: float
    measured_flash: float
    flash_error: float
    expected_flash_error: float


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

    Raises ToolMissing without the compiler or a simulator of a board.
    """
    graph = prepared.model.graph
    lowered = {code: lower_plan(prepared, check_plan(graph, code)) for code in plans}
    others = [uniform_plan(graph, code) for code in CALIBRATED]
    checks = []
    for board in boards:
        toolchain = find_toolchain(compiler, board.core, optimize)
        with tempfile.TemporaryDirectory(prefix="tqs-bench-") as name:
            calibrations = calibrate(prepared, others, board, toolchain, Path(name))
            for code, one in lowered.items():
                firmware = build(one.bundle, board, toolchain, Path(name) / code)
                used = measure_usage(firmware, one, prepared.planning)
                if "insns" not in used:
                    raise ToolMissing(f"no simulator of '{board.name}'; see `tqs-edge doctor`")
                checks.append(_check(one, board, code, used, calibrations))
    return tuple(sorted(checks, key=lambda check: plans.index(check.plan)))


def _check(
    lowered: Lowered,
    board: Board,
    plan: str,
    used: Mapping[str, float],
    calibrations: Sequence[Calibration],
) -> CostCheck:
    predicted = expected_usage(lowered, board.core.isa)
    expected = expected_usage(lowered, board.core.isa, calibrations)
    return CostCheck(
        lowered.model.name,
        board.name,
        plan,
        predicted["insns"],
        expected["insns"],
        used["insns"],
        predicted["insns"] / used["insns"] - 1.0,
        expected["insns"] / used["insns"] - 1.0,
        predicted["flash"],
        expected["flash"],
        used["flash"],
        predicted["flash"] / used["flash"] - 1.0,
        expected["flash"] / used["flash"] - 1.0,
    )


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
