from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tqs_edge.errors import BuildError, InputError, ToolMissing
from tqs_edge.firmware.board import load_board, load_core
from tqs_edge.firmware.command import run_compiler
from tqs_edge.firmware.toolchain import compile_flags, find_host_compiler, find_toolchain


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def no_zig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)


@pytest.mark.arm
def test_gcc_is_preferred() -> None:
    toolchain = find_toolchain()
    assert toolchain.name == "gcc"
    assert toolchain.version[0].isdigit()


@pytest.mark.zig
@pytest.mark.usefixtures("no_programs")
def test_zig_is_used_when_gcc_is_not_on_path() -> None:
    toolchain = find_toolchain()
    assert toolchain.name == "zig"
    assert toolchain.version[0].isdigit()
    assert find_host_compiler().name == "zig"


@pytest.mark.usefixtures("no_programs", "no_zig")
@pytest.mark.parametrize(
    ("name", "install"),
    [("gcc", "gcc-arm-none-eabi"), ("zig", "pip install ziglang"), (None, "pip install ziglang")],
)
def test_missing_compiler_says_what_to_install(name: str | None, install: str) -> None:
    with pytest.raises(ToolMissing, match=install):
        find_toolchain(name)


@pytest.mark.usefixtures("no_programs", "no_zig")
def test_missing_host_compiler_says_what_to_install() -> None:
    with pytest.raises(ToolMissing, match="pip install ziglang"):
        find_host_compiler()


def test_unknown_compiler_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown compiler 'armcc'; known: gcc, zig"):
        find_toolchain("armcc")


@pytest.mark.zig
def test_zig_never_adds_traps_for_undefined_behaviour() -> None:
    flags = compile_flags(find_toolchain("zig"), load_board("mps2-an386").core)
    assert "-fno-sanitize=all" in flags


def test_failing_compiler_is_a_build_error_with_its_first_error(tmp_path: Path) -> None:
    text = "import sys; sys.exit('note: hm\\nmodel.c:3: error: no such type')"
    with pytest.raises(BuildError, match=r"^model.c:3: error: no such type \(command: "):
        run_compiler((sys.executable, "-c", text), cwd=tmp_path)


@pytest.mark.parametrize(
    ("core", "package"),
    [
        ("cortex-m4", "gcc-arm-none-eabi"),
        ("rv32imc", "gcc-riscv64-unknown-elf"),
        ("cortex-a72", "gcc-aarch64-linux-gnu"),
        ("cortex-a8", "gcc-arm-linux-gnueabihf"),
    ],
)
def test_a_missing_compiler_of_a_core_names_its_package(
    core: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match=f"; install {package}, or use zig"):
        find_toolchain("gcc", load_core(core))
