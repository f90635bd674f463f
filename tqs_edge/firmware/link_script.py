"""One self-contained linker script per board."""

from __future__ import annotations

from tqs_edge.firmware.board import Board
from tqs_edge.firmware.runtime import RUNTIMES
from tqs_edge.resources import resource_dir

MEMORY = """STACK_BYTES = {board.stack_bytes};
MEMORY {{
    FLASH (rx) : ORIGIN = {board.flash_origin:#010x}, LENGTH = {board.flash_bytes}
    RAM (rw) : ORIGIN = {board.ram_origin:#010x}, LENGTH = {board.ram_bytes}
}}
"""


def linker_script(board: Board) -> str:
    """Memory regions and sections as one text: zig's linker does not find INCLUDE files."""
    targets = resource_dir("targets")
    parts = ((targets / name).read_text("utf-8") for name in RUNTIMES[board.core.runtime].scripts)
    return MEMORY.format(board=board) + "\n".join(parts)
