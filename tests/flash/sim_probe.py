"""A debug probe without hardware: an ADIv5 debug port with an AHB-AP in front of a SimChip.

pyOCD's discovery, flash loader and the part's real flash algorithm run unmodified against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyocd.core.exceptions import ProbeDisconnected
from pyocd.probe.debug_probe import DebugProbe

from tests.flash.sim_chip import ROM_TABLE, SimChip

DP_CTRL_STAT, DP_SELECT = 4, 8
CSW, TAR, DRW, BASE, IDR = 0x00, 0x04, 0x0C, 0xF8, 0xFC
AHB_AP, CTRL_AP = 0, 1
UNPROTECTED = 0x0C  # of the CTRL-AP


class SimProbe(DebugProbe):  # type: ignore[misc]
    """`lose_after`: the operations after which the USB cable is pulled; None never."""

    description = "simulated probe"
    vendor_name = "test"
    product_name = "simulated"
    supported_wire_protocols = (DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD)
    wire_protocol = DebugProbe.Protocol.SWD
    capabilities = frozenset({DebugProbe.Capability.SWJ_SEQUENCE})

    def __init__(self, chip: SimChip, name: str = "SIM0", lose_after: int | None = None) -> None:
        super().__init__()
        self.chip, self._name, self.lose_after = chip, name, lose_after
        self.operations = 0
        self.before_operation: Callable[[], None] = lambda: None
        self._open = False
        self._select = self._ctrl = self._tar = 0
        self._csw = 0x23000052

    @property
    def unique_id(self) -> str:
        return self._name

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        self._open = True

    def close(self) -> None:
        self._open = False

    def connect(self, protocol: object = None) -> None: ...

    def disconnect(self) -> None: ...

    def swj_sequence(self, length: int, bits: int) -> None: ...

    def set_clock(self, frequency: float) -> None: ...

    def flush(self) -> None: ...

    def reset(self) -> None:
        self.chip.reset()

    def assert_reset(self, asserted: bool) -> None:
        if not asserted:
            self.chip.reset()

    def is_reset_asserted(self) -> bool:
        return False

    def _count(self) -> None:
        self.before_operation()
        self.operations += 1
        if self.lose_after is not None and self.operations > self.lose_after:
            raise ProbeDisconnected("the probe was unplugged")

    def read_dp(self, addr: int, now: bool = True) -> Any:
        self._count()
        powered = self._ctrl | (self._ctrl & 0x50000000) << 1
        return _later({0: 0x2BA01477, DP_CTRL_STAT: powered}.get(addr, 0), now)

    def write_dp(self, addr: int, data: int) -> None:
        self._count()
        if addr == DP_CTRL_STAT:
            self._ctrl = data & 0x5FFFFFFF  # the acknowledge bits are made in read_dp
        elif addr == DP_SELECT:
            self._select = data

    def _register(self, addr: int) -> tuple[int, int]:
        return self._select >> 24 & 0xFF, (self._select & 0xF0) | (addr & 0xC)

    def _next_address(self) -> tuple[int, int]:
        """(address, bytes) of this transfer; the address advances where CSW says so."""
        address, size = self._tar, 1 << (self._csw & 7)
        if self._csw & 0x30:
            self._tar += size
        return address, size

    def _read(self, addr: int) -> int:
        self._count()
        port, register = self._register(addr)
        if port == CTRL_AP:
            return {IDR: 0x02880000, UNPROTECTED: 1}.get(register, 0)
        if port != AHB_AP:
            return 0
        if register == DRW:
            return self.chip.read_word(self._next_address()[0])
        words = {IDR: 0x24770011, BASE: ROM_TABLE | 3, CSW: self._csw, TAR: self._tar}
        return words.get(register, 0)

    def read_ap(self, addr: int, now: bool = True) -> Any:
        return _later(self._read(addr), now)

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        return _later([self._read(addr) for _ in range(count)], now)

    def write_ap(self, addr: int, data: int) -> None:
        self._count()
        port, register = self._register(addr)
        if port != AHB_AP:
            return
        if register == CSW:
            self._csw = data | 0x40
        elif register == TAR:
            self._tar = data
        elif register == DRW:
            address, size = self._next_address()
            self.chip.write(address, data, size)

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        for value in values:
            self.write_ap(addr, value)


def _later(value: Any, now: bool) -> Any:
    return value if now else lambda: value
