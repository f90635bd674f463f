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
    MaxNrmseOption,
    MinimizeOption,
    RoundingOption,
    SeedOption,
    StreamOption,
    WeightBitsOption,
    parse_target,
)
from tqs_edge.errors import InputError

if TYPE_CHECKING:
    from tqs_edge.bench.models import ModelCost
    from tqs_edge.firmware.board import Board
    from tqs_edge.firmware.toolchain import Toolchain

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
WIDTHS_SHOWN: Mapping[str, str] = {  # of plans that were searched for an error
    "weight_bits": "weight bits",
    "narrow_activations": "8-bit acts",
    "activations": "of",
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
    max_nrmse: MaxNrmseOption = None,
    minimize: MinimizeOption = None,
    weight_bits: WeightBitsOption = None,
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
    from tqs_edge.bench.model_case import CHEAPEST, is_searched, model_case
    from tqs_edge.bench.models import PLANS, measure_model
    from tqs_edge.pipeline.fitting import Integers
    from tqs_edge.pipeline.planning import score_sites
    from tqs_edge.pipeline.prepare import prepare
    from tqs_edge.plan.feedback import parse_feedback
    from tqs_edge.plan.problem import Decided
    from tqs_edge.plan.rounding import parse_rounding

    boards, toolchain = _boards(board or [BOARD], compiler)
    integers = Integers(parse_rounding(rounding), parse_feedback(error_feedback), seed)
    target = parse_target(max_nrmse, minimize)
    if weight_bits is not None and target is None:
        raise InputError("--weight-bits is for the plan that --max-nrmse asks for; give both")
    plans = (*(plan or (() if target else PLANS)), *((CHEAPEST,) if target else ()))
    costs: list[ModelCost] = []
    for source in study.sources_or_zoo(model):
        with stage(f"{source}: load"):
            prepared = prepare(source, horizon=horizon, stream=stream)
        scores = None
        if any(is_searched(name) for name in plans):
            with stage(f"{source}: score") as advance:
                scores = score_sites(prepared, exact=False, seed=seed, progress=advance)
        decided = Decided(weight_bits=weight_bits)
        with stage(f"{source}: responses") as advance:
            case = model_case(
                prepared, scores, integers, target=target, decided=decided, progress=advance
            )
        with stage(f"{source}: plan, fit, build, run") as advance:
            for done, name in enumerate(plans):
                costs += measure_model(case, name, boards, toolchain, long_steps=long)
                advance(done + 1, len(plans))
    if json is not None:
        write_json(json, [asdict(cost) for cost in costs])
        return
    title = f"{toolchain.name} {toolchain.version}, rollout error from judging contexts"
    _show_all(title, costs, {**SHOWN, **(WIDTHS_SHOWN if target else {})})


def _boards(names: Sequence[str], compiler: str | None) -> tuple[list[Board], Toolchain]:
    """The boards and the compiler that builds for all of them; InputError where there is none."""
    from tqs_edge.firmware.board import load_board
    from tqs_edge.firmware.toolchain import find_toolchain

    boards = [load_board(name) for name in names]
    if len({board.core.gcc for board in boards}) > 1:
        raise InputError("these boards need different compilers; measure one kind at a time")
    return boards, find_toolchain(compiler, boards[0].core)


def _show_all(title: str, costs: Sequence[ModelCost], columns: Mapping[str, str]) -> None:
    """A table for each board, and one of the long rollouts if any were made."""
    boards = list(dict.fromkeys(cost.board for cost in costs))
    for name in boards:
        here = [cost for cost in costs if cost.board == name]
        _show(f"Models on {name} ({title})", here, columns)
    long = [cost for cost in costs if cost.board == boards[0] and cost.long_steps]
    if long:
        _show("Long integer rollouts (a16w8)", long, LONG_SHOWN)


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
