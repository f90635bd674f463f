"""bench: numbers that others can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tqs_edge.artifacts import write_json
from tqs_edge.cli import bench_costs, bench_models, study
from tqs_edge.cli.bench_models import BOARD, cell
from tqs_edge.cli.console import show, stage, table
from tqs_edge.cli.options import CompilerOption, HorizonOption, JsonOption, SeedOption
from tqs_edge.kernel_table import COSTS_FILE

app = typer.Typer(help="Measurements; every number in the README comes from one of these.")

ModelsOption = study.ModelsOption
BenchBoardOption = Annotated[str, typer.Option("--board", help="See `tqs-edge boards`.")]


@app.command()
def kernels(
    kernel: Annotated[list[str] | None, typer.Option(help="Symbol; may be repeated.")] = None,
    core: Annotated[list[str] | None, typer.Option(help="cortex-m4; may be repeated.")] = None,
    compiler: Annotated[list[str] | None, typer.Option(help="gcc, zig; may be repeated.")] = None,
    write_costs: Annotated[
        bool, typer.Option(help="Measure what the planner reckons with, and store it.")
    ] = False,
    peers: Annotated[
        bool, typer.Option(help="Beside other libraries' layers; needs the extra 'peers'.")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Exact instructions of one call of every kernel, 128 rows x 64, on every core."""
    from tqs_edge.bench.kernels import count_kernels
    from tqs_edge.bench.peers import count_peers
    from tqs_edge.bench.write_costs import write_costs as write

    if peers:
        _show_or_write("Instructions per multiply-accumulate", count_peers(), json)
        return
    if write_costs:
        with stage("costs of kernels") as advance:
            write(json or COSTS_FILE, progress=advance)
        return
    with stage("kernels") as advance:
        counts = count_kernels(
            kernels=kernel or (),
            cores=core or (),
            with_compilers=compiler or (),
            progress=advance,
        )
    _show_or_write("Instructions of one call, requantization included", counts, json)


@app.command()
def steps(
    step: Annotated[list[str] | None, typer.Option(help="lstm-16x32; may be repeated.")] = None,
    core: Annotated[list[str] | None, typer.Option(help="cortex-m4; may be repeated.")] = None,
    compiler: Annotated[list[str] | None, typer.Option(help="gcc, zig; may be repeated.")] = None,
    widths: Annotated[list[str] | None, typer.Option(help="a16w8; may be repeated.")] = None,
    json: JsonOption = None,
) -> None:
    """Exact instructions of one step: GRU 4->32 with a head, LSTM 16->32, two convolutions."""
    from tqs_edge.bench.steps import WIDTHS, measure_steps

    with stage("steps") as advance:
        costs = measure_steps(
            steps=step or (),
            widths=widths or WIDTHS,
            cores=core or (),
            with_compilers=compiler or (),
            progress=advance,
        )
    _show_or_write("One step: instructions, and bytes", costs, json)


app.command("costs")(bench_costs.costs)
app.command("models")(bench_models.models)
app.command("plan")(study.plan)


@app.command()
def score(
    model: ModelsOption = None,
    board: BenchBoardOption = BOARD,
    horizon: HorizonOption = None,
    compiler: CompilerOption = None,
    probes: Annotated[int, typer.Option(min=2, help="Random probes per site.")] = 4,
    seed: SeedOption = 0,
    json: JsonOption = None,
) -> None:
    """Seconds to score in batches and in plain loops; agreement with exact mode."""
    from tqs_edge.bench.scores import time_scoring
    from tqs_edge.firmware.board import load_board
    from tqs_edge.firmware.toolchain import find_toolchain
    from tqs_edge.pipeline.prepare import prepare

    target = load_board(board)
    toolchain = find_toolchain(compiler, target.core)
    timings = []
    for source in study.sources_or_zoo(model):
        with stage(f"{source}: load"):
            prepared = prepare(source, horizon=horizon)
        with stage(f"{source}: score, loops, exact mode, compile") as advance:
            timings.append(
                time_scoring(
                    prepared, target, toolchain, probes=probes, seed=seed, progress=advance
                )
            )
    _show_or_write("Seconds, and rank correlation with exact mode", timings, json)


def _show_or_write(title: str, records: Sequence[Any], json: Path | None) -> None:
    """A table of the records, or the file `json` with all of them."""
    flat: list[Mapping[str, Any]] = [asdict(record) for record in records]
    if json is not None:
        write_json(json, flat)
        return
    first = flat[0]
    headers = [("<" if isinstance(value, str) else "") + name for name, value in first.items()]
    rows = table(title, *(header.replace("_", " ") for header in headers))
    for record in flat:
        rows.add_row(*(cell(value) for value in record.values()))
    show(rows)
