"""--optimize changes code, never frames, and goes with the compiled directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tqs_edge import api
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import load_core
from tqs_edge.firmware.build import build
from tqs_edge.firmware.optimize import Optimize
from tqs_edge.firmware.toolchain import MODEL_SOURCE, compile_flags, find_toolchain
from tqs_edge.pipeline.directory import read_package
from tqs_edge.pipeline.verification import executions_of, with_all_cores

pytestmark = [pytest.mark.arm, pytest.mark.unicorn]
Compiled = Callable[..., tuple[Path, dict[str, Any]]]


SIZE = {"board": "arduino-zero", "optimize": "size", "runner": "unicorn", "rounding": "nearest"}
SPEED = {"board": "mps2-an386", "optimize": "speed", "runner": "unicorn"}


@pytest.mark.slow
@pytest.mark.parametrize("options", [SIZE, SPEED], ids=["size", "speed"])
def test_frames_are_the_references(options: dict[str, str], compiled: Compiled) -> None:
    directory, report = compiled("small_gru", **options)
    assert len(report["bit_exact"]) == 3 and all(report["bit_exact"].values())
    assert api.verify(directory, runner="unicorn").exact


def test_size_is_smaller_and_speed_is_other_code(compiled: Compiled, tmp_path: Path) -> None:
    package = read_package(compiled("small_gru", **SIZE)[0])
    small, balanced, fast = (
        build(
            package.lowered.bundle,
            package.firmware.board,
            find_toolchain("gcc", optimize=optimize),
            tmp_path / optimize,
        )
        for optimize in Optimize
    )
    assert small.record.sha256 == package.firmware.record.sha256
    assert small.size.code_bytes < 0.8 * balanced.size.code_bytes
    assert fast.record.sha256 != balanced.record.sha256


def test_the_directory_says_it_and_all_cores_are_built_so(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, report = compiled("small_gru", **SIZE)
    manifest = json.loads((directory / "manifest.json").read_text())
    card = (directory / "package" / "MODEL_CARD.md").read_text()
    assert report["optimize"] == manifest["optimize"] == "size" and "--optimize size" in card
    package = read_package(directory)
    assert package.firmware.record.optimize is Optimize.SIZE
    monkeypatch.setattr("tqs_edge.pipeline.verification.CORE_BOARDS", ("mps2-an386",))
    monkeypatch.setattr("tqs_edge.pipeline.verification.OTHER_BOARDS", ())
    monkeypatch.setattr("tqs_edge.pipeline.verification.compilers", lambda core: ("gcc",))
    built = with_all_cores(executions_of(package.firmware, "host"), package.lowered, tmp_path)
    others = [e.firmware for e in built if e.firmware.board != package.firmware.board]
    assert others and all(f.record.optimize is Optimize.SIZE for f in others)


def test_only_the_models_own_loops_are_unrolled() -> None:
    toolchain, core = find_toolchain("gcc", optimize=Optimize.SPEED), load_core("cortex-m4")
    assert "-funroll-loops" in compile_flags(toolchain, core, MODEL_SOURCE)
    assert compile_flags(toolchain, core, "tqs_dense_a8w8.c") == compile_flags(
        find_toolchain("gcc"), core, MODEL_SOURCE
    )


def test_another_name_is_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'small'; use one of size, balanced, speed"):
        api.compile("zoo:none", board="mps2-an386", output=tmp_path / "o", optimize="small")
