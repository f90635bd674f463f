"""A model compiled for this computer: portable kernels, strict C99."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.firmware.command import run_compiler
from tqs_edge.firmware.sources import PORTABLE, copy_targets, write_sources
from tqs_edge.firmware.toolchain import (
    WARNINGS,
    environment_in,
    find_host_compiler,
    host_flags,
)

FLAGS = ("-std=c99", "-O2", "-g0", *WARNINGS, "-I.")
LIBRARY_FLAGS = ("-shared", "-fPIC")
SANITIZERS = (
    "-g1",
    "-DTQS_CHECKED",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
)
PROGRAM_TARGETS = ("common/main.c", "host/semihost.c", "common/semihost.h", "common/platform.h")


def build_library(bundle: SourceBundle, output: Path) -> None:
    """Writes a shared library of the model, with the symbols of targets/host/library.c.

    Raises ToolMissing without a C compiler for this computer and BuildError when one fails.
    """
    _compile(bundle, ("host/library.c",), LIBRARY_FLAGS, output)


def build_program(bundle: SourceBundle, output: Path, *, sanitize: bool) -> None:
    """Writes a program that runs the rollout driver on files in its working directory.

    `sanitize` builds it checked (TQS_ASSERT), with AddressSanitizer and
    UndefinedBehaviorSanitizer, every finding fatal. Raises as build_library does.
    """
    _compile(bundle, PROGRAM_TARGETS, SANITIZERS if sanitize else (), output)


def _compile(
    bundle: SourceBundle, targets: tuple[str, ...], flags: tuple[str, ...], output: Path
) -> None:
    compiler = find_host_compiler()
    with tempfile.TemporaryDirectory(prefix="tqs-host-") as name:
        folder = Path(name)
        sources = write_sources(bundle, PORTABLE, folder) + copy_targets(targets, folder)
        own = (*FLAGS, *host_flags(compiler), *flags)
        command = (*compiler.command, *own, *sources, "-o", "built")
        run_compiler(command, cwd=folder, environment=environment_in(compiler, folder))
        partial = output.with_name(output.name + ".partial")
        shutil.copy(folder / "built", partial)
        os.replace(partial, output)
