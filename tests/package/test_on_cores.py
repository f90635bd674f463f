"""The self-test of a package as firmware, on simulated cores of every class."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.codegen.c_package import run
from tests.package.conftest import Written, write
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.link_script import linker_script
from tqs_edge.firmware.runtime import RUNTIMES
from tqs_edge.firmware.sources import copy_targets
from tqs_edge.firmware.toolchain import compile_flags, find_toolchain, link_flags

MAIN = '#include "{0}_selftest.h"\nint main(void);\nint main(void) {{ return {0}_selftest(); }}\n'
pytestmark = [pytest.mark.arm, pytest.mark.qemu]


def exit_status(package: Written, board_name: str, folder: Path) -> int:
    """What the self-test returns on QEMU's model of the board."""
    board, toolchain = load_board(board_name), find_toolchain("gcc")
    runtime = RUNTIMES[board.core.runtime]
    own = copy_targets((*runtime.start_up, runtime.semihosting), folder)
    (folder / "main.c").write_text(MAIN.format(package.name))
    (folder / "link.ld").write_text(linker_script(board))
    files = [*(str(folder / f) for f in ("main.c", *own)), str(package.selftest)]
    flags = [*toolchain.command, *compile_flags(toolchain, board.core)]
    link = link_flags(toolchain, board.core, str(folder / "link.ld"))
    elf = str(folder / "selftest.elf")
    includes = [*package.includes, f"-I{folder}"]
    run([*flags, *includes, *files, *map(str, package.sources), *link, "-lgcc", "-o", elf])
    assert board.qemu_machine is not None
    machine = ["qemu-system-arm", "-M", board.qemu_machine, "-nographic", "-kernel", elf]
    options = ["-semihosting-config", "enable=on,target=native", "-monitor", "none"]
    done = subprocess.run([*machine, *options, "-serial", "none"], timeout=60, capture_output=True)
    return done.returncode


@pytest.mark.parametrize("board", ["microbit", "mps2-an385", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("name", ["lstm", "window_network"])
def test_every_frame_is_the_known_one(
    name: str, board: str, written: Callable[[str], Written], tmp_path: Path
) -> None:
    assert exit_status(written(name), board, tmp_path) == 0


def test_a_wrong_frame_is_reported(tmp_path: Path) -> None:
    package = write("gru", tmp_path / "package", wrong=True)
    assert exit_status(package, "mps2-an386", tmp_path) == 2
