"""hex, bin and uf2 hold the bytes of the ELF: each is read back by a reader of its own."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from intelhex import IntelHex

from tests.firmware.toy_models import toy_bundle
from tqs_edge.firmware.board import board_names, load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain

NAMES = board_names()
UF2_NAMES = [name for name in NAMES if load_board(name).uf2_family is not None]


def elf_bytes(path: Path) -> dict[int, int]:
    """Every byte that the ELF loads, by address."""
    content = {}
    with path.open("rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            content |= dict(enumerate(segment.data(), start=segment["p_paddr"]))
    return content


def uf2_bytes(content: bytes, family: int) -> dict[int, int]:
    """Every byte that a UF2 file programs, by address; checks what the format demands."""
    assert content and len(content) % 512 == 0
    count, found = len(content) // 512, {}
    for number in range(count):
        block = content[512 * number : 512 * (number + 1)]
        magic0, magic1, flags, address, size, index, total, owner = struct.unpack("<8I", block[:32])
        assert (magic0, magic1) == (0x0A324655, 0x9E5D5157)
        assert block[508:] == bytes.fromhex("306fb10a")
        assert (flags, size, index, total, owner) == (0x2000, 256, number, count, family)
        assert address % 256 == 0 and address not in found
        found |= dict(enumerate(block[32 : 32 + size], start=address))
    return found


@pytest.mark.parametrize(
    ("name", "compiler"),
    [
        pytest.param("nucleo-g071rb", "gcc", marks=pytest.mark.arm),
        pytest.param("arduino-nano-33-ble", "gcc", marks=pytest.mark.arm),
        pytest.param("mps2-an505", "zig", marks=pytest.mark.zig),
        pytest.param("raspberry-pi-pico", "zig", marks=pytest.mark.zig),
        pytest.param("raspberry-pi-pico-2", "gcc", marks=pytest.mark.arm),
    ],
)
def test_every_format_holds_what_the_elf_loads(name: str, compiler: str, tmp_path: Path) -> None:
    board = load_board(name)
    firmware = build(toy_bundle(weights=700), board, find_toolchain(compiler), tmp_path)
    for stem in ("firmware", *(["device"] if firmware.has_link else [])):
        loaded = elf_bytes(tmp_path / f"{stem}.elf")
        records = IntelHex(str(tmp_path / f"{stem}.hex"))
        assert {address: records[address] for address in records.addresses()} == loaded
        origin = min(loaded)
        assert origin == board.flash_origin
        raw = (tmp_path / f"{stem}.bin").read_bytes()
        assert len(raw) == max(loaded) + 1 - origin
        assert all(byte == loaded.get(at, 0xFF) for at, byte in enumerate(raw, start=origin))
        assert (f"{stem}.uf2" in firmware.record.sha256) == (name in UF2_NAMES)
        if board.uf2_family is not None:
            programmed = uf2_bytes((tmp_path / f"{stem}.uf2").read_bytes(), board.uf2_family)
            assert loaded.items() <= programmed.items()
            assert all(programmed[at] == 0xFF for at in programmed.keys() - loaded.keys())


def test_boards_with_a_uf2_boot_loader_have_a_family_and_a_drive() -> None:
    assert UF2_NAMES == ["raspberry-pi-pico", "raspberry-pi-pico-2"]
    assert all(load_board(name).uf2_drive for name in UF2_NAMES)
