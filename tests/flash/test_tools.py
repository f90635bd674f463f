"""Tools that are programs: the commands as they are started, and what is made of their answers.

The programs themselves are not run here: a script stands for them.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firmware.toy_models import toy_bundle
from tqs_edge.errors import InputError, ToolMissing
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.flash.commands import Program
from tqs_edge.flash.dfu_util import DFU_UTIL
from tqs_edge.flash.image_file import read_hex
from tqs_edge.flash.job import FlashFailed, FlashJob, Stage
from tqs_edge.flash.openocd import OPENOCD
from tqs_edge.flash.picotool import PICOTOOL
from tqs_edge.flash.probe_rs import PROBE_RS
from tqs_edge.flash.st_flash import ST_FLASH
from tqs_edge.flash.tools import TOOLS, tool_for

pytestmark = pytest.mark.arm
PROGRAMS = (OPENOCD, PROBE_RS, ST_FLASH, DFU_UTIL, PICOTOOL)
Install = Callable[..., Path]


@pytest.fixture(scope="module")
def nucleo(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    folder = tmp_path_factory.mktemp("nucleo")
    return build(toy_bundle(), load_board("nucleo-f446re"), find_toolchain(), folder)


@pytest.fixture
def job(nucleo: Firmware) -> FlashJob:
    images = nucleo.board_images
    return FlashJob(nucleo.board, images, read_hex(images["hex"]), probe="066BFF")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """install(fault=""): all tools from now on; the file that stands for the part's flash."""

    def put(fault: str = "") -> Path:
        folder = tmp_path / "tools"
        folder.mkdir(exist_ok=True)
        text = Path(__file__).with_name("fake_tool.py").read_text().split("\n", 1)[1]
        for program in PROGRAMS:
            script = folder / program.program
            script.write_text(f"#!{sys.executable}\n{text}")
            script.chmod(0o755)
        part = tmp_path / "part"
        part.write_bytes(b"\xa5" * 100_000)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_PART", str(part))
        monkeypatch.setenv("FAKE_FAULT", fault)
        return part

    return put


def ignore(stage: Stage, part: float) -> None: ...


EXPECTED = {
    "openocd": """
        openocd -f board/st_nucleo_f4.cfg -c 'adapter serial 066BFF' \
            -c 'program HEX verify reset exit'
    """,
    "probe-rs": """
        probe-rs download --chip STM32F446RETx --non-interactive --probe 066BFF --verify \
            --binary-format hex HEX
        probe-rs reset --chip STM32F446RETx --non-interactive --probe 066BFF
    """,
    "st-flash": """
        st-flash --serial 066BFF --format ihex write HEX
        st-flash --serial 066BFF read FOLDER/verify.bin 0x8000000 SIZE
        st-flash --serial 066BFF reset
    """,
    "dfu-util": """
        dfu-util -d 0483:df11 -a 0 -S 066BFF -s 0x8000000 -D BIN
        dfu-util -d 0483:df11 -a 0 -S 066BFF -s 0x8000000:SIZE:leave -U FOLDER/verify.bin
    """,
    "picotool": """
        picotool load -v BIN -o 0x8000000 --ser 066BFF
        picotool reboot --ser 066BFF
    """,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_commands_are_these(name: str, job: FlashJob) -> None:
    shown = "\n".join(TOOLS[name].describe(job))
    for suffix in ("hex", "bin"):
        shown = shown.replace(str(job.images[suffix]), suffix.upper())
    shown = re.sub(rf"\b({job.bytes}|{job.bytes:#x})\b", "SIZE", shown)
    lines = EXPECTED[name].strip().splitlines()  # a backslash at the end joins two lines
    assert shown == "\n".join(" ".join(line.split()) for line in lines)


def test_backup_and_chip_erase_come_first(job: FlashJob, tmp_path: Path) -> None:
    job = dataclasses.replace(job, backup=tmp_path / "old.hex", chip_erase=True, probe=None)
    assert "dump_image" in TOOLS["openocd"].describe(job)[0]
    assert "flash erase_sector 0 0 last" in TOOLS["openocd"].describe(job)[1]
    first, second, *_ = TOOLS["st-flash"].describe(job)
    assert first == "st-flash read FOLDER/backup.bin 0x8000000 0x80000"
    assert second == "st-flash erase"
    assert TOOLS["dfu-util"].describe(job)[0].endswith("0x8000000:524288 -U FOLDER/backup.bin")
    assert TOOLS["dfu-util"].describe(job)[1].split()[6] == "0x8000000:mass-erase:force"
    assert TOOLS["picotool"].describe(job)[0].startswith("picotool save -r 0x8000000 0x8080000")
    with pytest.raises(InputError, match="probe-rs cannot save"):
        TOOLS["probe-rs"].describe(job)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.name))
