"""pyOCD through its Python API: connect, check the part, save, program, read back, reset."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqs_edge.errors import TqsError
from tqs_edge.flash.deadline import TimedOut, run_within
from tqs_edge.flash.debugger import (
    choose_probe,
    connect,
    connected_probes,
    require_pyocd,
    words_of,
)
from tqs_edge.flash.image_file import save_backup
from tqs_edge.flash.job import Flashed, FlashFailed, FlashJob, Progress, Stage, first_difference
from tqs_edge.flash.part import check_part

if TYPE_CHECKING:
    from pyocd.core.session import Session
    from pyocd.probe.debug_probe import DebugProbe

BLOCK = 4096  # bytes read between two looks at the clock


def describe(job: FlashJob) -> tuple[str, ...]:
    """What `flash` would do as a command line of pyOCD, which alone would not read back."""
    words = ["pyocd", "flash", "-W", "-t", str(job.board.pyocd_target)]
    words += ["-u", job.probe] if job.probe else []
    words += ["-e", "chip" if job.chip_erase else "sector", str(job.images["hex"])]
    return (shlex.join(words), "(through its Python API, then read back and compare, then reset)")


def flash(job: FlashJob, progress: Progress) -> Flashed:
    """Writes the image and makes sure of it; the part is only restarted when it is right.

    Raises ToolMissing, InputError for another part or an ambiguous probe, FlashFailed.
    """
    require_pyocd()
    probe = choose_probe(connected_probes(), job.probe, None)
    stage = Stage.CONNECT

    def report(now: Stage, part: float) -> None:
        nonlocal stage
        stage = now
        progress(now, part)

    try:
        run_within(job.timeout, lambda check: _flash(job, probe, report, check))
    except TqsError as error:
        if stage is Stage.CONNECT or isinstance(error, FlashFailed):
            raise
        raise FlashFailed(stage, str(error)) from None
    except TimedOut:
        raise FlashFailed(stage, f"no end after {job.timeout:g} s") from None
    except KeyboardInterrupt:
        raise FlashFailed(stage, "interrupted") from None
    except Exception as error:  # pyOCD and USB drivers raise many kinds
        raise FlashFailed(stage, words_of(error)) from None
    return Flashed("pyocd", probe.unique_id, read_back=True)


def _flash(job: FlashJob, probe: DebugProbe, progress: Progress, check: Callable[[], None]) -> None:
    def step(stage: Stage, part: float) -> None:
        check()
        progress(stage, part)

    step(Stage.CONNECT, 0.0)
    with connect(probe, job.board, halt=True, unlock=job.unlock) as session:
        target = session.target
        try:
            check_part(job.board, lambda address: int(target.read32(address)))
            if job.backup is not None:
                _back_up(job, job.backup, target, step)
        except BaseException:
            target.resume()  # nothing was touched: the old firmware goes on
            raise
        _program(job, session, step)
        _compare(job, target, step)
        step(Stage.RESET, 0.0)
        target.reset()
        progress(Stage.RESET, 1.0)


def _back_up(job: FlashJob, path: Path, target: Any, step: Progress) -> None:
    origin, size = job.board.flash_origin, job.board.flash_bytes
    content = _read(target, origin, size, lambda part: step(Stage.BACKUP, part))
    save_backup(path, origin, content)


def _program(job: FlashJob, session: Session, step: Progress) -> None:
    from pyocd.flash.loader import FlashLoader

    step(Stage.PROGRAM, 0.0)
    loader = FlashLoader(
        session,
        progress=lambda part: step(Stage.PROGRAM, part),
        chip_erase="chip" if job.chip_erase else "sector",
    )
    for segment in job.segments:
        loader.add_data(segment.address, list(segment.content))
    loader.commit()


def _compare(job: FlashJob, target: Any, step: Progress) -> None:
    """pyOCD does not verify: a lost word shows here, or nowhere."""
    step(Stage.VERIFY, 0.0)
    found: list[bytes] = []
    for segment in job.segments:
        before = sum(map(len, found))

        def advance(part: float, before: int = before, size: int = len(segment.content)) -> None:
            step(Stage.VERIFY, (before + part * size) / job.bytes)

        found.append(_read(target, segment.address, len(segment.content), advance))
    if difference := first_difference(job.segments, found):
        raise FlashFailed(Stage.VERIFY, difference)


def _read(target: Any, address: int, size: int, advance: Callable[[float], None]) -> bytes:
    """`size` bytes of the part's memory from `address` on."""
    content = bytearray()
    while len(content) < size:
        count = min(BLOCK, size - len(content))
        content += bytes(target.read_memory_block8(address + len(content), count))
        advance(len(content) / size)
    return bytes(content)
