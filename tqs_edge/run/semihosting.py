"""The semihosting calls of targets/common/semihost.c, answered from memory."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from typing import Protocol

from tqs_edge.errors import RunnerError

WRITE_MODES = range(4, 8)  # "w" to "w+b"
FAILED = -1


class Operation(IntEnum):
    """Numbers of Arm's semihosting specification."""

    OPEN = 0x01
    CLOSE = 0x02
    WRITE0 = 0x04
    WRITE = 0x05
    READ = 0x06
    SEEK = 0x0A
    EXIT_EXTENDED = 0x20


class Memory(Protocol):
    """The target's memory, as Unicorn offers it."""

    def mem_read(self, address: int, size: int) -> bytearray: ...

    def mem_write(self, address: int, data: bytes) -> None: ...


class MemoryFiles:
    """Files by handle; what is written is kept by name."""

    def __init__(self, readable: Mapping[str, bytes]) -> None:
        self._readable = readable
        self._written: dict[str, BytesIO] = {}
        self._open: list[BytesIO | None] = []

    def open(self, name: str, mode: int) -> int:
        """A new handle, or -1 when a file to be read does not exist."""
        if mode in WRITE_MODES:
            file = self._written[name] = BytesIO()
        elif name in self._readable:
            file = BytesIO(self._readable[name])
        else:
            return FAILED
        self._open.append(file)
        return len(self._open) - 1

    def file(self, handle: int) -> BytesIO:
        """The open file of a handle. Raises RunnerError for a handle that is not open."""
        file = self._open[handle] if 0 <= handle < len(self._open) else None
        if file is None:
            raise RunnerError(f"the firmware used file handle {handle}, which is not open")
        return file

    def close(self, handle: int) -> int:
        """Ends the use of a handle; 0."""
        self.file(handle)
        self._open[handle] = None
        return 0

    def contents(self, name: str) -> bytes:
        """What was written to `name`; empty when it was never opened."""
        return self._written[name].getvalue() if name in self._written else b""


@dataclass
class Semihosting:
    """Executes calls against `files`; `exit_status` is None until the firmware exits."""

    files: MemoryFiles
    console: str = ""
    exit_status: int | None = None

    def call(self, memory: Memory, operation: int, arguments: int) -> int:
        """The value that the target gets in r0. Raises RunnerError for an unknown operation."""
        if operation == Operation.WRITE0:
            self.console += _text(memory, arguments)
            return 0
        if operation == Operation.EXIT_EXTENDED:
            self.exit_status = _words(memory, arguments, 2)[1]
            return 0
        if operation == Operation.OPEN:
            address, mode, length = _words(memory, arguments, 3)
            return self.files.open(bytes(memory.mem_read(address, length)).decode("ascii"), mode)
        if operation == Operation.CLOSE:
            return self.files.close(_words(memory, arguments, 1)[0])
        if operation == Operation.SEEK:
            handle, offset = _words(memory, arguments, 2)
            self.files.file(handle).seek(offset)
            return 0
        if operation in (Operation.READ, Operation.WRITE):
            return self._transfer(memory, operation, arguments)
        raise RunnerError(f"the firmware made the unknown semihosting call {operation:#x}")

    def _transfer(self, memory: Memory, operation: int, arguments: int) -> int:
        handle, address, size = _words(memory, arguments, 3)
        file = self.files.file(handle)
        if operation == Operation.READ:
            content = file.read(size)
            memory.mem_write(address, content)
            return size - len(content)
        return size - file.write(memory.mem_read(address, size))


def _words(memory: Memory, address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", memory.mem_read(address, 4 * count))


def _text(memory: Memory, address: int) -> str:
    text = bytearray()
    while (byte := memory.mem_read(address + len(text), 1)[0]) != 0:
        text.append(byte)
    return text.decode("ascii", "replace")
