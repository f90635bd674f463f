"""Copying a .uf2 to the drive that a boot loader shows; nothing can be read back from it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from tqs_edge.errors import InputError, RunnerError
from tqs_edge.flash.job import Flashed, FlashFailed, FlashJob, Progress, Stage

MOUNTS = ("/media", "/run/media", "/Volumes", "/mnt")
MARK = "INFO_UF2.TXT"
PAUSE = 0.2  # seconds between two looks at the drive


def describe(job: FlashJob) -> tuple[str, ...]:
    """The copy as a command line."""
    drive = job.drive or Path("/media/USER") / str(job.board.uf2_drive)
    return (f"cp {_image(job)} {drive}/",)


def flash(job: FlashJob, progress: Progress) -> Flashed:
    """Copies the image and waits until the boot loader has taken it and its drive is gone.

    Raises InputError where the board has no .uf2 or something else is asked that a drive cannot
    do, RunnerError without a drive, FlashFailed.
    """
    image = _image(job)
    if job.backup is not None or job.chip_erase:
        raise InputError("a UF2 drive can neither save nor erase; use pyocd or picotool for that")
    drive = _drive(job)
    progress(Stage.PROGRAM, 0.0)
    try:
        with image.open("rb") as source, (drive / image.name).open("wb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as error:
        # The boot loader may restart the board as soon as it has the last block.
        if (drive / MARK).exists():
            raise FlashFailed(Stage.PROGRAM, f"'{drive}': {error.strerror}") from None
    except KeyboardInterrupt:
        raise FlashFailed(Stage.PROGRAM, "interrupted") from None
    progress(Stage.PROGRAM, 1.0)
    _wait_until_gone(drive, job.timeout)
    return Flashed("uf2", None, read_back=False)


def _image(job: FlashJob) -> Path:
    if "uf2" not in job.images:
        raise InputError(f"board '{job.board.name}' has no uf2_family, so there is no .uf2 for it")
    return job.images["uf2"]


def _drive(job: FlashJob) -> Path:
    """The drive's folder: the given one, or the only mounted one with the board's label."""
    if job.drive is not None:
        if not (job.drive / MARK).is_file():
            raise InputError(f"'{job.drive}' is no UF2 drive: it has no {MARK}")
        return job.drive
    label = str(job.board.uf2_drive)
    places = [place for root in MOUNTS for place in Path(root).glob("*/" + label)]
    places += [Path(root) / label for root in MOUNTS]
    found = [place for place in places if (place / MARK).is_file()]
    if not found:
        raise RunnerError(
            f"no drive called {label} is mounted; hold BOOTSEL (or double-tap reset) while "
            "connecting the board, or give its folder as --drive"
        )
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise InputError(f"several boards are in their boot loader: {names}; give one as --drive")
    return found[0]


def _wait_until_gone(drive: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while (drive / MARK).exists():
        if time.monotonic() > deadline:
            raise FlashFailed(
                Stage.RESET,
                f"the boot loader kept its drive for {timeout:g} s: it refused the image",
            )
        time.sleep(PAUSE)
