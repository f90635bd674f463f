"""A board's own image in Unicorn, its UART a model of the registers that the driver may touch."""

from __future__ import annotations

import struct
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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


class Peripheral(Protocol):
    """A port's registers by offset. arrived: from the host; sent: to it; violations: what the
    driver must not do."""

    arrived: deque[int]
    sent: bytearray
    violations: list[str]

    @property
    def ready(self) -> bool: ...

    def read(self, at: int, uc: Uc) -> int: ...

    def write(self, at: int, value: int, uc: Uc) -> None: ...


class PolledUart:
    """A port whose bytes go through registers."""

    def __init__(self, registers: Registers) -> None:
        self.registers = registers
        self.arrived: deque[int] = deque()
        self.sent = bytearray()
        self.violations: list[str] = []
        self.written: dict[int, int] = {}  # in the order of first writes

    @property
    def ready(self) -> bool:
        return all(self.written.get(at) == value for at, value in self.registers.set_up)

    def read(self, at: int, uc: Uc) -> int:
        registers = self.registers
        if at == registers.status:
            return registers.room | (registers.received if self.arrived else registers.empty)
        return self.arrived.popleft() if at == registers.receive and self.arrived else 0

    def write(self, at: int, value: int, uc: Uc) -> None:
        if at == self.registers.send and self.ready:
            self.sent.append(value & 0xFF)
        else:
            self.written[at] = value


class UnicornBoard:
    """A Port whose other end is the firmware at `elf`, running while the host reads."""

    def __init__(self, board: Board, elf: Path, peripheral: Peripheral) -> None:
        assert board.uart is not None
        self.base, self.peripheral = board.uart.base, peripheral
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

    def _read(self, uc: Uc, offset: int, size: int, data: object) -> int:
        return self.peripheral.read(offset - self.base % PAGE, uc)

    def _write(self, uc: Uc, offset: int, size: int, value: int, data: object) -> None:
        self.peripheral.write(offset - self.base % PAGE, value, uc)

    def read(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        sent = self.peripheral.sent
        while not sent and time.monotonic() < deadline:
            self.uc.emu_start(self._pc | 1, 0xFFFFFFFE, count=SLICE)
            self._pc = self.uc.reg_read(arm.UC_ARM_REG_PC)
        answer = bytes(sent)
        sent.clear()
        return answer

    def write(self, data: bytes) -> None:
        self.peripheral.arrived.extend(data)

    def close(self) -> None: ...
