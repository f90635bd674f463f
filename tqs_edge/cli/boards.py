"""boards: what firmware can be built for, and a file for one more."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from tqs_edge.cli.console import show, show_or_write, table
from tqs_edge.cli.options import JsonOption, parse_bytes
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board

app = typer.Typer(invoke_without_command=True, no_args_is_help=False)

CoreOption = Annotated[str | None, typer.Option("--core", help="Of this core: cortex-m4.")]
MakerOption = Annotated[str | None, typer.Option("--maker", help="Of this maker, or a part of it.")]
MinFlashOption = Annotated[str | None, typer.Option("--min-flash", help="At least: 512K.")]
MinRamOption = Annotated[str | None, typer.Option("--min-ram", help="At least: 64K.")]
SimulatorOption = Annotated[
    str | None, typer.Option("--simulator", help="Simulated by unicorn, qemu or qemu-user.")
]


@app.callback()
def boards(
    context: typer.Context,
    core: CoreOption = None,
    maker: MakerOption = None,
    min_flash: MinFlashOption = None,
    min_ram: MinRamOption = None,
    simulator: SimulatorOption = None,
    json: JsonOption = None,
) -> None:
    """The boards that firmware can be built for: shipped ones and those in ./tqs-boards."""
    from tqs_edge.firmware.board import board_names, load_board

    if context.invoked_subcommand is not None:
        return
    flash, ram = parse_bytes(min_flash, "--min-flash") or 0, parse_bytes(min_ram, "--min-ram") or 0
    everything = [load_board(name) for name in board_names()]
    _check_filter("--core", core, {board.core.name for board in everything})
    _check_filter("--simulator", simulator, {name for b in everything for name in b.simulators})
    chosen = [
        board
        for board in everything
        if core in (None, board.core.name)
        and (maker is None or maker.lower() in board.maker.lower())
        and board.flash_bytes >= flash
        and board.ram_bytes >= ram
        and (simulator is None or simulator in board.simulators)
    ]
    headers = ("board", "<core", "flash", "RAM", "MHz", "<simulators", "<part", "<description")
    rows = table("Boards", *headers)
    for board in chosen:
        rows.add_row(*_row(board))
    show_or_write(rows, [_record(board) for board in chosen], json)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the board's file.")],
    like: Annotated[
        str, typer.Option("--like", help="The board to inherit from; the nearest one you know.")
    ] = "nucleo-f446re",
) -> None:
    """Writes a commented file for a board of your own into ./tqs-boards."""
    from tqs_edge.firmware.board_template import write_template
    from tqs_edge.firmware.data_file import shown

    show(f"{shown(write_template(name, like))}: edit its values, then compile with --board {name}")


@app.command("show")
def show_facts(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A board, as `boards` lists it.")],
    json: JsonOption = None,
) -> None:
    """What is said about a board, the files it was checked against, and what is unconfirmed."""
    from tqs_edge.firmware.board import load_board
    from tqs_edge.firmware.board_facts import fact_groups

    board = load_board(name)
    rows = table(f"{board.name}: {board.description}", "", "<", "<")
    rows.show_header = False
    records: list[dict[str, object]] = []
    for group in fact_groups(board):
        lines = [("fact", *fact) for fact in group.facts.items()]
        lines += [("file", "checked against", path) for path in group.files]
        lines += [("unconfirmed", "unconfirmed", text) for text in group.unconfirmed]
        for index, (kind, label, text) in enumerate(lines):
            rows.add_row("" if index else group.name, label, escape(text))
            records.append({"group": group.name, "kind": kind, "name": label, "value": text})
    show_or_write(rows, records, json)


def _check_filter(option: str, value: str | None, known: set[str]) -> None:
    if value is not None and value not in known:
        raise InputError(f"{option} '{value}' fits no board; known: {', '.join(sorted(known))}")


def _row(board: Board) -> tuple[str, ...]:
    sizes = (f"{board.flash_bytes // 1024} K", f"{board.ram_bytes // 1024} K")
    clock = f"{board.clock_hz / 1e6:.0f}"
    simulators = ", ".join(board.simulators)
    return (
        board.name, board.core.name, *sizes, clock, simulators, board.part, board.description
    )  # fmt: skip


def _record(board: Board) -> dict[str, object]:
    return {
        "board": board.name,
        "maker": board.maker,
        "part": board.part,
        "core": board.core.name,
        "isa": board.core.isa,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
        "clock_hz": board.clock_hz,
        "simulators": list(board.simulators),
        "flasher": board.flasher,
        "console": board.console,
    }
