"""A UARTE as its driver sees it: EasyDMA between the line and RAM.

Offsets: mdk/nrf52840.h of NordicSemiconductor/nrfx; rules: nRF52 product specifications, UARTE.
"""

from __future__ import annotations

from collections import deque

from unicorn import Uc

from tqs_edge.firmware.board import Board

STARTRX, STARTTX, ENDRX, ENDTX, ENABLE, BAUDRATE = 0x000, 0x008, 0x110, 0x120, 0x500, 0x524
PSEL_TXD, PSEL_RXD = 0x50C, 0x514
RXD_PTR, RXD_MAXCNT, TXD_PTR, TXD_MAXCNT = 0x534, 0x538, 0x544, 0x548
BAUD_115200, ENABLED = 0x01D60000, 8
MOST = 255  # of nRF52832; later parts count to 65535


class Uarte:
    """A Peripheral. A transfer ends when its event is looked at for the second time, and takes what
    lies in RAM then: a buffer that is used again too early shows.
    """

    def __init__(self, board: Board, pins: tuple[int, int]) -> None:
        """pins: what PSEL.TXD and PSEL.RXD must select"""
        self._ram = range(board.ram_origin, board.ram_origin + board.ram_bytes)
        self._pins = pins
        self.arrived: deque[int] = deque()
        self.sent = bytearray()
        self.violations: list[str] = []
        self._written: dict[int, int] = {}
        self._receiving: tuple[int, int] | None = None  # where the next byte goes, how many
        self._sending: tuple[int, int] | None = None
        self._looks = 0  # at ENDTX while sending

    @property
    def ready(self) -> bool:
        """Whether the driver has enabled the port for the board's pins and baud rate."""
        wanted = {PSEL_TXD: self._pins[0], PSEL_RXD: self._pins[1], BAUDRATE: BAUD_115200}
        return all(self._written.get(at) == value for at, value in wanted.items()) and (
            self._written.get(ENABLE) == ENABLED
        )

    def read(self, at: int, uc: Uc) -> int:
        if at == ENDRX and self._receiving is not None and self.arrived:
            address, left = self._receiving
            uc.mem_write(address, bytes([self.arrived.popleft()]))
            self._receiving = (address + 1, left - 1) if left > 1 else None
            self._written[ENDRX] = int(left == 1)
        if at == ENDTX and self._sending is not None:
            self._looks += 1
            if self._looks > 1:
                self.sent += uc.mem_read(*self._sending)
                self._sending = None
                self._written[ENDTX] = 1
        return self._written.get(at, 0)

    def write(self, at: int, value: int, uc: Uc) -> None:
        if at in (STARTRX, STARTTX):
            if not self.ready:
                self.violations.append(f"task {at:#x} before the port was set up")
            if (self._receiving and at == STARTRX) or (self._sending and at == STARTTX):
                self.violations.append(f"task {at:#x} during a transfer")
            event = ENDRX if at == STARTRX else ENDTX
            if self._written.get(event):
                self.violations.append(f"task {at:#x} with its event still set")
            if at == STARTRX:
                self._receiving = self._buffer(RXD_PTR, RXD_MAXCNT)
            else:
                self._sending, self._looks = self._buffer(TXD_PTR, TXD_MAXCNT), 0
        else:
            self._written[at] = value

    def _buffer(self, pointer: int, count: int) -> tuple[int, int]:
        """(address, bytes) of a transfer."""
        address, size = self._written.get(pointer, 0), self._written.get(count, 0)
        if not 0 < size <= MOST or address not in self._ram or address + size - 1 not in self._ram:
            self.violations.append(f"transfer of {size} bytes at {address:#010x}")
        return address, size
