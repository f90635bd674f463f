"""C compilers: where they are, which version, how each is told about a core."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.errors import InputError, ToolMissing
from tqs_edge.firmware.board import Core
from tqs_edge.firmware.optimize import Optimize
from tqs_edge.resources import cache_dir

TOOLCHAINS = ("gcc", "zig")
GCC = "arm-none-eabi-gcc"
WITHOUT_RUNTIME = ("-nostdlib",)
WARNINGS = (
    *("-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wshadow"),
    *("-Wmissing-prototypes", "-Werror"),
)
FIRMWARE_FLAGS = (
    *("-std=c99", "-g0", "-ffreestanding", "-ffunction-sections", "-fdata-sections"),
    # LLVM objects otherwise refer to the C++ unwinder.
    *("-fno-exceptions", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
)


MODEL_SOURCE = "model.c"  # the generated loops; kernels gain nothing from more than -O2


@dataclass(frozen=True)
class Toolchain:
    """An installed C compiler: "gcc" or "zig" for firmware, "cc" or "zig" for the host.

    optimize: what firmware that it builds favours
    """

    name: str
    command: tuple[str, ...]
    version: str
    optimize: Optimize = Optimize.BALANCED


def find_toolchain(
    name: str | None = None,
    core: Core | None = None,
    optimize: Optimize = Optimize.BALANCED,
) -> Toolchain:
    """The cross compiler called `name` for `core`; None takes gcc where it is installed, else zig.

    Without a core it is one for Cortex-M.

    Raises InputError for another name and ToolMissing, with what to install, when it is absent.
    """
    if name not in (None, *TOOLCHAINS):
        raise InputError(f"unknown compiler '{name}'; known: {', '.join(TOOLCHAINS)}")
    program = GCC if core is None else core.gcc
    package = f"gcc-{program.removesuffix('-gcc')}"
    if name != "zig" and (gcc := shutil.which(program)):
        return Toolchain("gcc", (gcc,), _version((gcc, "-dumpfullversion")), optimize)
    if name == "gcc":
        raise ToolMissing(f"{program} is not on PATH; install {package}, or use zig")
    if zig := _zig_program():
        return _zig_toolchain(zig, optimize)
    if name == "zig":
        raise ToolMissing("the zig compiler is not installed; run: pip install ziglang")
    raise ToolMissing(
        f"no compiler: {program} is not on PATH and ziglang is not installed; "
        "run: pip install ziglang"
    )


def find_host_compiler() -> Toolchain:
    """The host's C compiler: cc on PATH, else zig. Raises ToolMissing with what to install."""
    if cc := shutil.which("cc"):
        return Toolchain("cc", (cc,), _version((cc, "-dumpfullversion", "-dumpversion")))
    if zig := _zig_program():
        return _zig_toolchain(zig)
    raise ToolMissing("no C compiler for this computer: cc is not on PATH; pip install ziglang")


def compile_flags(toolchain: Toolchain, core: Core, source: str = "") -> tuple[str, ...]:
    """The flags that compile one file for `core`; its name matters where it is MODEL_SOURCE."""
    shared = (*_optimize_flags(toolchain.optimize, source), *FIRMWARE_FLAGS, *WARNINGS)
    if toolchain.name == "gcc":
        return (*core.gcc_flags, *shared)
    # zig traps undefined behaviour by default, which changes sizes and counts.
    return (*core.zig_flags, "-fno-sanitize=all", *shared)


def link_flags(toolchain: Toolchain, core: Core, script: str) -> tuple[str, ...]:
    """The flags that link objects for `core` with the linker script `script`."""
    if toolchain.name == "gcc":
        own = (*core.gcc_flags, "-nostartfiles", "-nostdlib", f"-T{script}")
        return (*own, "-Wl,--gc-sections", "-Wl,--build-id=none")
    own = (*core.zig_flags, "-fno-sanitize=all", "-ffreestanding", f"-Wl,-T,{script}")
    return (*own, "-Wl,--entry=reset_handler", "-Wl,--gc-sections", "-Wl,--build-id=none", "-g0")


def host_flags(toolchain: Toolchain) -> tuple[str, ...]:
    """What a host compiler needs besides a program's own flags."""
    return ("-fno-sanitize=all",) if toolchain.name == "zig" else ()


def link_attempts(toolchain: Toolchain) -> tuple[tuple[str, ...], ...]:
    """Arguments that close a link, to be tried in turn while symbols stay undefined.

    zig compiles its run-time library, ten seconds for each core, before the first link that may
    use it. Cores with long multiplication need nothing of it.
    """
    return (("-lgcc",),) if toolchain.name == "gcc" else (WITHOUT_RUNTIME, ())


def environment_in(toolchain: Toolchain, folder: Path) -> Mapping[str, str]:
    """Environment variables of a compilation in `folder`.

    zig's run-time libraries are cached for all builds, objects of this build only inside `folder`.
    """
    if toolchain.name != "zig":
        return {}
    return {
        "ZIG_GLOBAL_CACHE_DIR": str(cache_dir("zig")),
        "ZIG_LOCAL_CACHE_DIR": str(folder / "zig-cache"),
    }


def _optimize_flags(optimize: Optimize, source: str) -> tuple[str, ...]:
    if optimize is Optimize.SPEED and source == MODEL_SOURCE:
        return ("-O3", "-funroll-loops")
    return ("-Os",) if optimize is Optimize.SIZE else ("-O2",)


def _zig_program() -> Path | None:
    """The compiler inside the ziglang wheel, without importing it."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / ("zig.exe" if os.name == "nt" else "zig")
    return program if program.is_file() else None


def _zig_toolchain(zig: Path, optimize: Optimize = Optimize.BALANCED) -> Toolchain:
    return Toolchain("zig", (str(zig), "cc"), _version((str(zig), "version")), optimize)


def _version(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    match = re.search(r"\d+(\.\d+)+\S*|\d+", done.stdout)
    if done.returncode or match is None:
        raise ToolMissing(f"{command[0]} does not run: {done.stderr.strip() or 'no version'}")
    return match.group(0)
