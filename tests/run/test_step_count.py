from __future__ import annotations

import struct

import pytest

from tqs_edge.errors import RunnerError
from tqs_edge.firmware.elf import ElfImage, Section, Symbol
from tqs_edge.run.step_count import Block, block_of, count_step, step_span

NOP, RETURN = "00bf", "7047"
WIDE_ADD = "02eb0300"  # add.w r0, r2, r3


def image(code: str, entry: int, size: int, base: int = 0x100) -> ElfImage:
    content = bytes.fromhex(code)
    section = Section(".text", base, len(content), content)
    symbols = (Symbol("tqs_model_step", entry, size, True),)
    return ElfImage((section,), symbols, ())


def branch_link(source: int, target: int) -> str:
    """Thumb BL, encoding T1, from the architecture manual."""
    offset = target - (source + 4)
    sign = int(offset < 0)
    i1, i2 = (offset >> 23) & 1, (offset >> 22) & 1
    first = 0xF000 | sign << 10 | (offset >> 12) & 0x3FF
    second = 0xD000 | (1 ^ i1 ^ sign) << 13 | (1 ^ i2 ^ sign) << 11 | (offset >> 1) & 0x7FF
    return struct.pack("<2H", first, second).hex()


@pytest.mark.parametrize("entry", [0x100, 0x200, 0x1FFFFE, 0xFFFF0])
def test_calls_are_found_in_both_directions(entry: int) -> None:
    base = 0x10000
    code = NOP + branch_link(base + 2, entry) + NOP + branch_link(base + 8, entry) + RETURN
    span = step_span(image(code, entry, 2, base))
    assert span.entry == entry
    assert span.returns == (base + 6, base + 12)


def test_calls_of_other_functions_are_not_taken() -> None:
    with pytest.raises(RunnerError, match="no call of tqs_model_step"):
        step_span(image(branch_link(0x100, 0x140) + RETURN, 0x150, 2))


def test_wide_instructions_count_once() -> None:
    code = NOP + WIDE_ADD + NOP + RETURN
    assert block_of(image(code, 0x100, 10), 0x100, 10) == Block(0x100, 4)
    assert block_of(image(code, 0x100, 10), 0x106, 4) == Block(0x106, 2)


def test_counts_are_means_over_the_calls() -> None:
    counted = count_step(
        image(NOP * 5, 0x100, 10), {Block(0x100, 4): 3, Block(0x106, 2): 5}, (12, 10)
    )
    assert counted.per_step == (4 * 3 + 2 * 5) / 2
    assert counted.by_function == {"tqs_model_step": 11.0}


def test_instructions_outside_of_functions_are_kept_apart() -> None:
    counted = count_step(
        image(NOP + NOP + RETURN, 0x100, 4), {Block(0x100, 2): 1, Block(0x104, 1): 1}, (3,)
    )
    assert counted.by_function == {"tqs_model_step": 2.0, "?": 1.0}


def test_a_model_that_was_never_called_cannot_be_counted() -> None:
    with pytest.raises(RunnerError, match="never called"):
        count_step(image(RETURN, 0x100, 2), {}, ())


def test_code_outside_of_the_firmware_is_a_runner_error() -> None:
    with pytest.raises(RunnerError, match="outside of the firmware"):
        block_of(image(RETURN, 0x100, 2), 0x2000_0000, 4)
