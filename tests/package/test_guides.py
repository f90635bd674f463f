"""The commands of targets/guides, run as they stand up to what needs a board or an absent tool."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tqs_edge.resources import resource_dir

GUIDES = resource_dir("targets") / "guides"
PAGES = sorted(p.stem for p in GUIDES.glob("*.md") if p.stem != "README")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
# What `console` blocks may call: none of it is run here.
NOT_RUN = {"cp", "pyocd", "tqs-edge", "arduino-cli", "pip", "pio", "west", "cd", "idf.py"}
pytestmark = [pytest.mark.arm, pytest.mark.cmake, pytest.mark.slow]


def blocks(page: str, language: str) -> list[str]:
    text = (GUIDES / f"{page}.md").read_text("utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`python` and `tqs-edge` are the ones under test."""
    folder = tmp_path_factory.mktemp("bin")
    root = Path(__file__).parents[2]
    for name, words in {"python": "", "tqs-edge": "-m tqs_edge"}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(root)}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """Where the first block, the same on every page, was run."""
    folder = tmp_path_factory.mktemp("guide")
    shell(blocks("cmake", "sh")[0], folder, environment)
    return folder


def shell(commands: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-e", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_every_command_works(
    page: str, compiled: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    first, *others = blocks(page, "sh")
    assert first == blocks("cmake", "sh")[0]
    shutil.copytree(compiled, tmp_path / "work")
    for commands in others:
        shell(commands, tmp_path / "work", environment)


@pytest.mark.qemu
def test_the_led_blinks(compiled: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """QEMU's STM32F405 has no GPIO, but tells who writes to it: PA5 set and cleared in turns."""
    shutil.copytree(compiled, tmp_path / "work")
    shell(blocks("pyocd", "sh")[1], tmp_path / "work", environment)
    command = "qemu-system-arm -M netduinoplus2 -nographic -monitor none -serial none -d unimp"
    machine = subprocess.Popen(
        [*command.split(), "-kernel", tmp_path / "work" / "blink" / "blink"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert machine.stderr is not None
    written = []
    for line in machine.stderr:
        match = re.search(r"GPIOA.*write.*offset 0x018, value (0x[0-9a-f]+)", line)
        written += [int(match[1], 16)] if match else []
        if len(written) == 400:
            break
    machine.kill()
    machine.wait()
    machine.stderr.close()
    on, off = 1 << 5, 1 << 21
    changes = sum(a != b for a, b in pairwise(written))
    assert set(written) == {on, off} and 30 < changes < 50  # 400 steps of 18 degrees


def test_what_is_not_run_is_said_to_be_so() -> None:
    listed = (GUIDES / "README.md").read_text("utf-8")
    for page in PAGES:
        assert f"[{page}.md]({page}.md)" in listed
        for block in blocks(page, "console"):
            for line in block.splitlines():
                words = [w for w in line.split() if not re.fullmatch(r"[A-Z_]+=\S+", w)]
                assert words[0] in NOT_RUN, line
