"""The counting plugin of QEMU, compiled once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tqs_edge.firmware.command import run_compiler
from tqs_edge.firmware.toolchain import environment_in, find_host_compiler, host_flags
from tqs_edge.resources import cache_dir, resource_dir

SOURCE = "step_count.c"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC")


def plugin_library() -> Path:
    """The compiled targets/qemu/step_count.c; its name in the cache is a hash of all inputs.

    Raises ToolMissing without a C compiler for this computer.
    """
    source = resource_dir("targets") / "qemu" / SOURCE
    compiler = find_host_compiler()
    key = repr((compiler.name, compiler.version, FLAGS)).encode() + source.read_bytes()
    library = cache_dir("qemu") / f"step_count-{hashlib.sha256(key).hexdigest()[:16]}.so"
    if library.is_file():
        return library
    with tempfile.TemporaryDirectory(dir=library.parent) as name:
        folder = Path(name)
        shutil.copyfile(source, folder / SOURCE)
        flags = (*FLAGS, *host_flags(compiler))
        command = (*compiler.command, *flags, SOURCE, "-o", "plugin.so")
        run_compiler(command, cwd=folder, environment=environment_in(compiler, folder))
        os.replace(folder / "plugin.so", library)
    return library
