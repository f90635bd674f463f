"""Tools that are programs: which commands they need, running them, saying what went wrong."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.errors import ToolMissing
from tqs_edge.flash.image_file import save_backup
from tqs_edge.flash.job import Flashed, FlashFailed, FlashJob, Progress, Stage, first_difference


@dataclass(frozen=True)
class Step:
    """One command. reads: the file that it fills with the part's content from `origin` on."""

    stage: Stage
    words: tuple[str, ...]
    reads: Path | None = None
    origin: int = 0


@dataclass(frozen=True)
class Program:
    """A tool that is started. steps(job, folder): its commands, which may leave files in `folder`.

    install: how to get it; compares: whether its own commands verify what they wrote
    """

    name: str
    program: str
    install: str
    steps: Callable[[FlashJob, Path], tuple[Step, ...]]
    compares: bool

    def describe(self, job: FlashJob) -> tuple[str, ...]:
        """The command lines that `flash` would run."""
        return tuple(shlex.join(step.words) for step in self.steps(job, Path("FOLDER")))

    def flash(self, job: FlashJob, progress: Progress) -> Flashed:
        """Runs every command, then compares what it read back.

        Raises ToolMissing where the program is not installed, FlashFailed.
        """
        if shutil.which(self.program) is None:
            raise ToolMissing(f"{self.program} is not on PATH; {self.install}")
        deadline = time.monotonic() + job.timeout
        with tempfile.TemporaryDirectory(prefix="tqs-flash-") as name:
            steps = self.steps(job, Path(name))
            for step in steps:
                progress(step.stage, 0.0)
                _run(step, deadline - time.monotonic())
                _use(step, job)
                progress(step.stage, 1.0)
        checked = self.compares or any(s.reads and s.stage is Stage.VERIFY for s in steps)
        return Flashed(self.name, job.probe, read_back=checked)


def _run(step: Step, timeout: float) -> None:
    try:
        done = subprocess.run(
            step.words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=max(timeout, 0.0),
        )
    except subprocess.TimeoutExpired:
        raise FlashFailed(step.stage, f"no end in time: {shlex.join(step.words)}") from None
    except KeyboardInterrupt:
        raise FlashFailed(step.stage, "interrupted") from None
    if done.returncode:
        raise FlashFailed(step.stage, f"{_complaint(done)}; command: {shlex.join(step.words)}")


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The line that says why: the first with "error" in it, else the last."""
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return next(iter(errors or lines[-1:]), f"exit status {done.returncode} without a word")


def _use(step: Step, job: FlashJob) -> None:
    """Saves or compares what a command read."""
    if step.reads is None:
        return
    content = step.reads.read_bytes() if step.reads.is_file() else b""
    if step.stage is Stage.BACKUP and job.backup is not None:
        save_backup(job.backup, step.origin, content)
        return
    found = []
    for segment in job.segments:
        begin = segment.address - step.origin
        piece = content[begin : begin + len(segment.content)]
        if len(piece) != len(segment.content):
            raise FlashFailed(step.stage, f"only {len(content)} bytes could be read back")
        found.append(piece)
    if difference := first_difference(job.segments, found):
        raise FlashFailed(step.stage, difference)


def span(job: FlashJob) -> tuple[int, int]:
    """(lowest address, bytes) of what is written, gaps included."""
    begin = min(segment.address for segment in job.segments)
    end = max(segment.address + len(segment.content) for segment in job.segments)
    return begin, end - begin
