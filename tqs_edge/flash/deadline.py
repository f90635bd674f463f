"""Work that must end: within a time, or soon after Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

GRACE = 5.0  # seconds to let go of the probe


class Stopped(Exception):
    """Raised inside the work by `check` once it has to end."""


class TimedOut(Exception):
    """The work did not end in time."""


def run_within(timeout: float, work: Callable[[Callable[[], None]], Any]) -> Any:
    """The result of work(check) in a thread of its own; `work` calls check() now and then.

    Raises what `work` raises, TimedOut after `timeout` seconds, and KeyboardInterrupt; before
    either of the last two, `work` gets GRACE seconds to end by itself, or still to be done.
    """
    stop = threading.Event()
    outcome: dict[str, Any] = {}

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def body() -> None:
        try:
            outcome["result"] = work(check)
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    try:
        thread.join(timeout)
        if thread.is_alive():
            raise TimedOut
    except (KeyboardInterrupt, TimedOut):
        stop.set()
        thread.join(GRACE)
        if "result" not in outcome:
            raise
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
