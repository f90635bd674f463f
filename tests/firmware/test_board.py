from __future__ import annotations

from pathlib import Path

import pytest

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import board_names, load_board
from tqs_edge.firmware.link_script import linker_script
from tqs_edge.kernel_table import ISAS

BOARD = """description = "mine"
core = "cortex-m4"
memory = "{memory}"
flash_bytes = {flash}
ram_bytes = 8192
stack_bytes = {stack}
"""


def write_board(folder: Path, memory: str = "stm32.ld", flash: int = 65536, stack: int = 1024):
    path = folder / "mine.toml"
    path.write_text(BOARD.format(memory=memory, flash=flash, stack=stack))
    return path


@pytest.mark.parametrize("name", board_names())
def test_shipped_boards_are_complete(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.core.isa in ISAS
    assert board.core.gcc_flags and board.core.zig_flags
    assert board.stack_bytes < board.ram_bytes


def test_every_core_has_a_board() -> None:
    cores = {load_board(name).core.name for name in board_names()}
    assert cores == {f"cortex-m{suffix}" for suffix in ("0", "0plus", "3", "4", "7", "33", "55")}


def test_a_core_simulated_by_another_one_says_so() -> None:
    assert "Cortex-M3" in load_board("arduino-zero").description


def test_users_board_is_a_file_with_its_memory_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.ld").write_text("MEMORY { MINE }\n")
    board = load_board(str(write_board(tmp_path, memory="mine.ld")))
    assert board.memory == "MEMORY { MINE }\n"
    assert board.qemu_machine is None


def test_users_board_may_use_a_shipped_memory_file(tmp_path: Path) -> None:
    assert "0x08000000" in load_board(str(write_board(tmp_path))).memory


@pytest.mark.parametrize("name", ["nucleo", "no/such.toml"])
def test_unknown_board_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=r"unknown board .*known: arduino-zero, microbit"):
        load_board(name)


def test_unknown_core_lists_the_known_ones(tmp_path: Path) -> None:
    path = write_board(tmp_path)
    path.write_text(path.read_text().replace("cortex-m4", "cortex-m99"))
    with pytest.raises(InputError, match=r"unknown core 'cortex-m99'; known: cortex-m0, "):
        load_board(str(path))


def test_unknown_key_is_refused(tmp_path: Path) -> None:
    path = write_board(tmp_path)
    path.write_text(path.read_text() + "flash = 1\n")
    with pytest.raises(InputError, match=r"mine\.toml: unknown key 'flash'"):
        load_board(str(path))


def test_missing_key_is_named(tmp_path: Path) -> None:
    path = write_board(tmp_path)
    path.write_text(path.read_text().replace("ram_bytes = 8192\n", ""))
    with pytest.raises(InputError, match=r"mine\.toml: key 'ram_bytes' is missing"):
        load_board(str(path))


def test_missing_memory_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"memory file 'gone\.ld' not found"):
        load_board(str(write_board(tmp_path, memory="gone.ld")))


@pytest.mark.parametrize(("flash", "stack"), [(0, 1024), (65536, 1020), (65536, 8192)])
def test_impossible_sizes_are_refused(tmp_path: Path, flash: int, stack: int) -> None:
    with pytest.raises(InputError, match=r"mine\.toml: "):
        load_board(str(write_board(tmp_path, flash=flash, stack=stack)))


def test_broken_toml_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("core = \n")
    with pytest.raises(InputError, match=r"mine\.toml: not valid TOML"):
        load_board(str(path))


def test_linker_script_is_self_contained() -> None:
    script = linker_script(load_board("microbit"))
    assert script.startswith("FLASH_BYTES = 262144;\nRAM_BYTES = 16384;\nSTACK_BYTES = 2048;\n")
    assert "INCLUDE" not in script
    assert script.index("MEMORY") < script.index("SECTIONS")
