"""Every fact of a shipped board has a source, and agrees with what pyOCD and OpenOCD know."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tqs_edge.firmware.board import Board, board_names, load_board
from tqs_edge.firmware.board_facts import fact_groups
from tqs_edge.resources import resource_dir

BOARDS = {name: load_board(name) for name in board_names()}
# All that no published file says; a board with one more is for a person to look at.
UNCONFIRMED = {
    ("hifive1-revb", "memory"),
    ("hifive1-revb", "clock"),
    ("alif-e7-devkit", "debug"),
}
# Parts that pyOCD takes from their maker's CMSIS pack, and that no board in its own list has.
PACK_ONLY = {"atsamd21g18a", "stm32f100rb", "ae722f80f55d5ls"}
# pyOCD 0.46 gives RP2350 the memory map of RP2040, which has half of its SRAM.
RP2350_RAM = pytest.mark.xfail(strict=True, reason="pyOCD 0.46 knows 264 K of the 520 K of RP2350")


def pyocd_builtin() -> dict[str, Any]:
    pytest.importorskip("pyocd", reason="pyocd is missing (pip: tqs-edge[flash])")
    from pyocd.target.builtin import BUILTIN_TARGETS

    return dict(BUILTIN_TARGETS)


def regions(board: Board, kind: str) -> list[tuple[int, int]]:
    """(begin, end) of pyOCD's regions of a kind, neighbours joined; aliases left out."""
    target = pyocd_builtin().get(str(board.pyocd_target))
    if target is None:
        pytest.skip(f"{board.pyocd_target} comes from a CMSIS pack")
    joined: list[tuple[int, int]] = []
    for region in sorted(target.MEMORY_MAP, key=lambda region: region.start):
        if region.type.name != kind or region.alias:
            continue
        if joined and joined[-1][1] == region.start:
            joined[-1] = (joined[-1][0], region.end + 1)
        else:
            joined.append((region.start, region.end + 1))
    return joined


@pytest.mark.parametrize("name", BOARDS)
def test_every_fact_says_what_it_was_checked_against(name: str) -> None:
    board = BOARDS[name]
    groups = {group.name: group for group in fact_groups(board)}
    assert {"memory", "clock"} <= set(groups) == set(board.sources)
    for group in groups.values():
        assert group.files, (name, group.name)
        for file in group.files:  # a repository and a path in it
            assert re.match(r"\S+ \S+[./]\S+", file), (name, file)
        assert bool(group.unconfirmed) == ((name, group.name) in UNCONFIRMED), (name, group)


def test_what_is_unconfirmed_stands_apart() -> None:
    memory = next(g for g in fact_groups(BOARDS["hifive1-revb"]) if g.name == "memory")
    assert memory.unconfirmed == ("that the board carries this flash (HiFive1 Rev B schematic)",)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[RP2350_RAM] if name == "raspberry-pi-pico-2" else [])
        for name, board in BOARDS.items()
        if board.pyocd_target
    ],
)
def test_memory_agrees_with_pyocd(name: str) -> None:
    board = BOARDS[name]
    flash, ram = regions(board, "FLASH"), regions(board, "RAM")
    end = board.flash_origin + board.flash_bytes
    assert any(low <= board.flash_origin and end <= high for low, high in flash)
    if board.boot is None:  # the flash is the part's own, so that they end together
        assert end in {high for _, high in flash}
    assert (board.ram_origin, board.ram_origin + board.ram_bytes) in ram


def test_pyocd_knows_every_target() -> None:
    known = set(pyocd_builtin())
    from pyocd.board.board_ids import BOARD_ID_TO_INFO

    known |= {info.target for info in BOARD_ID_TO_INFO.values()}
    named = {board.pyocd_target for board in BOARDS.values() if board.pyocd_target}
    assert named - known == PACK_ONLY


def test_a_jlink_is_told_to_use_swd() -> None:
    """OpenOCD's J-Link driver starts in JTAG, which these parts lack; board files select SWD."""
    for board in BOARDS.values():
        assert "interface/jlink.cfg" not in board.openocd_config, board.name


def test_parts_without_usb_have_no_usb_boot_loader() -> None:
    """The family's DFU id is taken away; STM32_open_pin_data lists no USB device for these."""
    assert BOARDS["stm32vldiscovery"].dfu_id is BOARDS["nucleo-g071rb"].dfu_id is None
    assert BOARDS["nucleo-g0b1re"].dfu_id == BOARDS["nucleo-f446re"].dfu_id == "0483:df11"


def test_guides_call_parts_as_boards_do() -> None:
    known = {board.pyocd_target for board in BOARDS.values()}
    texts = [path.read_text() for path in (resource_dir("targets") / "guides").glob("*.md")]
    named = set(re.findall(r"pyocd flash -t (\S+)", "".join(texts)))
    assert named and named <= known


def pins_of(board: Board, pattern: str) -> list[tuple[str, int]]:
    assert board.uart is not None
    return [(port, int(pin)) for port, pin in re.findall(pattern, board.uart.name)]


@pytest.mark.parametrize(
    "name", [n for n, b in BOARDS.items() if b.part.startswith("STM32") and b.console == "uart"]
)
def test_an_stm32_gives_its_port_the_pins_that_it_names(name: str) -> None:
    """MODER (offset 0, two bits a pin) is 2, and AFR (0x20, four bits a pin) one function."""
    board = BOARDS[name]
    assert board.uart is not None
    pins = pins_of(board, r"P([A-K])(\d+)")
    first = min(address for address, _, _ in board.uart.setup if address & 0x3FF == 0)
    base = first - 0x400 * (ord(min(pins)[0]) - ord("A"))  # of GPIOA
    ports, functions = board.uart.setup[2:], set()
    for port, pin in pins:
        gpio = base + 0x400 * (ord(port) - ord("A"))
        mode = next(value & mask for at, mask, value in ports if at == gpio)
        assert mode >> 2 * pin & 3 == 2, (port, pin)
        half = next(v for at, _, v in ports if at == gpio + 0x20 + 4 * (pin // 8))
        functions.add(half >> 4 * (pin % 8) & 15)
    assert len(pins) == 2 and len(functions) == 1 and 0 not in functions
    touched = sum(bin(mask).count("1") for _, mask, _ in ports)
    assert touched == 2 * (2 + 4)  # nothing but these two pins


@pytest.mark.parametrize(
    "name", [n for n, b in BOARDS.items() if b.uart is not None and b.uart.driver.startswith("nrf")]
)
def test_an_nrf_gives_its_port_the_pins_that_it_names(name: str) -> None:
    """PSEL holds 32 port + pin; the line idles high, TXD is an output and RXD an input."""
    board = BOARDS[name]
    assert board.uart is not None
    (port, sent), (other, received) = ((int(p), n) for p, n in pins_of(board, r"P(\d)\.(\d+)"))
    gpio, back = (0x50000000 + 0x300 * number for number in (port, other))
    assert board.uart.setup == (
        (gpio + 0x504, 1 << sent, 1 << sent),
        (gpio + 0x700 + 4 * sent, 3, 1),
        (back + 0x700 + 4 * received, 3, 0),
        (board.uart.base + 0x50C, 0xFFFFFFFF, 32 * port + sent),
        (board.uart.base + 0x514, 0xFFFFFFFF, 32 * other + received),
    )
