"""picotool for RP2040 and RP2350 in their boot loader (picotool 2, `picotool help load`)."""

from __future__ import annotations

from pathlib import Path

from tqs_edge.flash.commands import Program, Step
from tqs_edge.flash.job import FlashJob, Stage


def _steps(job: FlashJob, folder: Path) -> tuple[Step, ...]:
    where = ["--ser", job.probe] if job.probe else []
    steps = []
    origin, size = job.board.flash_origin, job.board.flash_bytes
    if job.backup is not None:
        content = folder / "backup.bin"
        bounds = ("-r", f"{origin:#x}", f"{origin + size:#x}")
        words = ("picotool", "save", *bounds, str(content), *where)
        steps.append(Step(Stage.BACKUP, words, content, origin))
    if job.chip_erase:
        steps.append(Step(Stage.PROGRAM, ("picotool", "erase", "-a", *where)))
    image = str(job.images["bin"])
    load = ("picotool", "load", "-v", image, "-o", f"{job.segments[0].address:#x}", *where)
    steps.append(Step(Stage.PROGRAM, load))
    steps.append(Step(Stage.RESET, ("picotool", "reboot", *where)))
    return tuple(steps)


PICOTOOL = Program(
    "picotool", "picotool", "see https://github.com/raspberrypi/picotool", _steps, compares=True
)
