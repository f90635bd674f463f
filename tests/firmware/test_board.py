from __future__ import annotations

from pathlib import Path

import pytest

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import board_names, core_names, load_board
from tqs_edge.firmware.board_template import write_template
from tqs_edge.firmware.link_script import linker_script
from tqs_edge.kernel_table import ISA_FOLDERS

MINE = """description = "mine"
inherits = "nucleo-l476rg"
flash_origin = 0x08004000
flash_bytes = 65536
ram_bytes = 8192
stack_bytes = 1024

[uart]
base = 0x40013800
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a user's board, with the working directory somewhere below its project."""
    path = tmp_path / "tqs-boards" / "mine.toml"
    path.parent.mkdir()
    path.write_text(MINE)
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    return path


def changed(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("name", board_names())
def test_shipped_boards_are_complete(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.core.isa in ISA_FOLDERS
    assert board.core.gcc_flags and board.core.zig_flags
    assert board.reset_clock_hz <= board.clock_hz
    assert board.simulators


def test_every_core_has_a_board() -> None:
    assert {load_board(name).core.name for name in board_names()} == set(core_names())


def test_a_core_simulated_by_another_one_says_so() -> None:
    assert "Cortex-M3" in load_board("arduino-zero").description
    assert "Cortex-M4" in load_board("nucleo-g071rb").description
    assert "AN547" in load_board("alif-e7-devkit").description


def test_a_board_of_the_project_inherits_what_it_does_not_say(mine: Path) -> None:
    assert "mine" in board_names()
    board, parent = load_board("mine"), load_board("nucleo-l476rg")
    assert (board.flash_origin, board.flash_bytes) == (0x08004000, 65536)
    assert (board.core, board.part_id) == (parent.core, parent.part_id)
    assert board.uart is not None and parent.uart is not None
    assert (board.uart.base, board.uart.setup) == (0x40013800, parent.uart.setup)
    assert board == load_board(str(mine))


def test_an_inherited_value_can_be_taken_away(mine: Path) -> None:
    assert load_board("mine").qemu_machine == "netduinoplus2"
    changed(mine, "stack_bytes = 1024", 'stack_bytes = 1024\nqemu_machine = ""')
    assert load_board("mine").qemu_machine is None
    changed(mine, 'qemu_machine = ""', 'maker = ""')
    assert load_board("mine").maker == ""


def test_a_board_inherits_from_one_beside_it(mine: Path) -> None:
    (mine.parent / "small.toml").write_text('inherits = "mine"\nflash_bytes = 32768\n')
    assert load_board("small").flash_bytes == 32768
    assert load_board("small").ram_bytes == 8192


def test_the_name_of_a_shipped_board_is_taken(mine: Path) -> None:
    mine.rename(mine.with_name("microbit.toml"))
    with pytest.raises(InputError, match=r"'microbit' is a shipped board; rename the file"):
        load_board("microbit")


@pytest.mark.parametrize("name", ["nucleo", "no/such.toml"])
def test_unknown_board_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=r"unknown board .*known: alif-e7-devkit, .*microbit"):
        load_board(name)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('inherits = "nucleo-l476rg"', 'inherits = "none"', r"inherits 'none', .*known: alif"),
        ('inherits = "nucleo-l476rg"', 'inherits = "mine"', r"inherits from itself"),
        ('"nucleo-l476rg"', "3", r"mine\.toml:2: inherits is the name of a board"),
        ("ram_bytes", "ram", r"mine\.toml:5: unknown key 'ram'; known: .*'ram_bytes'"),
        ("65536", '"64K"', r"mine\.toml:4: flash_bytes is a whole number, got '64K'"),
        ("65536", "true", r"mine\.toml:4: flash_bytes is a whole number, got True"),
        ("65536", "0", r"mine\.toml:4: flash_bytes is a positive number"),
        ("1024", "1020", r"mine\.toml:6: stack_bytes = 1020 is not a multiple of 8 below"),
        ("1024", "8192", r"mine\.toml:6: stack_bytes = 8192 is not a multiple of 8 below"),
        ("0x08004000", "0x08004040", r"mine\.toml:3: flash_origin = 0x8004040 is not a multiple"),
        ("0x08004000", "0x1FFFFF00", r"flash and RAM overlap"),
        ("1024", '1024\ncore = "m9"', r"mine\.toml:7: unknown core 'm9'; known: cortex-a53, "),
        ("1024", '1024\nboot = "x.c"', r"mine\.toml:7: boot = 'x\.c'; allowed: rp2040\.S, rp2350"),
        ("1024", '1024\nflasher = "x"', r"mine\.toml:7: flasher = 'x'; allowed: pyocd, openocd,"),
        ("1024", "1024\npart_id = [1]", r"mine\.toml:7: part_id is a list of 3 values, got \[1\]"),
        ("0x40013800", "1.5", r"mine\.toml:9: uart\.base is a whole number, got 1\.5"),
        ("base", "bse", r"mine\.toml:9: unknown key 'bse'; known: .*'base'"),
        (
            "base = 0x40013800",
            'driver = "x"',
            r"mine\.toml:9: uart\.driver = 'x'; allowed: stm",
        ),
        ("65536", "", r"mine\.toml: not valid TOML: .*line 4"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_what_is_allowed(
    old: str, new: str, text: str, mine: Path
) -> None:
    changed(mine, old, new)
    with pytest.raises(InputError, match=text):
        load_board("mine")


def test_missing_keys_are_named(mine: Path) -> None:
    mine.write_text('description = "mine"\ncore = "cortex-m4"\n')
    with pytest.raises(InputError, match=r"mine\.toml: key 'maker' is missing"):
        load_board("mine")
    mine.write_text('description = "mine"\n')
    with pytest.raises(InputError, match=r"mine\.toml: key 'core' is missing; one of cortex-a53, "):
        load_board("mine")


@pytest.mark.parametrize("like", ["nucleo-f446re", "raspberry-pi-pico", "mps3-an547"])
def test_a_template_is_the_board_it_is_like(
    like: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_template("my-board", like)
    assert path == tmp_path / "tqs-boards" / "my-board.toml"
    values, expected = vars(load_board("my-board")), vars(load_board(like))
    own = {"name", "description", "sources"}
    assert {key: values[key] for key in values.keys() - own} == {
        key: expected[key] for key in expected.keys() - own
    }
    with pytest.raises(InputError, match="'my-board' exists already"):
        write_template("my-board", like)
    with pytest.raises(InputError, match="is not a board's name"):
        write_template("../my board", like)


def test_linker_script_is_self_contained() -> None:
    script = linker_script(load_board("nucleo-l476rg"))
    assert "FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1048576" in script
    assert "RAM (rw) : ORIGIN = 0x20000000, LENGTH = 98304" in script
    assert "INCLUDE" not in script
    assert script.index("MEMORY") < script.index("SECTIONS")


def test_serial_ports_set_up_words_within_their_masks() -> None:
    boards = [load_board(name) for name in board_names()]
    for board in boards:
        for address, mask, value in board.uart.setup if board.uart else ():
            assert address % 4 == 0 and value & ~mask == 0, (board.name, hex(address))
