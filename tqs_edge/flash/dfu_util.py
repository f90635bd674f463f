"""dfu-util with the ROM boot loader of STM32 parts (DfuSe): download, upload, leave.

The board has to be in its boot loader (BOOT0 high at reset). dfu-util(1), 0.11.
"""

from __future__ import annotations

from pathlib import Path

from tqs_edge.errors import InputError
from tqs_edge.flash.commands import Program, Step, span
from tqs_edge.flash.job import FlashJob, Stage


def _steps(job: FlashJob, folder: Path) -> tuple[Step, ...]:
    board = job.board
    if board.dfu_id is None:
        raise InputError(f"board '{board.name}' has no dfu_id; add it, or choose another --tool")
    start = ["dfu-util", "-d", board.dfu_id, "-a", "0"]
    if job.probe:
        start += ["-S", job.probe]

    def read(stage: Stage, origin: int, size: int, *, leave: bool) -> Step:
        content = folder / f"{stage.name.lower()}.bin"
        place = f"{origin:#x}:{size}" + (":leave" if leave else "")
        return Step(stage, (*start, "-s", place, "-U", str(content)), content, origin)

    steps = []
    if job.backup is not None:
        steps.append(read(Stage.BACKUP, board.flash_origin, board.flash_bytes, leave=False))
    origin, size = span(job)
    place = f"{origin:#x}" + (":mass-erase:force" if job.chip_erase else "")
    steps.append(Step(Stage.PROGRAM, (*start, "-s", place, "-D", str(job.images["bin"]))))
    steps.append(read(Stage.VERIFY, origin, size, leave=True))
    return tuple(steps)


DFU_UTIL = Program("dfu-util", "dfu-util", "run: apt-get install dfu-util", _steps, compares=False)
