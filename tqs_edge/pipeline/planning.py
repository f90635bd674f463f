"""Stages 2 and 3: scores of all sites, and a plan that fits the device."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import Any

import numpy as np

from tqs_edge.firmware.board import Board
from tqs_edge.graph.stream import products
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.pipeline.step_estimate import estimate_step
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.fixed_cost import Fixed
from tqs_edge.plan.pareto import ParetoFront, pareto
from tqs_edge.plan.pins import least_average_bits
from tqs_edge.plan.planner import PlanResult, check_method, plan
from tqs_edge.plan.problem import NOTHING_DECIDED, Decided, Problem, make_problem
from tqs_edge.plan.search import Method
from tqs_edge.sensitivity.exact import DamageTable, measure_damage
from tqs_edge.sensitivity.score import PROBES, SensitivityReport, score
from tqs_edge.sensitivity.sites import BLOCK_ROWS
from tqs_edge.sensitivity.sweep import Executor

Progress = Callable[[int, int], None]
LEAST_CONTEXTS = 2
DEFAULT_AVG_BITS = 8.0  # without any budget: what uniform 8-bit weights would take


@dataclass(frozen=True)
class Scores:
    """Predicted sensitivity of every site and, in exact mode or for reports, measured damage."""

    report: SensitivityReport
    table: DamageTable | None


@one_thread()
def score_sites(
    prepared: Prepared,
    *,
    exact: bool = True,
    most_work: float = inf,
    probes: int = PROBES,
    block_rows: int = BLOCK_ROWS,
    seed: int = 0,
    progress: Progress | None = None,
    executor: Executor | None = None,
    resume: Path | None = None,
) -> Scores:
    """TQS of every site on the planning rollouts; `exact` also measures every width of each.

    block_rows: rows of a weight that have one width together. most_work: numbers and products that
    measuring may compute; where all contexts would take more, fewer are measured on. executor,
    resume: see `sensitivity.score.score`; by default, a thread for every core.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        report = score_report(
            prepared,
            probes=probes,
            seed=seed,
            progress=progress,
            block_rows=block_rows,
            executor=executor or threads,
            resume=resume,
        )
    return Scores(report, measured_table(prepared, report, most_work) if exact else None)


def score_report(prepared: Prepared, **options: Any) -> SensitivityReport:
    """`sensitivity.score.score` of the planning rollouts, with its `options`; serial without an
    executor."""
    trials = prepared.planning
    return score(
        prepared.model,
        trials.contexts,
        prepared.horizon,
        trials.exog,
        ranges=prepared.ranges,
        **options,
    )


def measured_table(
    prepared: Prepared, report: SensitivityReport, most_work: float = inf
) -> DamageTable:
    """Exact mode on the planning rollouts: every site of the report at every width.

    On evenly spaced ones of them, at least LEAST_CONTEXTS, where all would take more than
    `most_work`.
    """
    trials, graph = prepared.planning, prepared.model.graph
    pairs = sum(len(scored.site.widths) for scored in report.sites)
    numbers = sum(prod(shape) for shape in graph.shapes.values()) + products(graph)
    each = pairs * prepared.horizon * numbers
    count = min(len(trials.contexts), max(LEAST_CONTEXTS, int(min(most_work / each, 1e9))))
    chosen = np.linspace(0, len(trials.contexts) - 1, count).astype(np.int64)
    return measure_damage(
        prepared.model,
        trials.contexts[chosen],
        prepared.horizon,
        None if trials.exog is None else trials.exog[chosen],
        report=report,
        ranges=prepared.ranges,
    )


def estimate_for(prepared: Prepared, board: Board, decided: Decided = NOTHING_DECIDED) -> Fixed:
    """What all plans share on a board, as far as can be told before building."""
    graph = prepared.model.graph
    return estimate_step(graph, prepared.ranges, board.core.isa, decided.state_bits)


@one_thread()
def plan_widths(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    budget: Budget,
    *,
    method: str = Method.TQS,
    decided: Decided = NOTHING_DECIDED,
    fixed: Fixed | None = None,
    progress: Progress | None = None,
) -> PlanResult:
    """The plan of least rollout damage within `budget`; raises BudgetInfeasible, InputError.

    decided: widths that are not the planner's to choose. Without a budget, DEFAULT_AVG_BITS or what
    the decided widths take at least.
    """
    if not budget.limits():
        budget = Budget(avg_bits=max(DEFAULT_AVG_BITS, _least_bits(scores, decided)))
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
        decided=decided,
        fixed=fixed or estimate_for(prepared, board, decided),
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
    decided: Decided = NOTHING_DECIDED,
    progress: Progress | None = None,
) -> ParetoFront:
    """The front of error against `resource` ("flash", "insns", "avg_bits") within the other limits
    of `budget`; see plan.pareto.pareto."""
    problem, chosen = problem_of(prepared, scores, board, budget, method, decided)
    return pareto(problem, resource, chosen, progress=progress)


def problem_of(
    prepared: Prepared,
    scores: Scores,
    board: Board,
    budget: Budget,
    method: str,
    decided: Decided,
    fixed: Fixed | None = None,
) -> tuple[Problem, Method]:
    """What is searched for a plan on a board, with the planning contexts, and by which method.

    fixed: what all plans share, by default as estimated before any build
    """
    table = scores.table if method == Method.EXACT and scores.table else scores.report
    chosen = check_method(method, table)
    problem = make_problem(
        prepared.model,
        table,
        prepared.ranges,
        prepared.planning.contexts,
        prepared.horizon,
        budget.limits(),
        board.core.isa,
        decided,
        exog=prepared.planning.exog,
        fixed=fixed or estimate_for(prepared, board, decided),
    )
    return problem, chosen


def _least_bits(scores: Scores, decided: Decided) -> float:
    sites = [score.site for score in scores.report.sites]
    return least_average_bits(sites, decided.pins, decided.weight_bits)
