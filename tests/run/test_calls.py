"""Calls in the code of every core are found; the encoders follow the specifications."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tqs_edge.errors import RunnerError
from tqs_edge.run.calls import behind_calls


def arm(at: int, to: int) -> bytes:
    return struct.pack("<I", 0xEB000000 | (to - at - 8) >> 2 & 0xFFFFFF)


def aarch64(at: int, to: int) -> bytes:
    return struct.pack("<I", 0x94000000 | (to - at) >> 2 & 0x3FFFFFF)


def bits(value: int, high: int, low: int) -> int:
    return value >> low & (1 << high - low + 1) - 1


def jal(at: int, to: int) -> bytes:
    """imm[20|10:1|11|19:12] rd opcode."""
    offset = to - at
    fields = (bits(offset, 20, 20), bits(offset, 10, 1), bits(offset, 11, 11), bits(offset, 19, 12))
    word = fields[0] << 31 | fields[1] << 21 | fields[2] << 20 | fields[3] << 12 | 1 << 7 | 0x6F
    return struct.pack("<I", word)


def c_jal(at: int, to: int) -> bytes:
    """001 imm[11|4|9:8|10|6|7|3:1|5] 01."""
    word, position = 0b001 << 13 | 0b01, 12
    for high, low in ((11, 11), (4, 4), (9, 8), (10, 10), (6, 6), (7, 7), (3, 1), (5, 5)):
        position -= high - low
        word |= bits(to - at, high, low) << position
        position -= 1
    return struct.pack("<H", word)


def far(at: int, to: int) -> bytes:
    """auipc ra, %hi; jalr ra, %lo(ra)."""
    offset = to - at
    high = offset + 0x800 & 0xFFFFF000
    low = offset - high & 0xFFF
    return struct.pack("<2I", high | 1 << 7 | 0x17, low << 20 | 1 << 15 | 1 << 7 | 0x67)


ENCODERS = [
    ("arm", arm, 1 << 25, 4),
    ("aarch64", aarch64, 1 << 27, 4),
    ("riscv", jal, 1 << 20, 2),
    ("riscv", c_jal, 1 << 11, 2),
    ("riscv", far, 1 << 30, 2),
]


@pytest.mark.parametrize(("kind", "encode", "reach", "step"), ENCODERS)
def test_a_call_is_found_wherever_it_leads(
    kind: str, encode: Callable[[int, int], bytes], reach: int, step: int
) -> None:
    @settings(max_examples=60)
    @given(st.integers(-reach // step // 2, reach // step // 2 - 16))
    def found(distance: int) -> None:
        before = bytes(8)
        target = 8 + distance * step
        call = encode(8, target)
        code = before + call + bytes(8)
        assert behind_calls(kind, code, target) == [8 + len(call)]
        assert behind_calls(kind, code, target + step) == []

    found()


def test_code_of_an_unknown_core_is_not_counted() -> None:
    with pytest.raises(RunnerError, match="calls in EM_MIPS code are not known"):
        behind_calls("EM_MIPS", bytes(8), 0)
