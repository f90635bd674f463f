"""bench costs: what planning predicts of the zoo, beside what is measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tqs_edge.artifacts import write_json
from tqs_edge.cli import study
from tqs_edge.cli.console import show, stage, table
from tqs_edge.cli.options import CompilerOption, JsonOption, OptimizeOption

if TYPE_CHECKING:
    from tqs_edge.bench.costs import CostCheck


def costs(
    model: study.ModelsOption = None,
    board: Annotated[
        list[str] | None, typer.Option(help="See `tqs-edge boards`; may be repeated.")
    ] = None,
    plan: Annotated[
        list[str] | None, typer.Option(help="a16w8, a8w8, mixed; may be repeated.")
    ] = None,
    compiler: CompilerOption = None,
    optimize: OptimizeOption = "balanced",
    json: JsonOption = None,
) -> None:
    """Instructions and flash of the zoo as predicted before any build, as expected after builds of
    other plans, which is what limits are held against, and as measured."""
    from tqs_edge.bench.costs import BOARDS, PLANS, check_costs
    from tqs_edge.firmware.board import load_board
    from tqs_edge.firmware.optimize import parse_optimize
    from tqs_edge.pipeline.prepare import prepare

    boards = [load_board(name) for name in board or BOARDS]
    checks: list[CostCheck] = []
    for source in study.sources_or_zoo(model):
        with stage(source):
            checks += check_costs(
                prepare(source),
                boards,
                tuple(plan or PLANS),
                compiler=compiler,
                optimize=parse_optimize(optimize),
            )
    if json is not None:
        write_json(json, [asdict(check) for check in checks])
        return
    headers = ("model", "<board", "<plan")
    columns = ("predicted", "error", "expected", "error", "measured")
    for title, name, unit in (("Instructions per step", "insns", ""), ("Flash", "flash", " B")):
        rows = table(title, *headers, *columns)
        for check in checks:
            values = asdict(check)
            rows.add_row(
                check.model,
                check.board,
                check.plan,
                f"{values[f'predicted_{name}']:,.0f}{unit}",
                f"{values[f'{name}_error']:+.1%}",
                f"{values[f'expected_{name}']:,.0f}{unit}",
                f"{values[f'expected_{name}_error']:+.1%}",
                f"{values[f'measured_{name}']:,.0f}{unit}",
            )
        show(rows)
