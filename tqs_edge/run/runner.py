"""One function to run a firmware anywhere."""

from __future__ import annotations

import numpy as np

from tqs_edge.errors import InputError, RunnerError
from tqs_edge.firmware.build import Firmware
from tqs_edge.firmware.model_header import model_shape
from tqs_edge.run.host import run_host
from tqs_edge.run.qemu import run_qemu, run_qemu_user
from tqs_edge.run.rollout_files import make_request
from tqs_edge.run.run_log import RunLog
from tqs_edge.run.step_count import COUNTED_CALLS
from tqs_edge.run.unicorn_runner import run_unicorn

RUNNERS = {
    "host": run_host,
    "qemu": run_qemu,
    "qemu-user": run_qemu_user,
    "unicorn": run_unicorn,
}
DEFAULT_TIMEOUT = 120.0  # seconds


def run(
    firmware: Firmware,
    contexts: np.ndarray,
    horizon: int,
    *,
    exog: np.ndarray | None = None,
    runner: str = "unicorn",
    timeout: float = DEFAULT_TIMEOUT,
    count: int = COUNTED_CALLS,
) -> RunLog:
    """The frames int16 (contexts, horizon, F) of a rollout from each context, as a RunLog.

    contexts: int16 (contexts, rows, F); exog: int16 (contexts, calls, E), one row per model call
    runner: "unicorn" (in process), "qemu" (simulated board), "qemu-user" (Linux program of another
      core) or "host" (compiled for this computer)
    count: calls whose instructions the simulators count, exactly; 0 for none
    Raises InputError for bad shapes, ToolMissing, and RunnerError on a fault or after `timeout` s.
    """
    if runner not in RUNNERS:
        raise InputError(f"unknown runner '{runner}'; known: {', '.join(RUNNERS)}")
    shape = model_shape(firmware.bundle.files["model.h"])
    request = make_request(shape, contexts, horizon, exog)
    log = RUNNERS[runner](firmware, request, timeout, count)
    reserved = firmware.size.stack_bytes
    if log.stack_bytes is not None and log.stack_bytes >= reserved:
        # Below RAM some simulated boards ignore accesses instead of faulting.
        raise RunnerError(
            f"{firmware.board.name}: stack overflow, all {reserved} bytes were used; "
            "raise stack_bytes of the board"
        )
    return log
