"""Where machine code calls a function: the offsets behind each call, by kind of instructions."""

from __future__ import annotations

import numpy as np

from tqs_edge.errors import RunnerError


def behind_calls(kind: str, code: bytes, target: int) -> list[int]:
    """Offsets in `code` to which calls of offset `target` return.

    kind: "thumb", "arm", "aarch64" or "riscv"
    Raises RunnerError for another kind.
    """
    if kind not in READERS:
        raise RunnerError(f"calls in {kind} code are not known; run without counting")
    offsets, destinations, sizes = READERS[kind](code)
    return [int(at) for at in (offsets + sizes)[destinations == target]]


Calls = tuple[np.ndarray, np.ndarray, np.ndarray]  # offset, destination, bytes of each call


def _thumb(code: bytes) -> Calls:
    """BL, encoding T1."""
    halves = _words(code, 2)
    first, second = halves[:-1], halves[1:]
    sign = (first >> 10) & 1
    i1, i2 = (1 - (((second >> bit) & 1) ^ sign) for bit in (13, 11))
    offset = (i1 << 23) | (i2 << 22) | ((first & 0x3FF) << 12) | ((second & 0x7FF) << 1)
    at = 2 * np.arange(len(first))
    is_call = ((first & 0xF800) == 0xF000) & ((second & 0xD000) == 0xD000)
    return _found(at, at + 4 + offset - (sign << 24), 4, is_call)


def _arm(code: bytes) -> Calls:
    """BL, executed always."""
    words = _words(code, 4)
    at = 4 * np.arange(len(words))
    return _found(at, at + 8 + 4 * _signed(words, 24), 4, (words >> 24) == 0xEB)


def _aarch64(code: bytes) -> Calls:
    """BL."""
    words = _words(code, 4)
    at = 4 * np.arange(len(words))
    return _found(at, at + 4 * _signed(words, 26), 4, (words >> 26) == 0x25)


def _riscv(code: bytes) -> Calls:
    """JAL and C.JAL to ra, and AUIPC with the JALR to ra that follows it."""
    halves = _words(code, 2)
    half = np.concatenate([halves, np.zeros(4, np.int64)])
    at = 2 * np.arange(len(halves))
    word, after = (half[i:][: len(at)] | half[i + 1 :][: len(at)] << 16 for i in (0, 2))
    jal = (
        (word >> 31 << 20)
        | (word >> 12 & 0xFF) << 12
        | (word >> 20 & 1) << 11
        | (word >> 21 & 0x3FF) << 1
    )
    short = word & 0xFFFF
    c_jal = sum(((short >> source & 1) << to for source, to in _C_JAL_BITS), np.zeros_like(short))
    far = (word & ~0xFFF) + _signed(after >> 20, 12)
    is_pair = ((word & 0x7F) == 0x17) & ((after & 0xFFFFF) == (0x80E7 | (word >> 7 & 31) << 15))
    found = (
        _found(at, at + _signed(jal, 21), 4, (word & 0xFFF) == 0x0EF),
        _found(at, at + _signed(c_jal, 12), 2, (short & 0xE003) == 0x2001),
        _found(at, at + _signed(far, 32), 8, is_pair),
    )
    offsets, destinations, sizes = (np.concatenate(column) for column in zip(*found, strict=True))
    return offsets, destinations, sizes


# Bits of the instruction C.JAL and those of its offset (RISC-V specification, CJ format).
_C_JAL_BITS = (
    *((12, 11), (11, 4), (10, 9), (9, 8), (8, 10), (7, 6)),
    *((6, 7), (5, 3), (4, 2), (3, 1), (2, 5)),
)

READERS = {"thumb": _thumb, "arm": _arm, "aarch64": _aarch64, "riscv": _riscv}


def _words(code: bytes, size: int) -> np.ndarray:
    return np.frombuffer(code[: len(code) // size * size], f"<u{size}").astype(np.int64)


def _signed(values: np.ndarray, bits: int) -> np.ndarray:
    """The lowest `bits` bits as a signed number."""
    low = values & ((1 << bits) - 1)
    return low - (low >> (bits - 1) << bits)


def _found(at: np.ndarray, destinations: np.ndarray, size: int, chosen: np.ndarray) -> Calls:
    return at[chosen], destinations[chosen], np.full(int(chosen.sum()), size)
