"""Thumb instructions as far as they move the stack pointer or the program counter.

Encodings: Armv7-M and Armv8-M Architecture Reference Manuals, "Instruction Set Encoding". Read
here, not by a disassembler, so that it needs no tool and knows the vector extension's lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tqs_edge.errors import TqsError

SP, LR, PC = 13, 14, 15
FRAME_POINTER = 7
STACK_ALIGNMENT = 8
ANYWHERE = -1  # the target of a call through a register

Read = Callable[[int], int]  # the halfword at an address


class StackUnknown(TqsError):
    """The machine code does what has no bound that can be read off it: the text says where."""


@dataclass(frozen=True)
class Instruction:
    """flow: "next", "branch" (or falls through), "jump", "call" or "end"; a "return" ends too.

    grows: bytes by which the stack grows, below 0 where it shrinks
    loads: (register, value) where it loads a constant; aligns: where it clears low bits of one
    conditional: how many instructions after it are
    """

    size: int
    flow: str = "next"
    target: int = 0
    grows: int = 0
    loads: tuple[int, int] = (-1, 0)
    restores: int = -1
    aligns: tuple[int, int] = (-1, 0)
    conditional: int = 0


def decode(read: Read, at: int, before: Instruction | None) -> Instruction:
    """The instruction at `at`, which `before` precedes.

    Raises StackUnknown for jumps and frames of a size that is only known when it runs.
    """
    first = read(at)
    if first >> 11 < 0b11101:
        return _sp_narrow(read, at, first, before) or _flow_narrow(at, first)
    second = read(at + 2)
    return (
        _flow_wide(at, first, second)
        or _immediate_wide(first, second, before)
        or _memory_wide(at, first, second)
        or Instruction(4)
    )


def _sp_narrow(read: Read, at: int, code: int, before: Instruction | None) -> Instruction | None:
    register = code >> 3 & 15
    if code & 0xFE00 == 0xB400:  # push
        return Instruction(2, grows=4 * (code & 0x1FF).bit_count())
    if code & 0xFE00 == 0xBC00:  # pop
        flow = "return" if code & 0x100 else "next"
        return Instruction(2, flow, grows=-4 * (code & 0x1FF).bit_count())
    if code & 0xFF00 == 0xB000:  # add, sub sp, #imm
        size = 4 * (code & 0x7F)
        return Instruction(2, grows=size if code & 0x80 else -size)
    if code & 0xFF87 == 0x4485:  # add sp, r
        return Instruction(2, grows=-_constant(register, before, at))
    if code & 0xFF87 == 0x4685:  # mov sp, r
        return Instruction(2, grows=_moved(register, before, at))
    if code & 0xF800 == 0x4800:  # ldr r, =constant
        word = (at + 4 & ~3) + 4 * (code & 0xFF)
        value = read(word) | read(word + 2) << 16
        return Instruction(2, loads=(code >> 8 & 7, value - (value >> 31 << 32)))
    if code & 0xF800 == 0x2000:  # movs r, #imm
        return Instruction(2, loads=(code >> 8 & 7, code & 0xFF))
    if code & 0xF800 == 0 and before is not None and before.loads[0] == register & 7:  # lsls
        return Instruction(2, loads=(code & 7, before.loads[1] << (code >> 6 & 31)))
    if code & 0xFE00 == 0x1E00:  # subs r, r, #imm
        return Instruction(2, restores=code & 7)
    if code & 0xF800 == 0x3800:
        return Instruction(2, restores=code >> 8 & 7)
    return None


def _flow_narrow(at: int, code: int) -> Instruction:
    if code & 0xFF00 == 0xBF00 and code & 15:  # it
        mask = code & 15
        return Instruction(2, conditional=5 - (mask & -mask).bit_length())
    if code & 0xF500 == 0xB100:  # cbz, cbnz
        return Instruction(2, "branch", at + 4 + ((code >> 9 & 1) << 6 | (code >> 3 & 31) << 1))
    if code & 0xF000 == 0xD000 and code >> 8 & 15 < 14:
        return Instruction(2, "branch", at + 4 + 2 * _signed(code & 0xFF, 8))
    if code & 0xFF00 == 0xDE00:  # udf
        return Instruction(2, "end")
    if code & 0xF800 == 0xE000:
        return Instruction(2, "jump", at + 4 + 2 * _signed(code & 0x7FF, 11))
    if code & 0xFF87 in (0x4700, 0x4687) and code >> 3 & 15 == LR:  # bx lr, mov pc, lr
        return Instruction(2, "return")
    if code & 0xFF80 == 0x4780:  # blx r
        return Instruction(2, "call", ANYWHERE)
    if code & 0xFF00 == 0x4700 or code & 0xFF87 in (0x4487, 0x4687):
        raise StackUnknown(f"an indirect jump at {at:#x}")
    return Instruction(2)


def _flow_wide(at: int, first: int, second: int) -> Instruction | None:
    if first & 0xFFF0 == 0xE8D0 and second & 0xFFE0 == 0xF000:
        raise StackUnknown(f"a jump table at {at:#x}")
    if first & 0xF800 != 0xF000 or not second & 0x8000:
        return None
    if first & 0xFFF0 == 0xF7F0 and second & 0xF000 == 0xA000:  # udf
        return Instruction(4, "end")
    sign, j1, j2 = first >> 10 & 1, second >> 13 & 1, second >> 11 & 1
    if second & 0x1000:  # bl, b.w
        high = sign << 23 | (1 ^ j1 ^ sign) << 22 | (1 ^ j2 ^ sign) << 21
        offset = _signed(high | (first & 0x3FF) << 11 | second & 0x7FF, 24)
        return Instruction(4, "call" if second & 0x4000 else "jump", at + 4 + 2 * offset)
    if not second & 0x4000 and first >> 6 & 15 < 14:
        high = sign << 19 | j2 << 18 | j1 << 17
        offset = _signed(high | (first & 0x3F) << 11 | second & 0x7FF, 20)
        return Instruction(4, "branch", at + 4 + 2 * offset)
    if second & 0xF001 == 0xC001:  # le goes back, wls forward
        offset = (second >> 1 & 0x3FF) << 2 | (second >> 11 & 1) << 1
        return Instruction(4, "branch", at + 4 + (-offset if first & 15 == PC else offset))
    return Instruction(4)


def _immediate_wide(first: int, second: int, before: Instruction | None) -> Instruction | None:
    to, source = second >> 8 & 15, first & 15
    imm12 = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    if second & 0x8000:
        return None
    if first & 0xFFE0 == 0xEBA0 and to == SP:  # sub.w sp, sp, r
        return Instruction(4, grows=_constant(second & 15, before, source))
    if first & 0xFFE0 == 0xEB00 and to == SP:
        return Instruction(4, grows=-_constant(second & 15, before, source))
    if first & 0xFBF0 == 0xF240:  # movw
        return Instruction(4, loads=(to, source << 12 | imm12))
    if first & 0xFBEF == 0xF04F:  # mov.w
        return Instruction(4, loads=(to, _modified(imm12)))
    if first == 0xF36F:  # bfc
        return Instruction(4, aligns=(to, 2 << (second & 31)))
    plain = first & 0xFBF0 in (0xF200, 0xF2A0)
    if not plain and first & 0xFBE0 not in (0xF100, 0xF1A0):
        return None
    size = imm12 if plain else _modified(imm12)
    subtracts = first & 0xA0 == 0xA0
    if to != SP:
        return Instruction(4, restores=to if subtracts and source == FRAME_POINTER else -1)
    if source == SP:
        return Instruction(4, grows=size if subtracts else -size)
    if source == FRAME_POINTER:
        return Instruction(4)
    raise StackUnknown("the stack pointer is computed from another register")


def _memory_wide(at: int, first: int, second: int) -> Instruction | None:
    if first == 0xE92D:  # push.w
        return Instruction(4, grows=4 * second.bit_count())
    if first == 0xE8BD:  # pop.w
        flow = "return" if second & 0x8000 else "next"
        return Instruction(4, flow, grows=-4 * second.bit_count())
    if second & 0x0E00 == 0x0A00 and first & 0xFFBF in (0xED2D, 0xECBD):  # vpush, vpop
        size = 4 * (second & 0xFF)
        return Instruction(4, grows=size if first & 0xFFBF == 0xED2D else -size)
    if first in (0xF84D, 0xF85D) and second & 0x0900 == 0x0900:  # str, ldr that move sp
        size = second & 0xFF
        flow = "return" if first == 0xF85D and second >> 12 == PC else "next"
        return Instruction(4, flow, grows=-size if second & 0x0200 else size)
    if first & 0xFE6F == 0xE86D:  # strd, ldrd that move sp
        size = 4 * (second & 0xFF)
        return Instruction(4, grows=-size if first & 0x80 else size)
    moves_vector = first & 0xFE2F == 0xEC2D and second & 0x1E00 == 0x1E00
    loads_pointer = first & 0xFF70 == 0xF850 and second >> 12 in (SP, PC)
    loads_many = first & 0xFFD0 in (0xE890, 0xE910) and second & 0x8000
    if moves_vector or loads_pointer or loads_many:
        raise StackUnknown(f"a load or store at {at:#x} that moves the stack or jumps")
    return None


def _constant(register: int, before: Instruction | None, at: int) -> int:
    if before is None or before.loads[0] != register:
        raise StackUnknown(f"a frame whose size is computed, near {at:#x}")
    return before.loads[1]


def _moved(register: int, before: Instruction | None, at: int) -> int:
    """How much `mov sp, r` grows the stack: nothing where it takes a frame off."""
    if register == FRAME_POINTER or (before is not None and before.restores == register):
        return 0
    if before is not None and before.aligns[0] == register:
        return max(0, before.aligns[1] - STACK_ALIGNMENT)
    raise StackUnknown(f"a frame whose size is computed, near {at:#x}")


def _modified(imm12: int) -> int:
    """ThumbExpandImm of the manual."""
    value = imm12 & 0xFF
    if imm12 >> 10:
        value, turn = value & 0x7F | 0x80, imm12 >> 7
        return (value >> turn | value << (32 - turn)) & 0xFFFFFFFF
    return value * (1, 0x00010001, 0x01000100, 0x01010101)[imm12 >> 8]


def _signed(value: int, bits: int) -> int:
    return value - (value >> (bits - 1) << bits)
