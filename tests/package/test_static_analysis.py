"""cppcheck, clang-tidy and GCC's analyzer have nothing to say about a package."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.codegen.c_package import run
from tests.package.conftest import NAMES, Written

Packages = Callable[[str], Written]
# Without two rules that report what cannot go wrong: products of two int32 as offsets (sizes are
# far below 2^31), and the larger of two int16, which C takes for an int. Conversions that may lose
# something are warnings of -Wconversion, and errors of every build.
CHECKS = (
    "-*,clang-analyzer-*,bugprone-*,cert-*,misc-*,portability-*,"
    "-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,"
    "-bugprone-implicit-widening-of-multiplication-result"
)
# cppcheck's counterparts: right shifts of negative values are arithmetic, which tqs_fixed.h checks
# when it is compiled; a template's constant may be 1; operands of inline assembly are no
# statements, and variables that macros read are read; scratch memory that a kernel hands to its own
# parts is written there first.
ACCEPTED = (
    *("shiftTooManyBitsSigned", "shiftNegativeLHS", "moduloofone:*/kernels/mve/*"),
    *("constStatement:*/kernels/*", "ctuuninitvar:*/kernels/mve/*"),
    "unreadVariable:*/kernels/v6m/*",
)
LEAK = """#include <stdlib.h>
int leak(int n) { int *p = malloc(4); if (p == NULL) return 1; p[0] = n; return p[0]; }
"""


def clang_tidy(sources: list[Path], includes: list[str]) -> str:
    command = ["clang-tidy", "--quiet", f"--checks={CHECKS}", "--warnings-as-errors=*"]
    done = subprocess.run(
        [*command, *map(str, sources), "--", "-std=c99", *includes], capture_output=True, text=True
    )
    assert (done.returncode == 0) == (not done.stdout)
    return done.stdout


def cppcheck(sources: list[Path], includes: list[str]) -> str:
    kinds = "--enable=warning,style,performance,portability"
    command = ["cppcheck", "--quiet", "--std=c99", kinds, "--error-exitcode=9"]
    accepted = [f"--suppress={rule}" for rule in ACCEPTED]
    return subprocess.run(
        [*command, *accepted, *includes, *map(str, sources)], capture_output=True, text=True
    ).stderr


def analyzer(sources: list[Path], includes: list[str], folder: Path) -> str:
    said = ""
    for source in sources:
        command = ["gcc", "-std=c99", "-O2", "-fanalyzer", *includes, "-c", str(source)]
        done = subprocess.run([*command, "-o", folder / "x.o"], capture_output=True, text=True)
        said += done.stderr
    return said


@pytest.mark.cppcheck
@pytest.mark.parametrize("name", NAMES)
def test_cppcheck(name: str, written: Packages) -> None:
    package = written(name)
    assert not cppcheck([*package.sources, package.selftest], package.includes)


@pytest.mark.slow
@pytest.mark.clang_tidy
@pytest.mark.parametrize("name", NAMES)
def test_clang_tidy(name: str, written: Packages) -> None:
    package = written(name)
    assert not clang_tidy([*package.sources, package.selftest], package.includes)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_gcc_analyzer(name: str, written: Packages, tmp_path: Path) -> None:
    if "Free Software Foundation" not in run(["gcc", "--version"]):
        pytest.skip("gcc is not GCC here, and only GCC has -fanalyzer")
    package = written(name)
    assert not analyzer([*package.sources, package.selftest], package.includes, tmp_path)


@pytest.mark.cppcheck
@pytest.mark.clang_tidy
def test_a_leak_is_found_by_each(tmp_path: Path) -> None:
    """The checks can fail."""
    source = tmp_path / "leak.c"
    source.write_text(LEAK)
    assert "memleak" in cppcheck([source], [])
    assert "unix.Malloc" in clang_tidy([source], [])
    assert "Wanalyzer-malloc-leak" in analyzer([source], [], tmp_path)
