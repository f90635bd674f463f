"""The package builds as people build it: Make, CMake, C++, every core, two models at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.codegen.c_package import run
from tests.package.conftest import NAMES, Written, write
from tqs_edge.firmware.board import load_core

STRICT = ("-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wshadow", "-Werror", "-O2")
C99 = ("-std=c99", "-Wmissing-prototypes", *STRICT)
CORES = ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m33", "cortex-m55")
Packages = Callable[[str], Written]


@pytest.mark.parametrize("name", NAMES)
def test_make_check_passes_and_strict_c99_has_no_warning(
    name: str, written: Packages, tmp_path: Path
) -> None:
    folder = written(name).folder
    said = run(["make", "-C", str(folder), "check", f"BUILD={tmp_path}", "CFLAGS=-O2 -Werror"])
    assert "self-test: passed" in said and len(said.splitlines()) > 8
    for source in (*written(name).sources, written(name).selftest):
        run(["cc", *C99, *written(name).includes, "-c", str(source), "-o", str(tmp_path / "x.o")])


def test_the_self_test_can_fail(tmp_path: Path) -> None:
    folder = write("gru", tmp_path / "p", wrong=True).folder
    done = subprocess.run(
        ["make", "-C", folder, "check", f"BUILD={tmp_path / 'b'}"], capture_output=True, text=True
    )
    assert done.returncode != 0 and "self-test: FAILED" in done.stdout


@pytest.mark.cmake
@pytest.mark.parametrize("name", ["gru", "window_network"])
def test_cmake_builds_and_tests_it(name: str, written: Packages, tmp_path: Path) -> None:
    run(["cmake", "-S", str(written(name).folder), "-B", str(tmp_path)])
    run(["cmake", "--build", str(tmp_path)])
    assert "100% tests passed" in run(["ctest", "--test-dir", str(tmp_path)])


@pytest.mark.cmake
def test_cmake_adds_it_to_another_project(written: Packages, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text('#include "gru.h"\nint main(void) { return GRU_OK; }\n')
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(app C)\n"
        f"add_subdirectory({written('gru').folder} gru)\n"
        "add_executable(app main.c)\ntarget_link_libraries(app gru)\n"
    )
    run(["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "b")])
    run(["cmake", "--build", str(tmp_path / "b")])


@pytest.mark.cxx
@pytest.mark.parametrize("name", NAMES)
def test_headers_and_sources_compile_as_cpp(name: str, written: Packages, tmp_path: Path) -> None:
    package = written(name)
    (tmp_path / "user.cpp").write_text(
        f'#include "{name}.h"\n#include "{name}_selftest.h"\nint main() {{ return 0; }}\n'
    )
    output = ["-c", "-o", str(tmp_path / "x.o")]
    for standard in ("c++98", "c++11", "c++20"):
        options = ["-Wno-long-long"] if standard == "c++98" else []
        user = [*STRICT, *options, *package.includes, str(tmp_path / "user.cpp"), *output]
        run(["g++", f"-std={standard}", *user])
    for source in (*package.sources, package.selftest):
        run(["g++", "-std=c++20", "-x", "c++", *STRICT, *package.includes, str(source), *output])


@pytest.mark.slow
@pytest.mark.zig
def test_clang_has_no_warning(
    written: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path / "zig"))
    compiler = [sys.executable, "-m", "ziglang", "cc"]
    for flags in ((), load_core("cortex-m4").zig_flags, load_core("cortex-m0").zig_flags):
        for source in written("lstm").sources:
            own = [*C99, *flags, *written("lstm").includes, "-c", str(source)]
            run([*compiler, *own, "-o", str(tmp_path / "x.o")])


@pytest.mark.arm
@pytest.mark.parametrize("core", CORES)
def test_all_files_together_define_everything_once_on(
    core: str, written: Packages, tmp_path: Path
) -> None:
    """What a build system does that compiles whatever it finds: no list, no selection."""
    package = written("lstm")
    flags = [*load_core(core).gcc_flags, "-mthumb", "-ffreestanding", *C99, *package.includes]
    objects = []
    for number, source in enumerate(package.sources):
        objects.append(str(tmp_path / f"{number}.o"))
        run(["arm-none-eabi-gcc", *flags, "-c", str(source), "-o", objects[-1]])
    whole = str(tmp_path / "whole.o")
    run(["arm-none-eabi-ld", "-r", *objects, "-o", whole])
    undefined = run(["arm-none-eabi-nm", "-u", whole]).split()[1::2]
    assert all(name.startswith(("mem", "__aeabi_", "__gnu_thumb1")) for name in undefined)
    assert not any(name.startswith(("__aeabi_f", "__aeabi_d")) for name in undefined)


def test_two_models_link_into_one_program(written: Packages, tmp_path: Path) -> None:
    main = '#include "gru_selftest.h"\n#include "other_selftest.h"\n'
    main += "int main(void) { return gru_selftest() + other_selftest(); }\n"
    (tmp_path / "main.c").write_text(main)
    packages = [written("gru"), write("gru", tmp_path / "other", prefix="other")]
    files = [str(f) for p in packages for f in (*p.sources, p.selftest)]
    includes = [flag for p in packages for flag in p.includes]
    program = str(tmp_path / "both")
    run(["cc", "-std=c99", *includes, str(tmp_path / "main.c"), *files, "-o", program])
    run([program])


def test_writing_twice_gives_the_same_bytes(written: Packages, tmp_path: Path) -> None:
    again, before = write("gru", tmp_path / "again").folder, written("gru").folder
    files = [p.relative_to(before) for p in before.rglob("*") if p.is_file()]
    assert len(files) > 30
    assert all((before / f).read_bytes() == (again / f).read_bytes() for f in files)
    assert set(files) == {p.relative_to(again) for p in again.rglob("*") if p.is_file()}
