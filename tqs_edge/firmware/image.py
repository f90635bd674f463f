"""Flash images from an ELF file: raw binary and Intel HEX, without any binutils."""

from __future__ import annotations

from io import StringIO

from intelhex import IntelHex

from tqs_edge.errors import BuildError
from tqs_edge.firmware.elf import ElfImage

ERASED = 0xFF  # what flash holds where nothing is programmed


def binary_image(image: ElfImage) -> bytes:
    """The flash content from the lowest loaded address on; gaps are erased flash.

    Raises BuildError when nothing is loaded or two segments overlap.
    """
    segments = sorted(image.segments, key=lambda segment: segment.address)
    if not segments:
        raise BuildError("the firmware has nothing to load; the linker dropped the vector table")
    content = bytearray()
    origin = segments[0].address
    for segment in segments:
        gap = segment.address - origin - len(content)
        if gap < 0:
            raise BuildError(f"two segments of the firmware overlap at {segment.address:#x}")
        content += bytes([ERASED]) * gap + segment.content
    return bytes(content)


def hex_image(image: ElfImage) -> str:
    """The loaded bytes as Intel HEX text with line ends "\\n"."""
    records = IntelHex()
    for segment in image.segments:
        records.puts(segment.address, segment.content)
    text = StringIO()
    records.write_hex_file(text, write_start_addr=False, eolstyle="native")
    return text.getvalue().replace("\r\n", "\n")
