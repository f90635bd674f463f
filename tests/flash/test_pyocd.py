"""Unmodified pyOCD, its discovery and Nordic's own flash algorithm against a simulated part."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from pathlib import Path

import pytest
from intelhex import IntelHex

from tests.flash.conftest import Connected
from tests.flash.sim_chip import FLASH_BYTES, OLD_FIRMWARE, Faults, SimChip
from tests.flash.sim_probe import SimProbe
from tqs_edge.errors import InputError, RunnerError, ToolMissing
from tqs_edge.firmware.board import load_core
from tqs_edge.flash import pyocd
from tqs_edge.flash.job import FlashFailed, FlashJob, Stage

pytestmark = [pytest.mark.arm, pytest.mark.unicorn]


def ignore(stage: Stage, part: float) -> None: ...


def content(chip: SimChip, job: FlashJob) -> bytes:
    return b"".join(chip.flash(s.address, len(s.content)) for s in job.segments)


def image(job: FlashJob) -> bytes:
    return b"".join(segment.content for segment in job.segments)


def test_the_image_is_written_compared_and_started(job: FlashJob, connected: Connected) -> None:
    chip = SimChip()
    connected(SimProbe(chip))
    seen: list[tuple[Stage, float]] = []
    done = pyocd.flash(job, lambda stage, part: seen.append((stage, part)))
    assert done.read_back and done.probe == "SIM0"
    assert content(chip, job) == image(job)
    assert chip.counts.violations == [] and chip.counts.erases == 2
    assert chip.running and chip.counts.resets > 1
    stages = [stage for stage, _ in seen]
    assert list(dict.fromkeys(stages)) == [Stage.CONNECT, Stage.PROGRAM, Stage.VERIFY, Stage.RESET]
    assert all(0 <= part <= 1 for _, part in seen) and seen[-1] == (Stage.RESET, 1.0)
    # Behind the image nothing was touched: sectors, not the chip, are erased.
    assert chip.flash(3 * 4096, 4096) == b"\xa5" * 4096


def test_chip_erase_leaves_nothing_of_the_old(job: FlashJob, connected: Connected) -> None:
    chip = SimChip()
    connected(SimProbe(chip))
    pyocd.flash(dataclasses.replace(job, chip_erase=True), ignore)
    assert chip.flash(3 * 4096, FLASH_BYTES - 3 * 4096).strip(b"\xff") == b""


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(drop_word=100), r"\d bytes differ from the image, the first at 0x0000018c"),
        (Faults(ignore_erase=True), "bytes differ from the image"),
    ],
)
def test_what_pyocd_takes_for_success_fails_the_read_back(
    faults: Faults, words: str, job: FlashJob, connected: Connected
) -> None:
    chip = SimChip(faults)
    connected(SimProbe(chip))
    resets = chip.counts.resets
    with pytest.raises(FlashFailed, match=words) as error:
        pyocd.flash(job, ignore)
    assert error.value.stage is Stage.VERIFY
    assert not chip.running, "a broken image must not run"
    assert chip.counts.resets <= resets + 1  # at most the one of the connection


@pytest.mark.slow
def test_a_pulled_cable_is_reported_with_the_stage(job: FlashJob, connected: Connected) -> None:
    probe = SimProbe(SimChip())
    connected(probe)
    pyocd.flash(job, ignore)
    stages = set()
    for lost_at in range(0, probe.operations, probe.operations // 6):
        connected(SimProbe(SimChip(), lose_after=lost_at))
        with pytest.raises(RunnerError, match=r"unplugged|does not answer") as error:
            pyocd.flash(job, ignore)
        stages.add(getattr(error.value, "stage", Stage.CONNECT))
    assert {Stage.CONNECT, Stage.PROGRAM, Stage.VERIFY} <= stages


def test_the_old_content_is_saved_first_and_can_be_written_back(
    job: FlashJob, connected: Connected, tmp_path: Path
) -> None:
    chip = SimChip()
    connected(SimProbe(chip))
    backup, size = tmp_path / "old.hex", 0x8000
    job = dataclasses.replace(job, board=dataclasses.replace(job.board, flash_bytes=size))
    pyocd.flash(dataclasses.replace(job, backup=backup), ignore)
    assert IntelHex(str(backup)).tobinstr() == OLD_FIRMWARE.ljust(size, b"\xa5")
    # Backing up alone does not change the part: the cable is pulled while it is read.
    other = SimChip()
    connected(SimProbe(other, lose_after=2000))
    with pytest.raises(FlashFailed) as error:
        pyocd.flash(dataclasses.replace(job, backup=tmp_path / "b.hex"), ignore)
    assert error.value.stage is Stage.BACKUP and not (tmp_path / "b.hex").exists()
    assert other.flash(0, FLASH_BYTES) == OLD_FIRMWARE.ljust(FLASH_BYTES, b"\xa5")


@pytest.mark.parametrize(
    ("board", "words"),
    [
        ({"part_id": (0x10000100, 0xFFFFFFFF, 0x52840)}, "identifies itself as 0x52832"),
        ({"core": load_core("cortex-m0")}, "has a cortex-m4, but this firmware is for nrf52dk"),
    ],
)
def test_another_part_is_refused_and_goes_on_as_it_was(
    board: dict[str, object], words: str, job: FlashJob, connected: Connected
) -> None:
    chip = SimChip()
    connected(SimProbe(chip))
    other = dataclasses.replace(job.board, **board)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        pyocd.flash(dataclasses.replace(job, board=other), ignore)
    assert chip.counts.erases == 0 and chip.running


def test_a_part_that_pyocd_lacks_is_a_missing_tool(job: FlashJob, connected: Connected) -> None:
    connected(SimProbe(SimChip()))
    unknown = dataclasses.replace(job.board, pyocd_target="stm32f9unknown")
    with pytest.raises(ToolMissing, match="pyocd pack install stm32f9unknown"):
        pyocd.flash(dataclasses.replace(job, board=unknown), ignore)
    without = dataclasses.replace(job.board, pyocd_target=None)
    with pytest.raises(InputError, match="no pyocd_target"):
        pyocd.flash(dataclasses.replace(job, board=without), ignore)


def test_no_probe_is_an_error_at_once(job: FlashJob, connected: Connected) -> None:
    connected()
    start = time.monotonic()
    with pytest.raises(RunnerError, match="no debug probe is connected"):
        pyocd.flash(job, ignore)
    assert time.monotonic() - start < 2


def test_a_probe_that_hangs_ends_within_the_timeout(
    job: FlashJob, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tqs_edge.flash.deadline.GRACE", 0.1)
    probe = SimProbe(SimChip())
    probe.before_operation = lambda: time.sleep(0.01)
    connected(probe)
    with pytest.raises(FlashFailed, match=r"no end after 0.5 s"):
        pyocd.flash(dataclasses.replace(job, timeout=0.5), ignore)
    probe.lose_after = 0  # lets the thread end


def test_ctrl_c_is_reported_as_what_it_leaves(job: FlashJob, connected: Connected) -> None:
    chip = SimChip()
    probe = SimProbe(chip)
    connected(probe)

    main_thread, noticed = threading.get_ident(), threading.Event()

    def interrupt(number: int, frame: object) -> None:
        noticed.set()
        raise KeyboardInterrupt

    def press_once() -> None:
        if probe.operations == 1500:
            signal.pthread_kill(main_thread, signal.SIGINT)
            assert noticed.wait(60)  # a busy machine takes its time
            time.sleep(0.5)

    probe.before_operation = press_once
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(FlashFailed, match="interrupted") as error:
            pyocd.flash(job, ignore)
    finally:
        signal.signal(signal.SIGINT, before)
    assert error.value.stage is Stage.PROGRAM and not chip.running
