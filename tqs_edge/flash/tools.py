"""The tools by name, and one way to use any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board
from tqs_edge.flash import pyocd, uf2_drive
from tqs_edge.flash.commands import Program
from tqs_edge.flash.dfu_util import DFU_UTIL
from tqs_edge.flash.job import Flashed, FlashJob, Progress
from tqs_edge.flash.openocd import OPENOCD
from tqs_edge.flash.picotool import PICOTOOL
from tqs_edge.flash.probe_rs import PROBE_RS
from tqs_edge.flash.st_flash import ST_FLASH


@dataclass(frozen=True)
class Tool:
    """describe(job): the commands; flash(job, progress): does it."""

    describe: Callable[[FlashJob], tuple[str, ...]]
    flash: Callable[[FlashJob, Progress], Flashed]


def _tool(program: Program) -> Tool:
    return Tool(program.describe, program.flash)


TOOLS = {
    "pyocd": Tool(pyocd.describe, pyocd.flash),
    **{p.name: _tool(p) for p in (OPENOCD, PROBE_RS, ST_FLASH, DFU_UTIL, PICOTOOL)},
    "uf2": Tool(uf2_drive.describe, uf2_drive.flash),
}


def tool_for(board: Board, name: str | None) -> str:
    """The name of the tool: the one asked for, or the board's. Raises InputError without any."""
    chosen = name or board.flasher
    if chosen not in TOOLS:
        known = ", ".join(TOOLS)
        if name is None:
            raise InputError(f"board '{board.name}' cannot be flashed; give a --tool: {known}")
        raise InputError(f"unknown tool '{name}'; known: {known}")
    return chosen
