"""A port through the target's memory: SEGGER RTT (twin: targets/console/rtt.c).

Two rings in RAM, one for each direction. The debug probe reads and writes them while the core runs.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable
from typing import Protocol

from tqs_edge.device.port import OpenPort, PortLost
from tqs_edge.errors import RunnerError
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.elf import ElfImage
from tqs_edge.flash.debugger import PickProbe, choose_probe, connect, connected_probes

BLOCK_SYMBOL = "_SEGGER_RTT"
ID = b"SEGGER RTT"
UP, DOWN = 24, 48  # offsets of the two channels in the block
RING, WRITTEN, READ = 4, 12, 16  # offsets in a channel: ring and its size; the two positions
PAUSE = 0.001  # seconds between two looks at an empty or full ring
WRITE_TIMEOUT = 10.0  # seconds


class Memory(Protocol):
    """The memory of a running target. Any exception means that it cannot be reached."""

    def read(self, address: int, size: int) -> bytes: ...

    def write(self, address: int, data: bytes) -> None: ...


class RttPort:
    """A Port over the RTT block at `block`; `release` gives the probe back.

    Raises RunnerError where there is no such block: the firmware does not run, or is another one.
    """

    def __init__(self, memory: Memory, block: int, release: Callable[[], None]) -> None:
        self._memory, self._block, self._release = memory, block, release
        if not self._read(block, len(ID)) == ID:
            release()
            raise RunnerError(
                f"no RTT block at {block:#010x}: the firmware does not run, or is another one; "
                "run `tqs-edge flash DIR`"
            )
        self._up = self._ring(UP)
        self._down = self._ring(DOWN)

    def read(self, timeout: float) -> bytes:
        """What the target has written since the last call."""
        ring, size = self._up
        deadline = time.monotonic() + timeout
        while True:
            begin, end = self._positions(UP)[::-1]
            if begin != end:
                break
            if time.monotonic() >= deadline:
                return b""
            time.sleep(PAUSE)
        stop = end if begin < end else size
        data = self._read(ring + begin, stop - begin)
        if stop != end and end:
            data += self._read(ring, end)
        self._put(UP + READ, end)
        return data

    def write(self, data: bytes) -> None:
        """Waits for room: the firmware takes its bytes when it is done with the last request."""
        ring, size = self._down
        deadline = time.monotonic() + WRITE_TIMEOUT
        while data:
            end, begin = self._positions(DOWN)
            room = (begin - end - 1) % size
            if room == 0:
                if time.monotonic() > deadline:
                    raise PortLost("the firmware reads nothing any more")
                time.sleep(PAUSE)
                continue
            piece = data[: min(room, size - end)]
            self._write(ring + end, piece)
            self._put(DOWN + WRITTEN, (end + len(piece)) % size)
            data = data[len(piece) :]

    def close(self) -> None:
        """Gives the probe back; what it says of that is of no use any more."""
        with contextlib.suppress(Exception):
            self._release()

    def _ring(self, channel: int) -> tuple[int, int]:
        address, size = struct.unpack("<II", self._read(self._block + channel + RING, 8))
        return int(address), int(size)

    def _positions(self, channel: int) -> tuple[int, int]:
        """(where the writer goes on, where the reader goes on)."""
        written, read = struct.unpack("<II", self._read(self._block + channel + WRITTEN, 8))
        size = (self._up if channel == UP else self._down)[1]
        if written >= size or read >= size:
            raise PortLost("the RTT block was overwritten: the board is being reset")
        return int(written), int(read)

    def _put(self, offset: int, value: int) -> None:
        self._write(self._block + offset, struct.pack("<I", value))

    def _read(self, address: int, size: int) -> bytes:
        try:
            return self._memory.read(address, size)
        except Exception as error:
            raise PortLost(str(error)) from None

    def _write(self, address: int, data: bytes) -> None:
        try:
            self._memory.write(address, data)
        except Exception as error:
            raise PortLost(str(error)) from None


class _TargetMemory:
    """pyOCD's target as Memory."""

    def __init__(self, target: object) -> None:
        self._target = target

    def read(self, address: int, size: int) -> bytes:
        return bytes(self._target.read_memory_block8(address, size))  # type: ignore[attr-defined]

    def write(self, address: int, data: bytes) -> None:
        self._target.write_memory_block8(address, data)  # type: ignore[attr-defined]


def rtt_opener(
    board: Board, image: ElfImage, wanted: str | None, pick: PickProbe | None
) -> OpenPort:
    """Opens the RTT port of the firmware `image` through a debug probe, which is chosen now.

    Raises as choose_probe does.
    """
    block = image.address_of(BLOCK_SYMBOL)
    name = choose_probe(connected_probes(), wanted, pick).unique_id

    def open_port() -> RttPort:
        try:
            probe = choose_probe(connected_probes(), name, None)
            stack = contextlib.ExitStack()
            session = stack.enter_context(connect(probe, board, halt=False))
        except RunnerError as error:
            raise PortLost(str(error)) from None
        return RttPort(_TargetMemory(session.target), block, stack.close)

    return open_port
