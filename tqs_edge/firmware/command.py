"""The one place that starts compilers."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqs_edge.errors import BuildError

COMPILER_TIMEOUT = 300.0  # seconds; the first zig link of a core compiles its run-time library


def run_compiler(
    arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> str:
    """What the command printed on stderr. Raises BuildError with its first error line."""
    environment = {**os.environ, "LC_ALL": "C", **(environment or {})}
    try:
        done = subprocess.run(
            arguments,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMPILER_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(
            f"no end after {COMPILER_TIMEOUT:.0f} s: {shlex.join(arguments)}"
        ) from None
    if done.returncode:
        raise CompilerFailed(arguments, done.stderr or done.stdout)
    return done.stderr


class CompilerFailed(BuildError):
    """A compiler or linker returned an error; `output` is all it printed."""

    def __init__(self, arguments: Sequence[str], output: str) -> None:
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        first = (errors or lines or ["no message"])[0]
        super().__init__(f"{first} (command: {shlex.join(arguments)})")
        self.output = output
