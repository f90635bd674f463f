"""What is said about a board, and the published files that it was checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tqs_edge.firmware.board import Board

UNCONFIRMED = "unconfirmed: "  # begins an entry of a source line: no published file says it
SEPARATOR = "; "


@dataclass(frozen=True)
class FactGroup:
    """Facts that share a line of [sources].

    facts: what is said, by name; files: repository and path of what it was checked against;
    unconfirmed: what of it no published file says, with the document that it is from
    """

    name: str
    facts: Mapping[str, str]
    files: tuple[str, ...]
    unconfirmed: tuple[str, ...]


def fact_groups(board: Board) -> tuple[FactGroup, ...]:
    """The groups of which the board says something, in the order of its file."""
    groups = {
        "memory": {
            "flash": f"{board.flash_bytes} bytes at {board.flash_origin:#010x}",
            "RAM": f"{board.ram_bytes} bytes at {board.ram_origin:#010x}",
        },
        "clock": {"highest": f"{board.clock_hz} Hz", "after reset": f"{board.reset_clock_hz} Hz"},
        "debug": {
            "pyOCD": board.pyocd_target or "",
            "OpenOCD": " ".join(board.openocd_config),
            "probe-rs": board.probe_rs_chip or "",
            "part": _part(board.part_id),
        },
        "dfu": {"USB id": board.dfu_id or ""},
        "uart": _uart(board),
        "boot": {
            "stage": board.boot or "",
            "UF2 family": "" if board.uf2_family is None else f"{board.uf2_family:#010x}",
            "UF2 drive": board.uf2_drive or "",
        },
    }
    known = {name: {k: v for k, v in facts.items() if v} for name, facts in groups.items()}
    return tuple(_group(board, name, facts) for name, facts in known.items() if facts)


def _group(board: Board, name: str, facts: Mapping[str, str]) -> FactGroup:
    entries = [entry for entry in board.sources.get(name, "").split(SEPARATOR) if entry]
    return FactGroup(
        name,
        facts,
        tuple(entry for entry in entries if not entry.startswith(UNCONFIRMED)),
        tuple(e.removeprefix(UNCONFIRMED) for e in entries if e.startswith(UNCONFIRMED)),
    )


def _part(part_id: tuple[int, int, int] | None) -> str:
    if part_id is None:
        return ""
    address, mask, value = part_id
    return f"{value:#x} at {address:#010x}, mask {mask:#x}"


def _uart(board: Board) -> dict[str, str]:
    uart = board.uart
    if uart is None:
        return {}
    updates = (f"{place:#010x} & {mask:#x} = {value:#x}" for place, mask, value in uart.setup)
    return {
        "port": uart.name,
        "registers": f"{uart.driver} at {uart.base:#010x}",
        "clock": f"{uart.clock_hz} Hz, {uart.baud} baud",
        "set-up": ", ".join(updates),
    }
