"""The chain on real hardware: the firmware of a package at the end of a port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tqs_edge.artifacts import read_json
from tqs_edge.device.port import OpenPort, SerialPort, choose_port
from tqs_edge.device.rtt import rtt_opener
from tqs_edge.device.runner import PATIENCE, run_board
from tqs_edge.errors import InputError
from tqs_edge.firmware.build import Firmware
from tqs_edge.firmware.elf import read_elf
from tqs_edge.flash.debugger import PickProbe
from tqs_edge.pipeline.directory import Package
from tqs_edge.pipeline.reporting import REPORT_JSON, write_report
from tqs_edge.pipeline.verification import Verification, verify_rollouts
from tqs_edge.run.run_log import RunLog
from tqs_edge.verify.chain import Execution

BOARD = "board"
DEFAULT_BAUD = 115200


def verify_on_board(
    package: Package,
    open_port: OpenPort,
    *,
    patience: float = PATIENCE,
    done: Callable[[int, int], None] | None = None,
) -> Verification:
    """The chain with the board as its last link; report.json and report.html say so afterwards.

    Raises RunnerError where the board does not answer, or is another one.
    """

    def execute(
        firmware: Firmware,
        contexts: np.ndarray,
        horizon: int,
        *,
        exog: np.ndarray | None,
        runner: str,
        count: int,
    ) -> RunLog:
        return run_board(
            firmware, contexts, horizon, open_port, exog=exog, patience=patience, done=done
        )

    executions = (
        Execution(package.firmware, "host"),
        Execution(package.firmware, BOARD, execute=execute),
    )
    verification = verify_rollouts(package.lowered, executions, package.trials, package.horizon)
    _record(package.directory, verification)
    return verification


def board_port(
    firmware: Firmware, port: str | None, probe: str | None, pick: PickProbe | None
) -> OpenPort:
    """How to open the port to the board: `port`, or what its console says.

    port: a serial port or URL ("socket://host:port"); probe: for RTT, as in choose_probe
    Raises InputError where the firmware has no link or the port is not clear.
    """
    board = firmware.board
    if not firmware.has_link:
        raise InputError(
            f"the firmware for '{board.name}' speaks through semihosting only; set "
            'console = "uart" or "rtt" in its TOML and compile again'
        )
    if board.console == "rtt" and port is None:
        image = read_elf(firmware.board_images["elf"])
        return rtt_opener(board, image, probe, pick)
    chosen = choose_port(port)
    baud = board.uart.baud if board.uart else DEFAULT_BAUD
    return lambda: SerialPort(chosen, baud)


def _record(directory: Path, verification: Verification) -> None:
    """Adds the board's link and what it measured to the report."""
    report = read_json(directory / REPORT_JSON)
    link = verification.links[-1]
    report["bit_exact"][link.name] = link.exact
    if link.mismatch is not None:
        report["mismatches"][link.name] = str(link.mismatch)
    else:
        report["mismatches"].pop(link.name, None)
    log = link.log
    if log is not None:
        report["on_board"] = {
            "stack_bytes": log.stack_bytes,
            "cycles_per_step": log.cycles_per_step,
            "remarks": list(log.remarks),
        }
    write_report(directory, report)
