"""Planned against uniform widths at equal average bits, judged on contexts planning never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tqs_edge.firmware.board import Board
from tqs_edge.integer.build import build_program
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.planning import Scores, plan_widths
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.reporting import average_weight_bits
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.search import Method
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.sensitivity.sites import WEIGHT_WIDTHS

AVERAGE_BITS = (3.0, 4.0, 5.0, 6.0, 8.0)
SEARCHED = (Method.TQS, Method.EXACT)
UNIFORM_BITS = 4.0  # this uniform row is always there, to compare with

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judgement:
    """One plan on the judging contexts.

    avg_bits: allowed; budget_bytes: the same for all weights together; used_bits: taken up
    nrmse, valid_horizon: of the integer program's rollouts against the float ones
    """

    model: str
    method: str
    avg_bits: float
    budget_bytes: float
    used_bits: float
    seed: int
    nrmse: float
    valid_horizon: float


def judge_plans(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    *,
    averages: Sequence[float] = AVERAGE_BITS,
    progress: Progress | None = None,
) -> tuple[Judgement, ...]:
    """Records of uniform, TQS and exact plans with at most each average number of weight bits.

    Activations and states have 16 bits in all plans, so weights alone differ. The uniform plan of
    an average is the widest that fits; at 4 bits it is always among the records. scores: with the
    measured table. Raises BudgetInfeasible for averages below the least width.
    """
    wanted = sorted({*averages, UNIFORM_BITS})
    records: list[Judgement] = []
    for done, average in enumerate(wanted):
        widest = max((bits for bits in WEIGHT_WIDTHS if bits <= average), default=0)
        if widest:
            plan = uniform_plan(prepared.model.graph, f"a16w{widest}")
            records.append(_judge(prepared, scores, average, plan))
        for method in SEARCHED if average in averages else ():
            result = plan_widths(
                prepared,
                scores,
                board,
                Budget(avg_bits=average),
                method=method,
                act_bits=16,
                state_bits=16,
            )
            records.append(_judge(prepared, scores, average, result.plan))
        if progress:
            progress(done + 1, len(wanted))
    return tuple(records)


def _judge(prepared: Prepared, scores: Scores, average: float, plan: BitPlan) -> Judgement:
    model = prepared.model
    program = build_program(model.graph, plan, prepared.ranges)
    error = judge(program, model, prepared.judging, prepared.horizon).error
    weights = sum(model.graph.constants[path].size for path in plan.weights)
    return Judgement(
        model=model.source,
        method=plan.method,
        avg_bits=float(average),
        budget_bytes=average * weights / 8.0,
        used_bits=average_weight_bits(plan, program),
        seed=scores.report.seed,
        nrmse=error.nrmse,
        valid_horizon=error.valid_horizon,
    )
