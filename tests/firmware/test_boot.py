"""What the ROMs of RP2040 and RP2350 want of an image, checked as those ROMs check it."""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path

import pytest

from tests.firmware.toy_models import toy_bundle
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.elf import read_elf
from tqs_edge.firmware.toolchain import find_toolchain

COMPILERS = [
    pytest.param("gcc", marks=pytest.mark.arm),
    pytest.param("zig", marks=pytest.mark.zig),
]
FLASH, RAM, SSI, PPB = 0x10000000, 0x20000000, 0x18000000, 0xE000E000
STAGE_AT = 0x20041F00  # where the ROM copies the second stage: the end of SRAM
STAGE_BYTES = 256
VTOR = 0xE000ED08
# SSI: off, clock divider 4, frames of 32 bits in EEPROM mode, command 03h with 24 address bits, on.
SSI_WRITES = [
    (0x08, 0),
    (0x14, 4),
    (0x00, 31 << 16 | 3 << 8),
    (0x04, 0),
    (0xF4, 0x03 << 24 | 2 << 8 | 6 << 2),
    (0x08, 1),
]


def crc32(content: bytes) -> int:
    """CRC-32 as the RP2040's ROM computes it: 0x04C11DB7, from all ones, not reflected."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if crc >> 31 else crc << 1
    return crc


def firmware_for(name: str, compiler: str, folder: Path) -> Firmware:
    return build(toy_bundle(), load_board(name), find_toolchain(compiler), folder)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_second_stage_of_rp2040_has_the_right_checksum(compiler: str, tmp_path: Path) -> None:
    content = firmware_for("raspberry-pi-pico", compiler, tmp_path).bin.read_bytes()
    stage, stored = content[: STAGE_BYTES - 4], content[STAGE_BYTES - 4 : STAGE_BYTES]
    assert crc32(b"123456789") == 0x0376E6E7  # the check value of CRC-32/MPEG-2
    assert int.from_bytes(stored, "little") == crc32(stage), hex(crc32(stage))


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.unicorn
def test_second_stage_of_rp2040_sets_up_flash_and_starts_the_firmware(
    compiler: str, tmp_path: Path
) -> None:
    firmware = firmware_for("raspberry-pi-pico", compiler, tmp_path)
    content, image = firmware.bin.read_bytes(), read_elf(firmware.elf)
    binding, arm = import_module("unicorn"), import_module("unicorn.arm_const")
    uc = binding.Uc(binding.UC_ARCH_ARM, binding.UC_MODE_THUMB | binding.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0)
    for origin, size in ((FLASH, 1 << 16), (RAM, 0x42000), (SSI, 0x1000), (PPB, 0x1000)):
        uc.mem_map(origin, size)
    uc.mem_write(FLASH, content)
    uc.mem_write(STAGE_AT, content[:STAGE_BYTES])
    writes: list[tuple[int, int]] = []
    uc.hook_add(
        binding.UC_HOOK_MEM_WRITE,
        lambda _uc, _kind, address, _size, value, _data: writes.append((address, value)),
    )
    reset = image.address_of("reset_handler")
    uc.emu_start(STAGE_AT | 1, reset, count=100)
    assert uc.reg_read(arm.UC_ARM_REG_PC) == reset
    assert uc.reg_read(arm.UC_ARM_REG_SP) == image.address_of("stack_top")
    vectors = FLASH + STAGE_BYTES
    assert image.address_of("vector_table") == vectors
    assert writes == [*((SSI + at, value) for at, value in SSI_WRITES), (VTOR, vectors)]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_image_of_rp2350_has_one_block_that_says_what_it_is(compiler: str, tmp_path: Path) -> None:
    firmware = firmware_for("raspberry-pi-pico-2", compiler, tmp_path)
    content, image = firmware.bin.read_bytes(), read_elf(firmware.elf)
    assert image.address_of("vector_table") == FLASH  # where the ROM looks without an entry point
    head = content[:4096]
    starts = [at for at in range(0, len(head), 4) if head[at : at + 4] == b"\xd3\xde\xff\xff"]
    assert len(starts) == 1 and starts[0] % 4 == 0
    words = struct.unpack_from("<5I", head, starts[0])
    item, size, value = words[1] & 0xFF, words[1] >> 8 & 0xFF, words[1] >> 16
    assert (item, size) == (0x42, 1)  # IMAGE_TYPE, one word
    assert (value & 0xF, value >> 4 & 3, value >> 8 & 7, value >> 12 & 7) == (1, 2, 0, 1)
    assert words[2] == 0xFF | 1 << 8  # the last item: one word of items before it
    assert words[3] == 0 and words[4] == 0xAB123579  # a loop of this block alone
