"""A firmware that is too large for its board: by how much, and what would hold it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tqs_edge.errors import BuildError, InputError
from tqs_edge.firmware.board import Board, board_names, load_board
from tqs_edge.firmware.size import FirmwareSize

REGION_FULL = re.compile(r"region [`'](\w+)'[: ]+overflowed by (\d+) bytes")
SHOWN_BOARDS = 3


def with_room(board: Board, linker_output: str) -> Board | None:
    """`board` with the memory that the linker missed; None when it complains about others."""
    missing: dict[str, int] = {}
    for region, count in REGION_FULL.findall(linker_output):
        missing[region] = max(missing.get(region, 0), int(count))
    if not missing:
        return None
    return replace(
        board,
        flash_bytes=board.flash_bytes + missing.get("FLASH", 0),
        ram_bytes=board.ram_bytes + missing.get("RAM", 0),
    )


def overflow_error(board: Board, larger: Board, size: FirmwareSize) -> BuildError:
    """One line about a firmware of `size` that needs the memories of `larger`."""
    needed = {"FLASH": larger.flash_bytes, "RAM": larger.ram_bytes}
    limits = {"FLASH": board.flash_bytes, "RAM": board.ram_bytes}
    missing = {name: needed[name] - limits[name] for name in needed if needed[name] > limits[name]}
    region, most = max(missing.items(), key=lambda item: item[1])
    fitting = _boards_that_hold(needed, missing, board)
    holds = f"take a board that holds it ({', '.join(fitting)})" if fitting else "no board holds it"
    advice = "shorten the model's window or state"
    if region == "FLASH":
        beside = larger.flash_bytes - size.code_bytes - size.weight_bytes
        budget = max(board.flash_bytes - beside, 0)
        advice = f"compile with --flash {budget // 1024}K, which is left for the model"
    return BuildError(
        f"the firmware needs {most} bytes more {region} than the {limits[region]} bytes of "
        f"{board.name}; {holds}, or {advice}"
    )


def _boards_that_hold(
    needed: Mapping[str, int], missing: Mapping[str, int], board: Board
) -> list[str]:
    """The smallest boards with room for `needed`, those of the same core first."""
    found = []
    for other in _readable_boards():
        room = {"FLASH": other.flash_bytes, "RAM": other.ram_bytes}
        if other.core.runtime == board.core.runtime and all(
            room[region] >= needed[region] for region in missing
        ):
            size = (other.core.name != board.core.name, *(room[region] for region in missing))
            found.append((size, other.name))
    return [name for _, name in sorted(found)[:SHOWN_BOARDS]]


def _readable_boards() -> Iterator[Board]:
    """All boards but those of the user's that have an error, which is not what this is about."""
    for name in board_names():
        try:
            yield load_board(name)
        except InputError:
            continue
