from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intelhex import IntelHex

from tqs_edge.errors import BuildError, InputError
from tqs_edge.firmware.elf import ElfImage, Segment, read_elf
from tqs_edge.firmware.image import binary_image, hex_image


def image_of(*segments: tuple[int, bytes]) -> ElfImage:
    return ElfImage((), (), tuple(Segment(address, content) for address, content in segments))


def test_gaps_are_erased_flash() -> None:
    assert binary_image(image_of((0x104, b"cd"), (0x100, b"ab"))) == b"ab\xff\xffcd"


def test_overlapping_segments_are_refused() -> None:
    with pytest.raises(BuildError, match="overlap at 0x101"):
        binary_image(image_of((0x100, b"ab"), (0x101, b"c")))


def test_nothing_to_load_is_refused() -> None:
    with pytest.raises(BuildError, match="nothing to load"):
        binary_image(image_of())


@given(
    origin=st.integers(0, 2**32 - 2**17),
    gap=st.integers(0, 70_000),
    first=st.binary(min_size=1, max_size=200),
    second=st.binary(min_size=1, max_size=200),
)
def test_hex_round_trip_gives_the_binary(
    origin: int, gap: int, first: bytes, second: bytes
) -> None:
    image = image_of((origin, first), (origin + len(first) + gap, second))
    text = hex_image(image)
    assert text.endswith(":00000001FF\n") and "\r" not in text
    records = IntelHex(StringIO(text))
    assert records.tobinstr() == binary_image(image)
    assert records.minaddr() == origin


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"not an ELF file at all"])
def test_a_damaged_elf_is_an_input_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "firmware.elf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"firmware\.elf is not a readable ELF file"):
        read_elf(path)
