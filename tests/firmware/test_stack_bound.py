"""The stack by the machine code is never below what a simulator measures, and close to it."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tests.firmware.toy_models import toy_bundle
from tests.passes.nonlinear_models import attention
from tests.passes.small_models import Case, gru, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.elf import ElfImage, Section, Symbol
from tqs_edge.firmware.stack_bound import stack_bound, stack_of
from tqs_edge.firmware.thumb import StackUnknown
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.passes.lower import lower
from tqs_edge.run.runner import run

COMPILERS = [
    pytest.param("gcc", marks=pytest.mark.arm),
    pytest.param("zig", marks=pytest.mark.zig),
]
# The bytes of a way through a kernel that no block of rows is large enough for; on MVE, loops of
# few words keep less on the stack than the one for any depth.
NOT_TAKEN = {"gru": 8, "attention": 96}


@functools.cache
def emitted(model: str) -> tuple[Case, SourceBundle]:
    case = make_case({"gru": gru, "attention": attention}[model]())
    return case, emit(lower(case.module, case.program), case.program, case.model, "0123abcd")


@pytest.mark.qemu
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("board", ["arduino-zero", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("model", ["gru", "attention"])
def test_measured_stack_is_within_the_bound(
    model: str, board: str, compiler: str, tmp_path: Path
) -> None:
    case, bundle = emitted(model)
    firmware = build(bundle, load_board(board), find_toolchain(compiler), tmp_path)
    measured = run(firmware, case.contexts, 9, runner="qemu").stack_bytes
    bound = stack_bound(firmware.elf)
    assert bound.reason == ""
    assert bound.firmware is not None and bound.step is not None and measured is not None
    assert measured <= bound.firmware <= measured + NOT_TAKEN[model]
    assert 0 < bound.step < bound.firmware


@pytest.mark.cortex_a
def test_other_cores_have_none(tmp_path: Path) -> None:
    board = load_board("raspberry-pi-4")
    firmware = build(toy_bundle(), board, find_toolchain("gcc", board.core), tmp_path)
    bound = stack_bound(firmware.elf)
    assert (bound.firmware, bound.step, bound.reason) == (None, None, "not for aarch64 code")


def code(*halfwords: int) -> ElfImage:
    """A function f of these halfwords."""
    content = b"".join(word.to_bytes(2, "little") for word in halfwords)
    section = Section(".text", 0x100, len(content), content)
    return ElfImage((section,), (Symbol("f", 0x100, len(content), True),), ())


BX_LR = 0x4770


@pytest.mark.parametrize(
    ("halfwords", "most"),
    [
        ((BX_LR,), 0),
        ((0xB5F0, 0xBDF0), 20),  # push {r4-r7, lr}; pop
        ((0xE92D, 0x4FF0, 0xE8BD, 0x8FF0), 36),
        ((0xED2D, 0x8B10, 0xECBD, 0x8B10, BX_LR), 64),  # vpush {d8-d15}
        ((0xB084, 0xB004, BX_LR), 16),  # sub sp, #16; add
        ((0xF5AD, 0x7D00, 0xF50D, 0x7D00, BX_LR), 512),  # sub.w sp, #512; add.w
        ((0xF6AD, 0x7D08, 0xF60D, 0x7D08, BX_LR), 3848),  # subw sp, #0xf08; addw
        ((0xF84D, 0xED08, 0xF85D, 0xFB08), 8),  # str lr, [sp, #-8]!; ldr pc, [sp], #8
        ((0xE96D, 0x4504, 0xE8FD, 0x4504, BX_LR), 16),  # strd r4, r5, [sp, #-16]!; ldrd
        ((0x4C01, 0x44A5, 0xE7FE, 0xBF00, 0xF800, 0xFFFF), 2048),  # ldr r4, =-2048; add sp, r4
        ((0xB1A0, 0xB510, 0xBD10), None),  # cbz to beyond the image
        ((0xB108, 0xB5F0, 0xBDF0, BX_LR), 20),  # a push on one way only
        ((0xB510, 0xBF08, 0xBD10, 0xB0FF, 0xB07F, 0xBD10), 516),  # it eq; popeq; sub sp, #508
        ((0xB510, 0xF000, 0xF801, 0xBD10, 0xB5F0, 0xBDF0), 28),  # bl, a far jump
        ((0xB510, 0xF7FF, 0xFFFD, 0xBD10), None),  # recursion
        ((0x4718,), None),  # bx r3
        ((0x4697, BX_LR), None),  # mov pc, r2
        ((0x4798, BX_LR), None),  # blx r3
        ((0xE8D0, 0xF000), None),  # tbb
        ((0x4685, BX_LR), None),  # mov sp, r0
        ((0xED2D, 0x1F04, BX_LR), None),  # vstrw.32 q0, [sp, #-16]!
        ((0xECAD, 0x4F04, BX_LR), 0),  # vstrh.32 q2, [r5], #8
        ((0xB510, 0xF00F, 0xC803, BX_LR), None),  # le over a push
        ((0xB510, 0xE7FD), None),  # a loop that pushes
    ],
)
def test_instructions_are_followed(halfwords: tuple[int, ...], most: int | None) -> None:
    if most is None:
        with pytest.raises(StackUnknown):
            stack_of(code(*halfwords), "f")
    else:
        assert stack_of(code(*halfwords), "f") == most
