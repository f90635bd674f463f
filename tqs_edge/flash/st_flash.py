"""st-flash of stlink-tools: write, read back for our own comparison, reset (st-flash(1), 1.7)."""

from __future__ import annotations

from pathlib import Path

from tqs_edge.flash.commands import Program, Step, span
from tqs_edge.flash.job import FlashJob, Stage


def _steps(job: FlashJob, folder: Path) -> tuple[Step, ...]:
    start = ["st-flash"]
    if job.probe:
        start += ["--serial", job.probe]

    def read(stage: Stage, origin: int, size: int) -> Step:
        content = folder / f"{stage.name.lower()}.bin"
        words = (*start, "read", str(content), f"{origin:#x}", f"{size:#x}")
        return Step(stage, words, content, origin)

    steps = []
    if job.backup is not None:
        steps.append(read(Stage.BACKUP, job.board.flash_origin, job.board.flash_bytes))
    if job.chip_erase:
        steps.append(Step(Stage.PROGRAM, (*start, "erase")))
    steps.append(Step(Stage.PROGRAM, (*start, "--format", "ihex", "write", str(job.images["hex"]))))
    steps.append(read(Stage.VERIFY, *span(job)))
    steps.append(Step(Stage.RESET, (*start, "reset")))
    return tuple(steps)


ST_FLASH = Program(
    "st-flash", "st-flash", "run: apt-get install stlink-tools", _steps, compares=False
)
