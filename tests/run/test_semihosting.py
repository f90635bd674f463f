from __future__ import annotations

import struct

import pytest

from tqs_edge.errors import RunnerError
from tqs_edge.run.semihosting import MemoryFiles, Operation, Semihosting

ARGUMENTS, NAME, BUFFER = 0, 64, 128
READ_MODE, WRITE_MODE = 1, 5


class FlatMemory:
    """256 bytes of target memory."""

    def __init__(self) -> None:
        self.content = bytearray(256)

    def mem_read(self, address: int, size: int) -> bytearray:
        return self.content[address : address + size]

    def mem_write(self, address: int, data: bytes) -> None:
        self.content[address : address + len(data)] = data


class Target:
    """Makes semihosting calls the way targets/common/semihost.c does."""

    def __init__(self, **files: bytes) -> None:
        self.memory = FlatMemory()
        self.semihosting = Semihosting(MemoryFiles(files))

    def call(self, operation: int, *arguments: int) -> int:
        self.memory.mem_write(ARGUMENTS, struct.pack(f"<{len(arguments)}I", *arguments))
        return self.semihosting.call(self.memory, operation, ARGUMENTS)

    def open(self, name: str, mode: int) -> int:
        self.memory.mem_write(NAME, name.encode())
        return self.call(Operation.OPEN, NAME, mode, len(name))


def test_reads_return_the_bytes_that_are_missing() -> None:
    target = Target(data=b"abcdef")
    file = target.open("data", READ_MODE)
    assert target.call(Operation.READ, file, BUFFER, 4) == 0
    assert target.call(Operation.READ, file, BUFFER + 4, 4) == 2
    assert target.memory.mem_read(BUFFER, 6) == b"abcdef"


def test_two_handles_of_one_file_have_their_own_positions() -> None:
    target = Target(data=b"abcdef")
    first, second = target.open("data", READ_MODE), target.open("data", READ_MODE)
    assert target.call(Operation.SEEK, second, 4) == 0
    target.call(Operation.READ, first, BUFFER, 2)
    target.call(Operation.READ, second, BUFFER + 2, 2)
    assert target.memory.mem_read(BUFFER, 4) == b"abef"


def test_what_is_written_can_be_had_after_closing() -> None:
    target = Target()
    file = target.open("out", WRITE_MODE)
    target.memory.mem_write(BUFFER, b"frames")
    assert target.call(Operation.WRITE, file, BUFFER, 6) == 0
    assert target.call(Operation.CLOSE, file) == 0
    assert target.semihosting.files.contents("out") == b"frames"
    assert target.semihosting.files.contents("other") == b""


def test_opening_a_missing_file_fails() -> None:
    assert Target().open("data", READ_MODE) == -1


def test_a_closed_handle_cannot_be_used() -> None:
    target = Target(data=b"abc")
    file = target.open("data", READ_MODE)
    target.call(Operation.CLOSE, file)
    with pytest.raises(RunnerError, match=f"file handle {file}, which is not open"):
        target.call(Operation.READ, file, BUFFER, 1)


def test_exit_status_and_console_are_kept() -> None:
    target = Target()
    target.memory.mem_write(BUFFER, b"FAULT\0")
    target.semihosting.call(target.memory, Operation.WRITE0, BUFFER)
    assert target.semihosting.exit_status is None
    target.call(Operation.EXIT_EXTENDED, 0x20026, 254)
    assert (target.semihosting.console, target.semihosting.exit_status) == ("FAULT", 254)


def test_an_unknown_operation_is_a_runner_error() -> None:
    with pytest.raises(RunnerError, match="unknown semihosting call 0x99"):
        Target().call(0x99)
