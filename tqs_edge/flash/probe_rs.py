"""probe-rs: download with verification, then reset (probe-rs 0.2x, `probe-rs download --help`)."""

from __future__ import annotations

from pathlib import Path

from tqs_edge.errors import InputError
from tqs_edge.flash.commands import Program, Step
from tqs_edge.flash.job import FlashJob, Stage


def _steps(job: FlashJob, folder: Path) -> tuple[Step, ...]:
    board = job.board
    if board.probe_rs_chip is None:
        raise InputError(f"board '{board.name}' has no probe_rs_chip; add it, or choose a --tool")
    if job.backup is not None:
        raise InputError("probe-rs cannot save flash to a file; leave --backup out or use pyocd")
    where = ["--chip", board.probe_rs_chip, "--non-interactive"]
    if job.probe:
        where += ["--probe", job.probe]
    erase = ["--chip-erase"] if job.chip_erase else []
    image = str(job.images["hex"])
    download = ("probe-rs", "download", *where, *erase, "--verify", "--binary-format", "hex", image)
    return (
        Step(Stage.PROGRAM, download),
        Step(Stage.RESET, ("probe-rs", "reset", *where)),
    )


PROBE_RS = Program(
    "probe-rs", "probe-rs", "see https://probe.rs/docs/getting-started/installation", _steps, True
)
