"""The whole way from MODEL to a verified directory, as one call."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import torch

from tqs_edge.artifacts import atomic_directory, load, save, write_json, write_text
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.optimize import Optimize, parse_optimize
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.package.model_card import MODEL_CARD, model_card
from tqs_edge.package.names import checked_name
from tqs_edge.pipeline.building import Compiled, compile_plan, compile_within
from tqs_edge.pipeline.c_package import package_name
from tqs_edge.pipeline.cheapest import compile_cheapest
from tqs_edge.pipeline.directory import C_PACKAGE, RANGES, write_package
from tqs_edge.pipeline.expected_usage import expected_usage
from tqs_edge.pipeline.fitting import Integers, fit_compiled
from tqs_edge.pipeline.planning import Scores, score_sites
from tqs_edge.pipeline.predictability import predictability_of
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.pipeline.reporting import build_report, write_report
from tqs_edge.pipeline.verification import (
    Verification,
    executions_of,
    verify_rollouts,
    with_all_cores,
)
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.error_target import ErrorTarget
from tqs_edge.plan.feedback import ErrorFeedback, parse_feedback
from tqs_edge.plan.pins import resolve_pins
from tqs_edge.plan.problem import Decided
from tqs_edge.plan.rounding import Rounding, parse_rounding
from tqs_edge.plan.search import Method, parse_method
from tqs_edge.plan.uniform import STATE_BITS, parse_width_code, uniform_plan
from tqs_edge.sensitivity.sites import BLOCK_ROWS, list_sites

Advance = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Advance]]
SCORES = "tqs.json"
# Numbers and products to spend on damages that only the report shows: about a minute. Every model
# of the zoo is measured on all contexts with less.
REPORT_WORK = 1.5e10


@dataclass(frozen=True)
class CompileJob:
    """What `tqs-edge compile` was asked for. At most one of budget, plan and uniform; with `target`
    the cheapest plan that errs no more, within the budget.

    pins: widths by name of sites (plan/pins.py); block_rows: rows that share one width; all_cores:
    also verify on every core with every installed compiler and simulator; stream: compute only what
    a new row of the window changes, where that saves much; name: prefix of the C package, by
    default from the model's name.
    """

    source: Any
    board: str
    output: Path
    budget: Budget = field(default_factory=Budget)
    target: ErrorTarget | None = None
    plan: Path | None = None
    uniform: str | None = None
    method: str = Method.TQS
    rounding: str = Rounding.AUTO
    error_feedback: str = ErrorFeedback.AUTO
    weight_bits: int | None = None
    act_bits: int | None = None
    state_bits: int | None = None
    pins: Mapping[str, int] = field(default_factory=dict)
    block_rows: int = BLOCK_ROWS
    form: RolloutForm | None = None
    example_inputs: tuple[torch.Tensor, ...] | None = None
    horizon: int | None = None
    context: Path | None = None
    exog: Path | None = None
    compiler: str | None = None
    optimize: str = Optimize.BALANCED
    runner: str | None = None
    seed: int = 0
    dump_ir: Path | None = None
    all_cores: bool = False
    stream: bool = True
    name: str | None = None


def compile_package(job: CompileJob, stage: Stage) -> dict[str, Any]:
    """Fills job.output with the package, verified, and returns its report.

    Everything that can be wrong with the request is checked before the work starts, and the
    directory appears only when all of it succeeded.
    """
    find_toolchain(job.compiler, load_board(job.board).core)
    parse_method(job.method), parse_rounding(job.rounding), parse_optimize(job.optimize)
    parse_feedback(job.error_feedback)
    if job.name is not None:
        checked_name(job.name)
    given = _given_plan(job)
    if given and job.target:
        raise InputError("a target of error chooses the widths; drop it, or the given plan")
    decided = job.pins or job.weight_bits or job.act_bits or (job.plan and job.state_bits)
    if given and decided:
        raise InputError(
            "decided widths are those of a planned budget; drop them, or the given plan"
        )
    reports: list[dict[str, Any]] = []

    def fill(directory: Path) -> None:
        with stage("load"):
            prepared = prepare(
                job.source,
                form=job.form,
                example_inputs=job.example_inputs,
                context=job.context,
                exog=job.exog,
                horizon=job.horizon,
                stream=job.stream,
            )
        resolve_pins(list_sites(prepared.model.graph, job.block_rows), job.pins)
        with stage("score") as advance:
            scores = score_sites(
                prepared,
                most_work=inf if job.method == Method.EXACT else REPORT_WORK,
                block_rows=job.block_rows,
                seed=job.seed,
                progress=advance,
            )
        with tempfile.TemporaryDirectory(prefix="tqs-firmware-") as place:
            compiled = _compiled(job, prepared, scores, Path(place), given, stage)
            reports.append(_finish(directory, job, prepared, scores, compiled, stage))

    atomic_directory(job.output, fill)
    return reports[0]


def _compiled(
    job: CompileJob,
    prepared: Prepared,
    scores: Scores,
    folder: Path,
    given: Callable[[Prepared], BitPlan] | None,
    stage: Stage,
) -> Compiled:
    """Firmware of the given plan or of one within the budget, its integers fitted if asked for."""
    board = load_board(job.board)
    toolchain = find_toolchain(job.compiler, board.core, parse_optimize(job.optimize))
    decided = Decided(job.weight_bits, job.act_bits, job.state_bits, job.pins)
    integers = Integers(parse_rounding(job.rounding), parse_feedback(job.error_feedback), job.seed)
    with stage("plan and build") as advance:
        if job.target is not None:
            return compile_cheapest(
                prepared,
                scores,
                board,
                toolchain,
                job.target,
                job.budget,
                folder,
                integers,
                method=job.method,
                decided=decided,
                progress=advance,
                dump_ir=job.dump_ir,
            )
        if given is not None:
            widths = given(prepared)
            compiled = compile_plan(prepared, widths, board, toolchain, folder, dump_ir=job.dump_ir)
        else:
            compiled = compile_within(
                prepared,
                scores,
                board,
                toolchain,
                job.budget,
                folder,
                method=job.method,
                decided=decided,
                progress=advance,
                dump_ir=job.dump_ir,
            )
    with stage("fit integers") as advance:
        return fit_compiled(
            prepared,
            compiled,
            board,
            toolchain,
            job.budget,
            folder / "fitted",
            integers,
            progress=advance,
            dump_ir=job.dump_ir,
        )


def _finish(
    directory: Path,
    job: CompileJob,
    prepared: Prepared,
    scores: Scores,
    compiled: Compiled,
    stage: Stage,
) -> dict[str, Any]:
    lowered, firmware, trials = compiled.lowered, compiled.firmware, prepared.judging
    with (
        stage("verify") as advance,
        tempfile.TemporaryDirectory(prefix="tqs-verify-") as folder,
    ):
        executions = executions_of(firmware, job.runner)
        if job.all_cores:
            executions = with_all_cores(executions, lowered, Path(folder))
        verification: Verification = verify_rollouts(
            lowered, executions, trials, prepared.horizon, done=advance
        )
    name = package_name(lowered, job.name)
    write_package(directory, lowered, firmware, trials, prepared.horizon, name)
    save(directory / SCORES, scores)
    report = build_report(
        lowered,
        firmware,
        trials,
        prepared.horizon,
        verification,
        scores=scores,
        ranges=prepared.ranges,
        predictability=predictability_of(prepared),
        predicted=_predicted(job, compiled),
    )
    write_report(directory, report)
    write_json(directory / RANGES, {name: float(r) for name, r in prepared.ranges.items()})
    write_text(directory / C_PACKAGE / MODEL_CARD, model_card(report, lowered.bundle, name))
    return report


def _predicted(job: CompileJob, compiled: Compiled) -> dict[str, float] | None:
    """What the planner expects of the plan; None where it has no measured costs: those of code made
    small, unless a budget had them corrected by builds."""
    if parse_optimize(job.optimize) is Optimize.SIZE and not compiled.calibrations:
        return None
    isa = compiled.firmware.board.core.isa
    return expected_usage(compiled.lowered, isa, compiled.calibrations)


def _given_plan(job: CompileJob) -> Callable[[Prepared], BitPlan] | None:
    """How the stated plan is made once the model is known; None where one is to be searched."""
    if job.plan is not None:
        widths = load(job.plan, BitPlan)
        return lambda prepared: widths
    if job.uniform is not None:
        code, state_bits = job.uniform, job.state_bits or STATE_BITS
        parse_width_code(code)
        return lambda prepared: uniform_plan(prepared.model.graph, code, state_bits)
    return None
