"""What is to be written where, and how it can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tqs_edge.errors import RunnerError
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.elf import Segment


class Stage(StrEnum):
    """The steps of a flash, in their order; the value is said as "while ..."."""

    CONNECT = "connecting"
    BACKUP = "saving the old content"
    PROGRAM = "erasing and programming"
    VERIFY = "reading back"
    RESET = "resetting"


Progress = Callable[[Stage, float], None]  # (stage, part of it that is done, 0 to 1)


@dataclass(frozen=True)
class FlashJob:
    """images: files of one content by suffix ("hex", "bin", "elf", "uf2"); segments: that content.

    probe: serial number, or a beginning of it; backup: where the old content goes (.hex)
    chip_erase: all of the flash, not only the sectors that are written; timeout: seconds for all
    unlock: mass-erase a part that is locked against debuggers
    drive: folder of a boot loader's drive, where it is not found by its label
    """

    board: Board
    images: Mapping[str, Path]
    segments: tuple[Segment, ...]
    probe: str | None = None
    backup: Path | None = None
    chip_erase: bool = False
    timeout: float = 120.0
    unlock: bool = False
    drive: Path | None = None

    @property
    def bytes(self) -> int:
        """How much is written."""
        return sum(len(segment.content) for segment in self.segments)


@dataclass(frozen=True)
class Flashed:
    """What was done. read_back: whether the content was read from the part and compared."""

    tool: str
    probe: str | None
    read_back: bool


class FlashFailed(RunnerError):
    """A flash ended early; `stage` is how far it had come, `reason` why, `advice` what to do."""

    def __init__(self, stage: Stage, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason} (while {stage})" + (f"; {advice}" if advice else ""))
        self.stage, self.reason = stage, reason


def first_difference(segments: tuple[Segment, ...], found: list[bytes]) -> str | None:
    """The first byte of the part that is not what was written, and how many are; None: all equal.

    found: the part's content at each segment.
    """
    different = [
        (segment.address + offset, want, got)
        for segment, content in zip(segments, found, strict=True)
        for offset, (want, got) in enumerate(zip(segment.content, content, strict=True))
        if want != got
    ]
    if not different:
        return None
    address, want, got = different[0]
    return (
        f"{len(different)} bytes differ from the image, the first at {address:#010x}: "
        f"wrote {want:#04x}, read {got:#04x}"
    )
