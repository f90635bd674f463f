"""What is installed, what is missing, what each thing is for, and how to get it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Finding:
    """One tool: `version` is None where it is missing; `needed` where nothing works without it."""

    name: str
    version: str | None
    purpose: str
    install: str
    needed: bool


PACKAGES = (
    ("apache-tvm", "lowering to C and the LLVM executor", True),
    ("torch", "importing and scoring models", True),
    ("numpy", "integer reference", True),
    ("scipy", "exact planning (HiGHS)", True),
    ("cffi", "host runner", True),
    ("ziglang", "C cross-compiler for every core, no root", False),
    ("unicorn", "in-process simulator of M0, M3, M4, M7, M33", False),
    ("pyocd", "flashing boards, and RTT", False),
    ("pyserial", "verification on boards over a serial port", False),
    ("onnx", ".onnx models", False),
    ("onnxruntime", "checking and scoring .onnx models", False),
)
PROGRAMS = (
    ("arm-none-eabi-gcc", "gcc-arm-none-eabi", "the compiler most firmware projects use"),
    ("qemu-system-arm", "qemu-system-arm", "simulated boards incl. Cortex-M55"),
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", "programs for 64-bit Linux boards"),
    ("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf", "programs for 32-bit Linux boards"),
    ("qemu-aarch64", "qemu-user", "running programs for Linux boards"),
    ("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf", "firmware for RISC-V boards"),
    ("qemu-system-riscv32", "qemu-system-misc", "simulated RISC-V boards"),
    ("gdb-multiarch", "gdb-multiarch", "loading firmware like a debugger does"),
    ("chromium", "chromium", "the browser test of the report"),
)


def examine() -> tuple[Finding, ...]:
    """One finding per Python package and per program, in the order they matter."""
    packages = tuple(_package(*row) for row in PACKAGES)
    return packages + tuple(_program(*row) for row in PROGRAMS)


def _package(name: str, purpose: str, needed: bool) -> Finding:
    try:
        version: str | None = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = None
    return Finding(name, version, purpose, f"pip install {name}", needed)


def _program(name: str, package: str, purpose: str) -> Finding:
    install = f"apt-get install --no-install-recommends {package}"
    path = shutil.which(name)
    if path is None:
        return Finding(name, None, purpose, install, False)
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
    first = next(iter(shown.stdout.splitlines()), "unknown version")
    return Finding(name, first, purpose, install, False)
