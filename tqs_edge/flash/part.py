"""Is the part that is connected the one that the firmware was built for?"""

from __future__ import annotations

from collections.abc import Callable

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board

CPUID = 0xE000ED00
# Bits 15:4 of CPUID, as in OpenOCD's src/target/cortex_m.h.
CORE_OF_PART = {
    0xC20: "cortex-m0",
    0xC60: "cortex-m0plus",
    0xC23: "cortex-m3",
    0xC24: "cortex-m4",
    0xC27: "cortex-m7",
    0xD21: "cortex-m33",
    0xD22: "cortex-m55",
    0xD23: "cortex-m85",
}


def check_part(board: Board, read_word: Callable[[int], int]) -> None:
    """Raises InputError when core or identification word are not the board's.

    read_word: the 32-bit word of the part at an address. Cores that this table does not know, and
    boards without part_id, pass: nothing can be told of them.
    """
    core = CORE_OF_PART.get(read_word(CPUID) >> 4 & 0xFFF)
    if core is not None and core != board.core.name:
        raise InputError(
            f"the connected part has a {core}, but this firmware is for {board.name} "
            f"({board.core.name}); compile for the connected board, or connect the right one"
        )
    if board.part_id is None:
        return
    address, mask, value = board.part_id
    found = read_word(address) & mask
    if found != value:
        raise InputError(
            f"the connected part identifies itself as {found:#x} (at {address:#010x}), but "
            f"{board.name} has {value:#x}; compile for the connected board, or connect the right "
            "one"
        )
