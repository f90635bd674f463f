"""OpenOCD: one start for backup, one for program, verify and reset (OpenOCD manual 0.12)."""

from __future__ import annotations

from pathlib import Path

from tqs_edge.errors import InputError
from tqs_edge.flash.commands import Program, Step
from tqs_edge.flash.job import FlashJob, Stage


def _steps(job: FlashJob, folder: Path) -> tuple[Step, ...]:
    board = job.board
    if not board.openocd_config:
        raise InputError(f"board '{board.name}' has no openocd_config; add it, or choose a --tool")
    start = ["openocd"]
    for config in board.openocd_config:
        start += ["-f", config]
    if job.probe:
        start += ["-c", f"adapter serial {job.probe}"]
    steps = []
    if job.backup is not None:
        content = folder / "backup.bin"
        read = f"dump_image {content} {board.flash_origin:#x} {board.flash_bytes:#x}"
        words = (*start, "-c", f"init; reset halt; {read}; reset run; shutdown")
        steps.append(Step(Stage.BACKUP, words, content, board.flash_origin))
    erase = "init; reset halt; flash erase_sector 0 0 last; " if job.chip_erase else ""
    program = f"{erase}program {job.images['hex']} verify reset exit"
    return (*steps, Step(Stage.PROGRAM, (*start, "-c", program)))


OPENOCD = Program("openocd", "openocd", "run: apt-get install openocd", _steps, compares=True)
