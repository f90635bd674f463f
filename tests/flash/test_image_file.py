from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tqs_edge.errors import InputError
from tqs_edge.firmware.elf import Segment
from tqs_edge.flash.image_file import read_hex, save_backup
from tqs_edge.flash.job import first_difference


@given(content=st.binary(min_size=1, max_size=300), origin=st.sampled_from([0, 0x08000000, 0xFFF0]))
def test_a_backup_is_read_back_as_it_was(content: bytes, origin: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "old.hex"
        kept = save_backup(path, origin, content)
        (segment,) = read_hex(path)
    assert segment.address == origin
    assert segment.content.ljust(len(content), b"\xff") == content
    assert kept == len(segment.content)


def test_an_erased_part_is_a_backup_too(tmp_path: Path) -> None:
    assert save_backup(tmp_path / "old.hex", 0, b"\xff" * 4096) == 1


@pytest.mark.parametrize("text", ["", ":00000001FF\n", "no hex at all", ":0100000041FF\n"])
def test_what_is_no_image_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.hex").write_text(text)
    with pytest.raises(InputError, match=r"holds no data|cannot be read as Intel HEX"):
        read_hex(tmp_path / "x.hex")


def test_differences_are_counted_and_the_first_is_named() -> None:
    segments = (Segment(0x100, b"abc"), Segment(0x200, b"de"))
    assert first_difference(segments, [b"abc", b"de"]) is None
    words = first_difference(segments, [b"abX", b"Xe"])
    assert words is not None and words.startswith("2 bytes differ")
    assert "0x00000102: wrote 0x63, read 0x58" in words
