"""The host's side of semihosting against a core that only makes calls."""

from __future__ import annotations

import struct

import pytest

from tqs_edge.device.port import PortLost
from tqs_edge.device.semihosting import BKPT, SemihostingPort
from tqs_edge.run.semihosting import FAILED, Operation

PC, ARGUMENTS, NAME, BUFFER = 0x100, 0x200, 0x300, 0x400


class CallingCore:
    """Stands at a call from the start; what the call returns is in `returned`."""

    def __init__(self, operation: int, *arguments: int, name: bytes = b":tt") -> None:
        self.memory = bytearray(0x800)
        self.memory[PC : PC + 2] = BKPT
        self.memory[NAME : NAME + len(name)] = name
        struct.pack_into(f"<{len(arguments)}I", self.memory, ARGUMENTS, *arguments)
        self.registers = {"pc": PC, "r0": operation, "r1": ARGUMENTS}
        self.returned: int | None = None

    def is_halted(self) -> bool:
        return self.returned is None

    def register(self, name: str) -> int:
        return self.registers[name]

    def resume_at(self, pc: int, r0: int) -> None:
        assert pc == PC + 2
        self.returned = r0

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data


def port_on(core: CallingCore) -> SemihostingPort:
    return SemihostingPort(core, lambda: None)


def test_output_arrives_at_once() -> None:
    core = CallingCore(Operation.WRITE, 2, BUFFER, 4)
    core.write(BUFFER, b"a\0b\xff")
    assert port_on(core).read(0.0) == b"a\0b\xff" and core.returned == 0


def test_a_call_for_input_waits_until_there_is_some() -> None:
    core = CallingCore(Operation.READ, 1, BUFFER, 3)
    port = port_on(core)
    assert port.read(0.01) == b"" and core.returned is None
    port.write(b"12345")
    assert port.read(0.0) == b"" and core.returned == 0
    assert core.read(BUFFER, 4) == b"123\0"
    core.returned = None  # the next call
    port.read(0.0)
    assert core.returned == 1 and core.read(BUFFER, 3) == b"453"


@pytest.mark.parametrize(
    ("mode", "name", "handle"),
    [(0, b":tt", 1), (1, b":tt", 1), (4, b":tt", 2), (5, b":tt", 2), (0, b"rollout.in", -1)],
)
def test_only_the_console_can_be_opened(mode: int, name: bytes, handle: int) -> None:
    core = CallingCore(Operation.OPEN, NAME, mode, len(name), name=name)
    port_on(core).read(0.0)
    assert core.returned == handle & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [(Operation.EXIT_EXTENDED, (0x20026, 1)), (Operation.WRITE, (1, BUFFER, 4)), (0x77, ())],
)
def test_other_calls_fail(operation: int, arguments: tuple[int, ...]) -> None:
    core = CallingCore(operation, *arguments)
    assert port_on(core).read(0.0) == b"" and core.returned == FAILED & 0xFFFFFFFF


def test_a_core_that_stands_elsewhere_is_lost() -> None:
    core = CallingCore(Operation.READ)
    core.write(PC, b"\x00\xbe")  # BKPT 0: somebody's breakpoint
    with pytest.raises(PortLost, match="stands at 0x00000100, which is no semihosting call"):
        port_on(core).read(0.0)
