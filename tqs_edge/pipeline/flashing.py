"""Stage 8: the firmware of a compiled directory onto a real board."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.elf import ElfImage, Segment
from tqs_edge.firmware.image import binary_image
from tqs_edge.firmware.uf2 import uf2_image
from tqs_edge.flash.debugger import PickProbe, choose_probe, connected_probes
from tqs_edge.flash.image_file import read_hex
from tqs_edge.flash.job import Flashed, FlashFailed, FlashJob, Progress, Stage
from tqs_edge.flash.tools import TOOLS, tool_for
from tqs_edge.pipeline.directory import read_package

UNTOUCHED = "the part was not touched"
LEFT_BEHIND = {
    Stage.CONNECT: UNTOUCHED,
    Stage.BACKUP: UNTOUCHED,
    Stage.PROGRAM: "the part now holds parts of the old and of the new image; it must not run",
    Stage.VERIFY: "the part now holds the new image with errors, or unchecked; it was not started",
    Stage.RESET: "the part holds the new image; restart it with its reset button",
}


@dataclass(frozen=True)
class FlashOptions:
    """What `tqs-edge flash` was asked for; FlashJob has the meanings.

    restore: a .hex to write in place of the package's firmware
    """

    tool: str | None = None
    probe: str | None = None
    backup: Path | None = None
    restore: Path | None = None
    chip_erase: bool = False
    unlock: bool = False
    drive: Path | None = None
    timeout: float = 120.0


def describe_flash(directory: Path, options: FlashOptions) -> tuple[str, ...]:
    """The commands that `flash_package` would run; nothing is touched."""
    with _job(directory, options) as job:
        return TOOLS[tool_for(job.board, options.tool)].describe(job)


def choose_flash_probe(
    directory: Path, options: FlashOptions, pick: PickProbe | None
) -> FlashOptions:
    """`options` with the probe that is meant, where the tool is pyOCD; others choose themselves.

    Raises RunnerError without a probe, InputError for an ambiguous one where nobody can pick.
    """
    with _job(directory, options) as job:
        if tool_for(job.board, options.tool) != "pyocd":
            return options
    chosen = choose_probe(connected_probes(), options.probe, pick)
    return replace(options, probe=chosen.unique_id)


def flash_package(
    directory: Path, options: FlashOptions, progress: Progress
) -> tuple[Flashed, FlashJob]:
    """Writes the firmware in `directory` to its board, or what `restore` names.

    Raises InputError, ToolMissing, RunnerError without a probe, and FlashFailed, which then says
    what the part holds and what to do.
    """
    with _job(directory, options) as job:
        tool = TOOLS[tool_for(job.board, options.tool)]
        try:
            return tool.flash(job, progress), job
        except FlashFailed as error:
            advice = _way_back(error.stage, directory, options)
            raise FlashFailed(error.stage, error.reason, advice) from None


def _way_back(stage: Stage, directory: Path, options: FlashOptions) -> str:
    """What the part holds after a flash that ended in `stage`, and what can be done."""
    again = f"to try again: tqs-edge flash {directory}"
    if options.restore is not None:
        again += f" --restore {options.restore}"
    old = "the old content was not saved"
    if options.backup is not None and stage is not Stage.BACKUP:
        old = f"to get the old content back: tqs-edge flash {directory} --restore {options.backup}"
    touched = LEFT_BEHIND[stage] != UNTOUCHED and stage is not Stage.RESET
    return "; ".join((LEFT_BEHIND[stage], again, *((old,) if touched else ())))


@contextmanager
def _job(directory: Path, options: FlashOptions) -> Iterator[FlashJob]:
    """The job for `options`; files that are made for it live until the end."""
    firmware = read_package(directory).firmware
    board = firmware.board
    tool_for(board, options.tool)
    if options.backup is not None and options.backup.exists():
        raise InputError(
            f"'{options.backup}' exists and may be the only copy of an image; choose another name"
        )
    with tempfile.TemporaryDirectory(prefix="tqs-image-") as name:
        if options.restore is not None:
            segments = read_hex(options.restore)
            images = _files_of(segments, board, Path(name), options.restore)
        else:
            if not firmware.has_link:
                raise InputError(
                    f"board '{board.name}' has console = \"none\": its firmware is for simulators; "
                    'set console = "uart", "rtt" or "semihosting" and compile again'
                )
            images = firmware.board_images
            segments = read_hex(images["hex"])
        _check_range(segments, board)
        yield FlashJob(
            board=board,
            images=images,
            segments=segments,
            probe=options.probe,
            backup=options.backup,
            chip_erase=options.chip_erase,
            timeout=options.timeout,
            unlock=options.unlock,
            drive=options.drive,
        )


def _files_of(
    segments: tuple[Segment, ...], board: Board, folder: Path, source: Path
) -> Mapping[str, Path]:
    """The content of a .hex in the forms that other tools want."""
    image = ElfImage((), (), segments)
    files = {"hex": source, "bin": folder / "restore.bin"}
    files["bin"].write_bytes(binary_image(image))
    if board.uf2_family is not None:
        files["uf2"] = folder / "restore.uf2"
        files["uf2"].write_bytes(uf2_image(image, board.uf2_family))
    return files


def _check_range(segments: tuple[Segment, ...], board: Board) -> None:
    begin, end = board.flash_origin, board.flash_origin + board.flash_bytes
    for segment in segments:
        last = segment.address + len(segment.content)
        if segment.address < begin or last > end:
            raise InputError(
                f"the image lies at {segment.address:#x} to {last:#x}, outside of the flash of "
                f"{board.name} ({begin:#x} to {end:#x})"
            )
