"""What stands around the model in a firmware: the rollout driver and the way it talks."""

from __future__ import annotations

from dataclasses import dataclass

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board, Uart
from tqs_edge.firmware.runtime import RUNTIMES

FACTS_NAME = "console_facts.h"


@dataclass(frozen=True)
class Driver:
    """One firmware around a model. files: of targets/; written: names and texts made here."""

    image: str  # stem of its files
    files: tuple[str, ...]
    written: tuple[tuple[str, str], ...] = ()


LINK_FILES = (
    *("link/serve.c", "link/frame.c", "link/crc32.c", "cortex_m/cycles.c"),
    *("link/console.h", "link/frame.h", "link/crc32.h", "link/messages.h"),
)


def drivers_of(board: Board) -> tuple[Driver, ...]:
    """The firmware for simulators, and the one for the real board where it has a console.

    Raises InputError for a console of which the board says too little.
    """
    simulated = Driver("firmware", ("common/main.c", RUNTIMES[board.core.runtime].semihosting))
    if board.console == "none":
        return (simulated,)
    return (simulated, _link_driver(board))


def _link_driver(board: Board) -> Driver:
    if board.core.runtime != "cortex_m":
        raise InputError(
            f"board '{board.name}' has console = \"{board.console}\", but the link needs a "
            'Cortex-M; set console = "none"'
        )
    if board.console != "uart":
        return Driver("device", (*LINK_FILES, f"console/{board.console}.c"))
    if board.uart is None:
        raise InputError(
            f"board '{board.name}' has console = \"uart\" but no [uart] table; add one, or use rtt"
        )
    files = (*LINK_FILES, "console/uart.h", f"console/uart_{board.uart.driver}.c")
    return Driver("device", files, ((FACTS_NAME, uart_facts(board.uart)),))


def uart_facts(uart: Uart) -> str:
    """The macros that targets/console/uart.h reads."""
    updates = "".join("{" + ", ".join(f"{n:#x}u" for n in row) + "}, " for row in uart.setup)
    return (
        f"#define TQS_UART_BASE {uart.base:#x}u /* {uart.name} */\n"
        f"#define TQS_UART_CLOCK_HZ {uart.clock_hz}u\n"
        f"#define TQS_UART_BAUD {uart.baud}u\n"
        f"#define TQS_UART_SETUP {updates}\n"
    )
