"""A board's own image in Unicorn, its UART a model of the registers that the driver may touch."""

from __future__ import annotations

import struct
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn import arm_const as arm

from tqs_edge.firmware.board import Board
from tqs_edge.firmware.elf import read_elf

PAGE = 0x1000
SLICE = 20_000  # instructions between two looks of the host
PERIPHERALS = ((0x40000000, 0x10000000), (0x50000000, 0x10000000), (0xD0000000, 0x1000))
SYSTEM = (0xE0000000, 0x100000)


@dataclass(frozen=True)
class Registers:
    """Offsets of a UART, and what must be written before it works (offset -> value).

    status: offset, bits when a byte has come and when none has, bits while there is room to send
    """

    status: int
    received: int
    empty: int
    room: int
    receive: int
    send: int
    set_up: tuple[tuple[int, int], ...]


class UnicornBoard:
    """A Port whose other end is the firmware at `elf`, running while the host reads."""

    def __init__(self, board: Board, elf: Path, registers: Registers) -> None:
        assert board.uart is not None
        self.base, self.registers = board.uart.base, registers
        self.written: dict[int, int] = {}
        self._in: deque[int] = deque()
        self._out = bytearray()
        self.uc = uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(
            arm.UC_CPU_ARM_CORTEX_M0 if board.core.isa == "v6m" else arm.UC_CPU_ARM_CORTEX_M4
        )
        uc.mem_map(board.flash_origin & -PAGE, board.flash_bytes)
        uc.mem_map(board.ram_origin, -(-board.ram_bytes // PAGE) * PAGE)
        uart = self.base & -PAGE
        for begin, size in PERIPHERALS:
            self._map_around(begin, size, uart)
        uc.mem_map(*SYSTEM)
        uc.mmio_map(uart, PAGE, self._read, None, self._write, None)
        image = read_elf(elf)
        for segment in image.segments:
            uc.mem_write(segment.address, segment.content)
        vectors = uc.mem_read(image.address_of("vector_table"), 8)
        stack, self._pc = struct.unpack("<II", vectors)
        uc.reg_write(arm.UC_ARM_REG_SP, stack)

    def _map_around(self, begin: int, size: int, hole: int) -> None:
        if not begin <= hole < begin + size:
            self.uc.mem_map(begin, size)
            return
        for low, high in ((begin, hole), (hole + PAGE, begin + size)):
            if high > low:
                self.uc.mem_map(low, high - low)

    @property
    def ready(self) -> bool:
        return all(self.written.get(at) == value for at, value in self.registers.set_up)

    def _read(self, uc: Uc, offset: int, size: int, data: object) -> int:
        at = offset - self.base % PAGE
        if at == self.registers.status:
            return self.registers.room | (
                self.registers.received if self._in else self.registers.empty
            )
        if at == self.registers.receive and self._in:
            return self._in.popleft()
        return 0

    def _write(self, uc: Uc, offset: int, size: int, value: int, data: object) -> None:
        at = offset - self.base % PAGE
        if at == self.registers.send and self.ready:
            self._out.append(value & 0xFF)
        else:
            self.written[at] = value

    def read(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        while not self._out and time.monotonic() < deadline:
            self.uc.emu_start(self._pc | 1, 0xFFFFFFFE, count=SLICE)
            self._pc = self.uc.reg_read(arm.UC_ARM_REG_PC)
        sent, self._out = bytes(self._out), bytearray()
        return sent

    def write(self, data: bytes) -> None:
        self._in.extend(data)

    def close(self) -> None: ...
