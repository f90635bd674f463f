"""A port through semihosting: a debugger answers the calls that the firmware stops at (twin:
targets/console/semihosting.c; calls: ARM-software/abi-aa, semihosting.rst)."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable
from typing import Any, Protocol

from tqs_edge.device.port import OpenPort, PortLost
from tqs_edge.errors import RunnerError
from tqs_edge.firmware.board import Board
from tqs_edge.flash.debugger import PickProbe, choose_probe, connect, connected_probes, words_of
from tqs_edge.run.semihosting import FAILED, WRITE_MODES, Operation

BKPT = (0xBEAB).to_bytes(2, "little")  # the instruction that makes a call
CONSOLE = b":tt"
INPUT, OUTPUT = 1, 2  # handles that are given out
PAUSE = 0.001  # seconds between two looks at a core that runs, or wants bytes that are not there


class Core(Protocol):
    """A core under a debugger. Any exception means that it cannot be reached."""

    def is_halted(self) -> bool: ...

    def register(self, name: str) -> int: ...

    def resume_at(self, pc: int, r0: int) -> None: ...

    def read(self, address: int, size: int) -> bytes: ...

    def write(self, address: int, data: bytes) -> None: ...


class SemihostingPort:
    """A Port over the semihosting calls of a core; `release` gives the probe back.

    The core stands still at a call until read() answers it, and at a call for input until there is
    some: nothing is done behind the caller's back.
    """

    def __init__(self, core: Core, release: Callable[[], None]) -> None:
        self._core, self._release = core, release
        self._input, self._output = bytearray(), bytearray()

    def read(self, timeout: float) -> bytes:
        """What the firmware has written; raises PortLost where it stands anywhere but at a call."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                answered = self._answer_call()
            except PortLost:
                raise
            except Exception as error:
                raise PortLost(words_of(error)) from None
            if self._output:
                written, self._output = bytes(self._output), bytearray()
                return written
            if time.monotonic() >= deadline:
                return b""
            if not answered:
                time.sleep(PAUSE)

    def write(self, data: bytes) -> None:
        """Keeps `data` until the firmware asks for it."""
        self._input += data

    def close(self) -> None:
        """Gives the probe back; what it says of that is of no use any more."""
        with contextlib.suppress(Exception):
            self._release()

    def _answer_call(self) -> bool:
        """Lets the core go on behind the call that it stands at; False where it does not."""
        core = self._core
        if not core.is_halted():
            return False
        pc = core.register("pc")
        if core.read(pc, len(BKPT)) != BKPT:
            raise PortLost(f"the core stands at {pc:#010x}, which is no semihosting call")
        result = self._result(core.register("r0"), core.register("r1"))
        if result is not None:
            core.resume_at(pc + len(BKPT), result & 0xFFFFFFFF)
        return result is not None

    def _result(self, operation: int, arguments: int) -> int | None:
        """What a call returns; None for a call that has to wait."""
        if operation not in (Operation.OPEN, Operation.READ, Operation.WRITE):
            return FAILED
        first, second, third = struct.unpack("<3I", self._core.read(arguments, 12))
        if operation == Operation.OPEN:
            if self._core.read(first, third) != CONSOLE:
                return FAILED
            return OUTPUT if second in WRITE_MODES else INPUT
        if operation == Operation.WRITE and first == OUTPUT:
            self._output += self._core.read(second, third)
            return 0
        if operation != Operation.READ or first != INPUT:
            return FAILED
        if not self._input:
            return None
        given = bytes(self._input[:third])
        self._core.write(second, given)
        del self._input[:third]
        return int(third) - len(given)


class _PyocdCore:
    """pyOCD's target as Core."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def is_halted(self) -> bool:
        return bool(self._target.is_halted())

    def register(self, name: str) -> int:
        return int(self._target.read_core_register(name))

    def resume_at(self, pc: int, r0: int) -> None:
        self._target.write_core_register("r0", r0)
        self._target.write_core_register("pc", pc)
        self._target.resume()

    def read(self, address: int, size: int) -> bytes:
        return bytes(self._target.read_memory_block8(address, size))

    def write(self, address: int, data: bytes) -> None:
        self._target.write_memory_block8(address, data)


def semihosting_opener(board: Board, wanted: str | None, pick: PickProbe | None) -> OpenPort:
    """Opens the semihosting port of a board through a debug probe, which is chosen now.

    Opening resets the board: firmware that made a call before a debugger came stands in a fault.
    Raises as choose_probe does.
    """
    name = choose_probe(connected_probes(), wanted, pick).unique_id

    def open_port() -> SemihostingPort:
        stack = contextlib.ExitStack()
        try:
            probe = choose_probe(connected_probes(), name, None)
            session = stack.enter_context(connect(probe, board, halt=False))
        except RunnerError as error:
            raise PortLost(str(error)) from None
        try:
            session.target.reset_and_halt()
            session.target.resume()
        except Exception as error:
            with contextlib.suppress(Exception):
                stack.close()
            raise PortLost(words_of(error)) from None
        return SemihostingPort(_PyocdCore(session.target), stack.close)

    return open_port
