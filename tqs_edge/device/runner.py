"""The board runner: a firmware on real hardware, or on whatever stands at the end of a port."""

from __future__ import annotations

import numpy as np

from tqs_edge.device.link import REPEAT_AFTER, Counters, DeviceFailed, Link
from tqs_edge.device.port import OpenPort, PortLost
from tqs_edge.device.rollout import DeviceRun, Done, roll_out
from tqs_edge.errors import RunnerError
from tqs_edge.firmware.build import Firmware
from tqs_edge.firmware.elf import read_elf
from tqs_edge.firmware.model_header import model_shape
from tqs_edge.run.rollout_files import make_request
from tqs_edge.run.run_log import RunLog

PATIENCE = 10.0  # seconds


def run_board(
    firmware: Firmware,
    contexts: np.ndarray,
    horizon: int,
    open_port: OpenPort,
    *,
    exog: np.ndarray | None = None,
    patience: float = PATIENCE,
    repeat_after: float = REPEAT_AFTER,
    done: Done | None = None,
) -> RunLog:
    """The frames int16 (contexts, horizon, F) of a rollout from each context, as a RunLog.

    contexts: int16 (contexts, rows, F); exog: int16 (contexts, calls, E)
    patience: seconds without a valid reply before the run fails
    Raises InputError for bad shapes; RunnerError for firmware of another model, silence, a fault,
    or a stack that was used up.
    """
    shape = model_shape(firmware.bundle.files["model.h"])
    request = make_request(shape, contexts, horizon, exog)
    try:
        link = Link(open_port, patience=patience, repeat_after=repeat_after)
    except PortLost as error:
        raise RunnerError(f"the port cannot be opened: {error}") from None
    try:
        device = roll_out(link, request, firmware.record.model_hash, done)
    except DeviceFailed as error:
        raise RunnerError(f"{firmware.board.name}: {_located(error, firmware)}") from None
    except PortLost as error:
        raise RunnerError(f"the port was lost: {error}") from None
    finally:
        link.close()
    _check_stack(device, firmware)
    return RunLog(
        frames=device.frames,
        runner="board",
        board=firmware.board.name,
        stack_bytes=device.report.stack_bytes if device.report.stack_bytes >= 0 else None,
        cycles_per_step=device.cycles_per_step,
        remarks=remarks(device, link.counters),
    )


def remarks(device: DeviceRun, counters: Counters) -> tuple[str, ...]:
    """What a reader of the numbers has to know, in sentences."""
    said = []
    if device.cycles_per_step is None:
        said.append("cycles are not available: the core has no DWT cycle counter that counts")
    else:
        said.append(f"the slowest step took {device.report.most_cycles:,} cycles")
    troubles = (
        ("requests repeated", counters.repeated),
        ("broken packets received", counters.broken),
        ("broken packets seen by the board", device.report.broken_packets),
        ("times the port was reopened", counters.reopened),
    )
    if seen := [f"{count} {what}" for what, count in troubles if count]:
        said.append("the line was not clean: " + ", ".join(seen))
    return tuple(said)


def _located(error: DeviceFailed, firmware: Firmware) -> str:
    """The fault with the function that it happened in."""
    image = read_elf(firmware.board_images["elf"])
    words = str(error).split()
    addresses = [word.removeprefix("pc=") for word in words if word.startswith("pc=0x")]
    where = f" in {image.function_at(int(addresses[0], 16))}" if addresses else ""
    return f"{error}{where}".replace("stack_overflow", "stack overflow")


def _check_stack(device: DeviceRun, firmware: Firmware) -> None:
    reserved = firmware.size.stack_bytes
    if device.report.stack_bytes >= reserved:
        raise RunnerError(
            f"{firmware.board.name}: stack overflow, all {reserved} bytes were used; "
            "raise stack_bytes of the board"
        )
