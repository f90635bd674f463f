"""A firmware that is too large for its board: by how much, and what would hold it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tqs_edge.errors import BuildError
from tqs_edge.firmware.board import Board, board_names, load_board

REGION_FULL = re.compile(r"region [`'](\w+)'[: ]+overflowed by (\d+) bytes")
SHOWN_BOARDS = 3
ADVICE = {
    "FLASH": "or compile with a lower --flash, which narrows the weights",
    "RAM": "or shorten the model's window or state",
}


def overflow_error(linker_output: str, board: Board) -> BuildError | None:
    """What the linker says about full memories as one clear line, None when it is about others."""
    missing: dict[str, int] = {}
    for region, count in REGION_FULL.findall(linker_output):
        missing[region] = max(missing.get(region, 0), int(count))
    if not missing:
        return None
    region, most = max(missing.items(), key=lambda item: item[1])
    limit = board.flash_bytes if region == "FLASH" else board.ram_bytes
    needed = {
        "FLASH": board.flash_bytes + missing.get("FLASH", 0),
        "RAM": board.ram_bytes + missing.get("RAM", 0),
    }
    fitting = _boards_that_hold(needed, missing, board)
    holds = f"take a board that holds it ({', '.join(fitting)})" if fitting else "no board holds it"
    return BuildError(
        f"the firmware needs {most} bytes more {region} than the {limit} bytes of {board.name}; "
        f"{holds}, {ADVICE.get(region, 'or a smaller model')}"
    )


def _boards_that_hold(
    needed: Mapping[str, int], missing: Mapping[str, int], board: Board
) -> list[str]:
    """The smallest boards with room for `needed`, those of the same core first."""
    found = []
    for other in map(load_board, board_names()):
        room = {"FLASH": other.flash_bytes, "RAM": other.ram_bytes}
        if other.core.runtime == board.core.runtime and all(
            room[region] >= needed[region] for region in missing
        ):
            size = (other.core.name != board.core.name, *(room[region] for region in missing))
            found.append((size, other.name))
    return [name for _, name in sorted(found)[:SHOWN_BOARDS]]
