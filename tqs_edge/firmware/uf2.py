"""UF2, the format of boot loaders that show up as a USB drive (github.com/microsoft/uf2)."""

from __future__ import annotations

import struct

from tqs_edge.firmware.elf import ElfImage
from tqs_edge.firmware.image import ERASED

MAGIC = (0x0A324655, 0x9E5D5157)
MAGIC_END = 0x0AB16F30
FAMILY_ID_PRESENT = 0x00002000
PAGE_BYTES = 256  # payload of a block: RP2040 and RP2350 accept whole flash pages only
DATA_BYTES = 476


def uf2_image(image: ElfImage, family: int) -> bytes:
    """The flash content as blocks of one 256-byte page each, for the chips of `family`.

    What a page holds beside the firmware is erased flash.
    """
    pages: dict[int, bytearray] = {}
    for segment in image.segments:
        for at, byte in enumerate(segment.content, start=segment.address):
            page = pages.setdefault(at - at % PAGE_BYTES, bytearray([ERASED]) * PAGE_BYTES)
            page[at % PAGE_BYTES] = byte
    blocks = [
        _block(number, len(pages), address, bytes(pages[address]), family)
        for number, address in enumerate(sorted(pages))
    ]
    return b"".join(blocks)


def _block(number: int, count: int, address: int, page: bytes, family: int) -> bytes:
    head = (*MAGIC, FAMILY_ID_PRESENT, address, PAGE_BYTES, number, count, family)
    return struct.pack(f"<8I{DATA_BYTES}sI", *head, page, MAGIC_END)
