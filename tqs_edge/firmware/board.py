"""Boards and cores as data: targets/boards/*.toml and targets/cores/*.toml."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from tqs_edge.errors import InputError
from tqs_edge.kernel_table import ISAS
from tqs_edge.resources import resource_dir


@dataclass(frozen=True)
class Core:
    """A processor core: what compilers and simulators call it, and its class of kernels."""

    name: str
    description: str
    isa: str  # class of kernels, one of kernel_table.ISAS
    gcc_flags: tuple[str, ...]
    zig_flags: tuple[str, ...]
    unicorn: str | None = None  # CPU model of the Unicorn runner ("m4"); None: it has none


@dataclass(frozen=True)
class Board:
    """A core with memories. All sizes are bytes of the real part; the linker enforces them."""

    name: str
    description: str
    core: Core
    memory: str  # linker text that defines the regions FLASH and RAM
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int  # reserved within ram_bytes
    qemu_machine: str | None = None
    pyocd_target: str | None = None


Record = TypeVar("Record", Board, Core)


def board_names() -> tuple[str, ...]:
    """The names of the shipped boards, sorted."""
    return tuple(sorted(path.stem for path in (resource_dir("targets") / "boards").glob("*.toml")))


def load_board(name: str) -> Board:
    """The shipped board called `name`, or the one described by the file `name` ("mine.toml").

    The memory file of a user's board is looked for beside it first, then in targets/memory.
    Raises InputError for an unknown name, core or key, and for sizes that cannot be.
    """
    targets = resource_dir("targets")
    path = Path(name) if name.endswith(".toml") else targets / "boards" / f"{name}.toml"
    if not path.is_file():
        raise InputError(f"unknown board '{name}'; known: {', '.join(board_names())}")
    table = _read_table(path)
    table["core"] = load_core(str(table.get("core", "")))
    memory = str(table.get("memory", ""))
    places = (path.parent / memory, targets / "memory" / memory)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"{path.name}: memory file '{memory}' not found beside it or in memory/")
    table["memory"] = found.read_text(encoding="utf-8")
    board = _from_table(Board, path, table)
    _check_sizes(board, path)
    return board


def load_core(name: str) -> Core:
    """The core called `name`; raises InputError that lists the known ones."""
    cores = resource_dir("targets") / "cores"
    path = cores / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in cores.glob("*.toml")))
        raise InputError(f"unknown core '{name}'; known: {known}")
    table = _read_table(path)
    for key in ("gcc_flags", "zig_flags"):
        table[key] = tuple(table.get(key, ()))
    core = _from_table(Core, path, table)
    if core.isa not in ISAS:
        raise InputError(f"{path.name}: isa '{core.isa}' is not one of {', '.join(ISAS)}")
    return core


def _read_table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: not valid TOML: {error}") from None


def _from_table(record: type[Record], path: Path, table: dict[str, Any]) -> Record:
    known = {field.name for field in fields(record)} - {"name"}
    required = {field.name for field in fields(record) if field.default is MISSING} - {"name"}
    if unknown := sorted(table.keys() - known):
        raise InputError(f"{path.name}: unknown key '{unknown[0]}'; known: {sorted(known)}")
    if missing := sorted(required - table.keys()):
        raise InputError(f"{path.name}: key '{missing[0]}' is missing")
    return record(name=path.stem, **table)


def _check_sizes(board: Board, path: Path) -> None:
    sizes = (board.flash_bytes, board.ram_bytes, board.stack_bytes)
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise InputError(f"{path.name}: sizes are positive numbers of bytes, got {sizes}")
    if board.stack_bytes % 8 or board.stack_bytes >= board.ram_bytes:
        raise InputError(
            f"{path.name}: stack_bytes = {board.stack_bytes} is not a multiple of 8 "
            f"below ram_bytes = {board.ram_bytes}"
        )