def test_every_tool_is_run_to_its_end(program: Program, job: FlashJob, install: Install) -> None:
    part = install()
    done = program.flash(job, ignore)
    assert done.read_back and done.tool == program.name
    ran = part.with_suffix(".log").read_text().splitlines()
    assert len(ran) == len(program.describe(job))


@pytest.mark.parametrize("program", [ST_FLASH, DFU_UTIL], ids=lambda program: str(program.name))
def test_a_read_back_that_differs_is_a_failure(
    program: Program, job: FlashJob, install: Install
) -> None:
    install("flip")
    with pytest.raises(FlashFailed, match="1 bytes differ from the image") as error:
        program.flash(job, ignore)
    assert error.value.stage is Stage.VERIFY


def test_old_content_is_saved(job: FlashJob, install: Install, tmp_path: Path) -> None:
    install()
    backup = tmp_path / "old.hex"
    ST_FLASH.flash(dataclasses.replace(job, backup=backup), ignore)
    (segment,) = read_hex(backup)
    assert segment.address == 0x08000000 and segment.content == b"\xa5" * 100_000


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.name))
def test_what_a_tool_complains_of_is_said(
    program: Program, job: FlashJob, install: Install
) -> None:
    install("fail")
    with pytest.raises(
        FlashFailed, match=f"Error: init failed, no device; command: {program.program}"
    ):
        program.flash(job, ignore)


def test_a_tool_that_hangs_is_ended(job: FlashJob, install: Install) -> None:
    install("hang")
    with pytest.raises(FlashFailed, match="no end in time: st-flash"):
        ST_FLASH.flash(dataclasses.replace(job, timeout=0.3), ignore)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.name))
def test_a_missing_tool_says_what_to_install(
    program: Program, job: FlashJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolMissing, match=f"{program.program} is not on PATH; (run|see)"):
        program.flash(job, ignore)


def test_a_board_must_say_what_the_tool_calls_it(job: FlashJob) -> None:
    bare = dataclasses.replace(
        job.board, openocd_config=(), probe_rs_chip=None, dfu_id=None, flasher="none"
    )
    for name in ("openocd", "probe-rs", "dfu-util"):
        with pytest.raises(InputError, match=f"has no {name.replace('-', '_')[:3]}"):
            TOOLS[name].describe(dataclasses.replace(job, board=bare))
    with pytest.raises(InputError, match="cannot be flashed; give a --tool"):
        tool_for(bare, None)
    with pytest.raises(InputError, match="unknown tool 'jlink'; known: pyocd, openocd"):
        tool_for(bare, "jlink")
    assert tool_for(bare, "st-flash") == "st-flash" and tool_for(job.board, None) == "pyocd"


@pytest.mark.skipif(shutil.which("openocd") is None, reason="openocd is missing (apt: openocd)")
def test_openocd_knows_the_configurations_of_our_boards(job: FlashJob) -> None:
    command = ["openocd", "-f", job.board.openocd_config[0], "-c", "shutdown"]
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == 0
