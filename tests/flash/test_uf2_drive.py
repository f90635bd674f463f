from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from tests.firmware.toy_models import toy_bundle
from tqs_edge.errors import InputError, RunnerError
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.flash import uf2_drive
from tqs_edge.flash.image_file import read_hex
from tqs_edge.flash.job import FlashFailed, FlashJob, Stage

pytestmark = pytest.mark.arm


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> FlashJob:
    board = load_board("raspberry-pi-pico")
    firmware = build(toy_bundle(), board, find_toolchain(), tmp_path_factory.mktemp("build"))
    images = firmware.board_images
    assert images["uf2"].name == "device.uf2"
    return FlashJob(board, images, read_hex(images["hex"]), timeout=5.0)


def drive_in(root: Path, job: FlashJob) -> Path:
    drive = root / "user" / str(job.board.uf2_drive)
    drive.mkdir(parents=True)
    (drive / uf2_drive.MARK).write_text("UF2 Bootloader")
    return drive


def ignore(stage: Stage, part: float) -> None: ...


def test_the_image_is_copied_to_the_only_drive(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uf2_drive, "MOUNTS", (str(tmp_path / "media"),))
    with pytest.raises(RunnerError, match="no drive called RPI-RP2 is mounted; hold BOOTSEL"):
        uf2_drive.flash(job, ignore)
    drive = drive_in(tmp_path / "media", job)

    def boot_loader() -> None:
        while not (drive / "device.uf2").is_file():
            time.sleep(0.01)
        time.sleep(0.1)
        (drive / uf2_drive.MARK).unlink()

    thread = threading.Thread(target=boot_loader)
    thread.start()
    done = uf2_drive.flash(job, ignore)
    thread.join()
    assert not done.read_back, "a drive cannot be read back, and nobody says so"
    assert (drive / "device.uf2").read_bytes() == job.images["uf2"].read_bytes()


def test_several_drives_are_never_guessed_among(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uf2_drive, "MOUNTS", (str(tmp_path / "a"), str(tmp_path / "b")))
    drive_in(tmp_path / "a", job)
    drive_in(tmp_path / "b", job)
    with pytest.raises(InputError, match=r"several boards .* give one as --drive"):
        uf2_drive.flash(job, ignore)


def test_a_refused_image_is_a_failure(job: FlashJob, tmp_path: Path) -> None:
    drive = drive_in(tmp_path, job)
    with pytest.raises(FlashFailed, match=r"kept its drive for 0.3 s"):
        uf2_drive.flash(dataclasses.replace(job, drive=drive, timeout=0.3), ignore)


def test_what_a_drive_cannot_do_is_refused(job: FlashJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can neither save nor erase"):
        uf2_drive.flash(dataclasses.replace(job, backup=tmp_path / "x.hex"), ignore)
    with pytest.raises(InputError, match=r"is no UF2 drive: it has no INFO_UF2.TXT"):
        uf2_drive.flash(dataclasses.replace(job, drive=tmp_path), ignore)
    other = dataclasses.replace(job, images={"hex": job.images["hex"]})
    with pytest.raises(InputError, match="has no uf2_family"):
        uf2_drive.describe(other)
    assert uf2_drive.describe(job)[0].startswith("cp ")
