"""bench models: what every shipped model takes and how far it drifts, as a table or records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tqs_edge.artifacts import write_json
from tqs_edge.cli import study
from tqs_edge.cli.console import show, stage, table
from tqs_edge.cli.options import (
    CompilerOption,
    FeedbackOption,
    HorizonOption,
    JsonOption,
    RoundingOption,
    SeedOption,
    StreamOption,
)
from tqs_edge.errors import InputError

if TYPE_CHECKING:
    from tqs_edge.bench.models import ModelCost

BOARD = "mps2-an386"
SHOWN: Mapping[str, str] = {  # field of a record -> header
    "model": "model",
    "form": "<form",
    "plan": "<plan",
    "flash_bytes": "flash",
    "ram_bytes": "RAM",
    "instructions_per_step": "insns/step",
    "predicted_instructions": "predicted",
    "nrmse": "nRMSE",
    "nrmse_lyapunov": "1 Lyapunov time",
    "saturations": "clipped",
}
LONG_SHOWN: Mapping[str, str] = {
    "model": "model",
    "form": "<form",
    "long_steps": "steps",
    "long_peak": "peak/usual",
    "limit_cycle_lsb": "limit cycle, LSB",
}


def models(
    model: study.ModelsOption = None,
    board: Annotated[
        list[str] | None, typer.Option(help="See `tqs-edge boards`; may be repeated.")
    ] = None,
    plan: Annotated[
        list[str] | None, typer.Option(help="a16w8, a16w4, tqs5 (5 bits on average); repeatable.")
    ] = None,
    rounding: RoundingOption = "auto",
    error_feedback: FeedbackOption = "auto",
    stream: StreamOption = True,
    long: Annotated[
        int | None, typer.Option(min=1, help="Also roll out that many steps, under a16w8.")
    ] = None,
    horizon: HorizonOption = None,
    compiler: CompilerOption = None,
    seed: SeedOption = 0,
    json: JsonOption = None,
) -> None:
    """Flash, RAM, instructions per step and rollout error of the zoo under usual plans."""
    from tqs_edge.bench.model_case import model_case, planned_bits
    from tqs_edge.bench.models import PLANS, measure_model
    from tqs_edge.firmware.board import load_board
    from tqs_edge.firmware.toolchain import find_toolchain
    from tqs_edge.pipeline.planning import score_sites
    from tqs_edge.pipeline.prepare import prepare
    from tqs_edge.plan.feedback import parse_feedback
    from tqs_edge.plan.rounding import parse_rounding

    targets = [load_board(name) for name in board or [BOARD]]
    if len({target.core.gcc for target in targets}) > 1:
        raise InputError("these boards need different compilers; measure one kind at a time")
    toolchain = find_toolchain(compiler, targets[0].core)
    plans, how = tuple(plan or PLANS), parse_rounding(rounding)
    feedback = parse_feedback(error_feedback)
    costs: list[ModelCost] = []
    for source in study.sources_or_zoo(model):
        with stage(f"{source}: load"):
            prepared = prepare(source, horizon=horizon, stream=stream)
        scores = None
        if any(planned_bits(name) for name in plans):
            with stage(f"{source}: score") as advance:
                scores = score_sites(prepared, exact=False, seed=seed, progress=advance)
        with stage(f"{source}: responses") as advance:
            case = model_case(prepared, scores, how, feedback, seed=seed, progress=advance)
        with stage(f"{source}: plan, fit, build, run") as advance:
            for done, name in enumerate(plans):
                costs += measure_model(case, name, targets, toolchain, long_steps=long)
                advance(done + 1, len(plans))
    if json is not None:
        write_json(json, [asdict(cost) for cost in costs])
        return
    title = f"{toolchain.name} {toolchain.version}, rollout error from judging contexts"
    for target in targets:
        here = [cost for cost in costs if cost.board == target.name]
        _show(f"Models on {target.name} ({title})", here, SHOWN)
    if long is not None:
        first = [cost for cost in costs if cost.board == targets[0].name and cost.long_steps]
        _show("Long integer rollouts (a16w8)", first, LONG_SHOWN)


def _show(title: str, costs: Sequence[ModelCost], columns: Mapping[str, str]) -> None:
    rows = table(title, *columns.values())
    for cost in costs:
        record = asdict(cost)
        rows.add_row(*(cell(record[name]) for name in columns))
    show(rows)


def cell(value: str | float | None) -> str:
    """Counts with separators, fractions with four digits, "-" for what there is not."""
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
