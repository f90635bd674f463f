"""Flash contents as files: reading what is to be written, saving what was there."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from intelhex import IntelHex, IntelHexError

from tqs_edge.artifacts import write_text
from tqs_edge.errors import InputError
from tqs_edge.firmware.elf import Segment
from tqs_edge.firmware.image import ERASED


def read_hex(path: Path) -> tuple[Segment, ...]:
    """The contents of an Intel HEX file by address. Raises InputError where it is none."""
    if path.suffix.lower() != ".hex":
        raise InputError(f"'{path}': only .hex files can be written; they carry their addresses")
    try:
        content = IntelHex(str(path))
    except (OSError, IntelHexError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read as Intel HEX: {error}") from None
    segments = tuple(
        Segment(begin, content.tobinstr(start=begin, size=end - begin))
        for begin, end in content.segments()
    )
    if not segments:
        raise InputError(f"'{path}' holds no data; make it anew")
    return segments


def save_backup(path: Path, origin: int, content: bytes) -> int:
    """Writes what a flash held as Intel HEX, erased bytes at its end left out; the bytes kept.

    Raises InputError where the place cannot be written.
    """
    kept = content.rstrip(bytes([ERASED])) or content[:1]
    records = IntelHex()
    records.puts(origin, kept)
    text = StringIO()
    records.write_hex_file(text, write_start_addr=False, eolstyle="native")
    write_text(path, text.getvalue().replace("\r\n", "\n"))
    return len(kept)
