"""What a firmware takes of the board's memories, read from its ELF file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tqs_edge.firmware.elf import ElfImage

DRIVER_SECTIONS = (".boot", ".vectors", ".image_def", ".driver")
FLASH_SECTIONS = (*DRIVER_SECTIONS, ".text", ".weights", ".rodata", ".data")


@dataclass(frozen=True)
class FirmwareSize:
    """Bytes by use. The linker has checked flash_bytes and ram_bytes against the board.

    flash_bytes: everything in flash = driver + code + weights + initial values of .data
    driver_bytes: vectors, start-up, semihosting and rollout driver: not part of a product
    code_bytes: model, kernels, their tables and compiler support, without weights
    weight_bytes: the constants of model_weights.c
    ram_bytes: everything in RAM = .data + .bss + the stack that is reserved
    symbols: bytes by symbol name of everything that is linked
    """

    flash_bytes: int
    driver_bytes: int
    code_bytes: int
    weight_bytes: int
    ram_bytes: int
    data_bytes: int
    bss_bytes: int
    stack_bytes: int
    symbols: Mapping[str, int]


def measure_size(image: ElfImage) -> FirmwareSize:
    """The sizes of a firmware linked with targets/cortex_m/sections.ld."""
    data, bss = image.section_bytes(".data"), image.section_bytes(".bss")
    stack = image.section_bytes(".stack")
    return FirmwareSize(
        flash_bytes=sum(image.section_bytes(name) for name in FLASH_SECTIONS),
        driver_bytes=sum(image.section_bytes(name) for name in DRIVER_SECTIONS),
        code_bytes=image.section_bytes(".text") + image.section_bytes(".rodata"),
        weight_bytes=image.section_bytes(".weights"),
        ram_bytes=data + bss + stack,
        data_bytes=data,
        bss_bytes=bss,
        stack_bytes=stack,
        symbols={symbol.name: symbol.size for symbol in image.symbols if symbol.size},
    )
