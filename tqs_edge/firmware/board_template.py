"""The commented file that a new board starts from."""

from __future__ import annotations

import re
from pathlib import Path

from tqs_edge.artifacts import write_text
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import (
    CONSOLES,
    FLASHERS,
    UART_DRIVERS,
    USER_FOLDER,
    Board,
    board_names,
    core_names,
    load_board,
    user_folders,
)

TEMPLATE = """# {name}: a board of this project. `tqs-edge boards` lists it.
# Everything that is not written here comes from the board that it inherits from.
inherits = "{like.name}"

description = "{name}"
maker = "{like.maker}"
part = "{like.part}"
core = "{like.core.name}" # {cores}

# What the firmware may use, in bytes. Behind a boot loader the flash begins where that ends.
flash_origin = {like.flash_origin:#010x}
flash_bytes = {like.flash_bytes}
ram_origin = {like.ram_origin:#010x}
ram_bytes = {like.ram_bytes}
stack_bytes = {like.stack_bytes} # reserved within ram_bytes, a multiple of 8

# The core's highest clock, and the one after reset, at which the firmware runs.
clock_hz = {like.clock_hz}
reset_clock_hz = {like.reset_clock_hz}

# How to flash it and talk to it.
flasher = "{like.flasher}" # {flashers}
{pyocd}
{openocd}
{probe_rs}
console = "{like.console}" # {consoles}

# The serial port, where console = "uart":
# [uart]
# name = "USART2, PA2 and PA3"
# driver = "stm32" # {drivers}
# base = 0x40004400
# clock_hz = 16_000_000 # of the port after reset
# baud = 115_200
# setup = [[0x40021034, 0x1, 0x1]] # address, mask, value: clocks on, pins to the port

[sources]
memory = "where these numbers are from: datasheet, reference manual"
"""


def write_template(name: str, like: str) -> Path:
    """Writes NAME.toml into the project's folder of boards; the path.

    like: the board to inherit from
    Raises InputError for a name that is taken or cannot be a file's, and for an unknown `like`.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise InputError(f"'{name}' is not a board's name; use a-z, 0-9, '-', '_' and '.'")
    if name in board_names():
        raise InputError(f"a board '{name}' exists already; choose another name")
    folder = next(iter(user_folders()), Path.cwd() / USER_FOLDER)
    path = folder / f"{name}.toml"
    write_text(path, template(name, load_board(like)))
    return path


def template(name: str, like: Board) -> str:
    """The text of a board called `name` that inherits from `like` and repeats its values."""

    def line(key: str, value: str | None, example: str) -> str:
        return f"# {key} = {example}" if not value else f"{key} = {value}"

    scripts = ", ".join(f'"{script}"' for script in like.openocd_config)
    return TEMPLATE.format(
        name=name,
        like=like,
        cores=", ".join(core_names()),
        flashers=", ".join(FLASHERS),
        consoles=", ".join(CONSOLES),
        drivers=", ".join(UART_DRIVERS),
        pyocd=line("pyocd_target", _quoted(like.pyocd_target), '"stm32g071rbtx"'),
        openocd=line("openocd_config", scripts and f"[{scripts}]", '["board/st_nucleo_g0.cfg"]'),
        probe_rs=line("probe_rs_chip", _quoted(like.probe_rs_chip), '"STM32G071RBTx"'),
    )


def _quoted(text: str | None) -> str | None:
    return text and f'"{text}"'
