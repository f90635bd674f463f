"""What the files of kernels/ promise: self-contained, integer only, clean under sanitizers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kernels.conftest import KERNELS, STRICT
from tests.kernels.dense_cases import decode
from tests.kernels.test_dense_on_cores import HARNESS, vectors
from tqs_edge.firmware.board import load_core
from tqs_edge.firmware.command import run_compiler
from tqs_edge.firmware.sources import kernel_file
from tqs_edge.firmware.toolchain import compile_flags, find_toolchain
from tqs_edge.kernel_table import (
    DENSE_KERNELS,
    ISA_FOLDERS,
    dense_kernel,
    legal_weight_bits,
)

TARGETS = KERNELS.parent / "targets"
FILES = sorted(p for p in KERNELS.glob("**/tqs_*.[ch]") if "build" not in p.parts)
HEADER = (KERNELS / "tqs_kernels.h").read_text(encoding="utf-8")


def without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_sources_are_freestanding_integer_code(path: Path) -> None:
    code = without_comments(path)
    assert not re.search(r"\b(float|double|malloc|calloc|free|printf|memcpy|memset)\b", code)
    own = {"mve": {"arm_mve.h"}, "neon": {"arm_neon.h"}}.get(path.parent.name, set())
    own |= (
        {"arm_mve.h"} if path.name in {"tqs_lanes.h", "tqs_spread.h"} else set()
    )  # where the core has MVE
    assert set(re.findall(r"#include <(.+)>", code)) <= {"stdint.h", "stddef.h", "stdbool.h"} | own
    assert "//" not in code


@pytest.mark.arm
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m4"])
def test_objects_need_only_each_other_and_compiler_support(core: str, tmp_path: Path) -> None:
    toolchain, target = find_toolchain("gcc"), load_core(core)
    for name in [path.name for path in KERNELS.glob("tqs_*.c")]:
        source = kernel_file(name, target.isa)
        flags = (*compile_flags(toolchain, target), f"-I{KERNELS}", "-c", str(source))
        run_compiler((*toolchain.command, *flags, "-o", "k.o"), cwd=tmp_path, environment={})
        names = subprocess.run(
            ["arm-none-eabi-nm", "k.o"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        undefined = re.findall(r"^ +U (\S+)$", names, re.MULTILINE)
        assert all(re.match(r"tqs_|__aeabi_(l|ui?div|idiv)", u) for u in undefined), undefined
        assert not re.findall(r" [bBdD] ", names), "writable data"


def test_every_kernel_has_a_file_and_a_prototype() -> None:
    declared = set(re.findall(r"^TQS_DENSE_PROTOTYPE\((\w+),", HEADER, re.MULTILINE))
    assert declared == {kernel.symbol for kernel in DENSE_KERNELS}
    for kernel in DENSE_KERNELS:
        assert (KERNELS / f"{kernel.symbol}.c").is_file()
        assert set(kernel.costs) == set(ISA_FOLDERS)
    for path in KERNELS.glob("*/tqs_*.c"):
        assert (KERNELS / path.name).is_file(), f"{path}: no portable kernel of that name"


def test_every_class_of_cores_takes_its_own_files_first() -> None:
    for isa, folders in ISA_FOLDERS.items():
        assert folders[:1] == (() if isa == "portable" else (isa,))
        for path in KERNELS.glob("tqs_*.c"):
            own = [KERNELS / f / path.name for f in folders if (KERNELS / f / path.name).is_file()]
            assert kernel_file(path.name, isa) == [*own, path][0]
    assert kernel_file("tqs_dense_a16w4.c", "dsp").parent.name == "dsp"
    assert kernel_file("tqs_dense_a16w4.c", "portable").parent == KERNELS


def test_lookup_finds_legal_widths_and_names_illegal_ones() -> None:
    assert dense_kernel(16, 4, 32).symbol == "tqs_dense_a16w4"
    assert legal_weight_bits(8) == legal_weight_bits(16) == (2, 4, 8, 16)
    with pytest.raises(Exception, match="no dense kernel a16w16 with a 32-bit accumulator"):
        dense_kernel(16, 16, 32)


def test_kernels_are_clean_under_sanitizers(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is missing: its sanitizers run as a plain program")
    sanitize = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DTQS_CHECKED")
    hosted = tuple(flag for flag in STRICT if flag != "-ffreestanding")
    includes = (f"-I{KERNELS}", f"-I{TARGETS / 'common'}", "-DTQS_HOSTED")
    sources = [str(path) for path in sorted(KERNELS.glob("tqs_*.c"))]
    sources += [str(HARNESS), str(TARGETS / "host" / "semihost.c")]
    command = (compiler, *hosted, "-O1", "-g", *sanitize, *includes, *sources, "-o", "harness")
    run_compiler(command, cwd=tmp_path, environment={})
    blob, expected = vectors()
    (tmp_path / "vectors.bin").write_bytes(blob)
    done = subprocess.run(["./harness"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    results = decode((tmp_path / "results.bin").read_bytes(), [len(want) for want in expected])
    assert all((got == want).all() for got, want in zip(results, expected, strict=True))


@pytest.mark.slow
def test_make_check_passes(tmp_path: Path) -> None:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or cc is missing")
    done = subprocess.run(
        ["make", "-C", str(KERNELS), f"BUILD={tmp_path}", "check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
