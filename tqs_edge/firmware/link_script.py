"""One self-contained linker script per board."""

from __future__ import annotations

from tqs_edge.firmware.board import Board
from tqs_edge.resources import resource_dir


def linker_script(board: Board) -> str:
    """Sizes, memory regions and sections as one text: zig's linker does not find INCLUDE files."""
    sizes = (
        f"FLASH_BYTES = {board.flash_bytes};\n"
        f"RAM_BYTES = {board.ram_bytes};\n"
        f"STACK_BYTES = {board.stack_bytes};\n"
    )
    sections = resource_dir("targets") / "cortex_m" / "sections.ld"
    return sizes + board.memory + sections.read_text("utf-8")
