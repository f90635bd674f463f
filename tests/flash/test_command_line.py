"""`tqs-edge flash` and `tqs-edge verify --runner board`, from the options to the exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import tqs_edge
from tests.cli import factories
from tests.cli.conftest import Cli
from tests.device.qemu_board import free_port, power_on
from tests.flash.conftest import Connected
from tests.flash.sim_chip import OLD_FIRMWARE, Faults, SimChip
from tests.flash.sim_probe import SimProbe
from tqs_edge.pipeline.directory import read_package

pytestmark = [pytest.mark.arm, pytest.mark.unicorn]
USED_BYTES = 0x8000  # of the flash; less to save than all of it


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GRU for a board of the user's own: an nRF52 DK that talks through RTT."""
    folder = tmp_path_factory.mktemp("flash")
    (folder / "mine.toml").write_text(
        f'inherits = "nrf52dk"\nconsole = "rtt"\nflash_bytes = {USED_BYTES}\n'
    )
    return compile_for(str(folder / "mine.toml"), folder / "out")


def compile_for(board: str, output: Path) -> Path:
    model, inputs = factories.small_gru()
    options = {"board": board, "uniform": "a16w8", "rounding": "nearest", "horizon": 12}
    options |= {"runner": "host"}
    tqs_edge.compile(model, example_inputs=inputs, output=output, **options)
    return output


def flashed(chip: SimChip, package: Path) -> bool:
    image = (package / "device.bin").read_bytes()
    return chip.flash(0, len(image)) == image


def test_a_package_is_flashed_and_verified_on_the_part(
    package: Path, cli: Cli, connected: Connected
) -> None:
    chip = SimChip()
    connected(SimProbe(chip))
    outcome = cli("flash", package)
    assert outcome.status == 0 and flashed(chip, package)
    assert "bytes written (pyocd, probe SIM0), read back and equal, restarted" in outcome.out
    outcome = cli("verify", package, "--runner", "board")
    assert outcome.status == 0, outcome.err
    assert "board:mine:" in outcome.out and "10 cycles per step" in outcome.out
    report = json.loads((package / "report.json").read_text())
    link = next(name for name in report["bit_exact"] if name.startswith("board:mine:"))
    assert report["bit_exact"][link] is True
    assert report["on_board"]["cycles_per_step"] == 10
    assert 0 < report["on_board"]["stack_bytes"] < 4096
    assert link in (package / "report.html").read_text()


def test_a_board_that_computes_something_else_fails_the_verification(
    package: Path, cli: Cli, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bit of the frames is changed behind the check of their CRC."""
    chip = SimChip()
    connected(SimProbe(chip))
    assert cli("flash", package).status == 0
    from tqs_edge.device import rollout

    decode = rollout.decode_run

    def wrong(payload: bytes, *rest: object) -> object:
        spoiled = bytearray(payload)
        if len(spoiled) > 40:
            spoiled[40] ^= 1
        return decode(bytes(spoiled), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rollout, "decode_run", wrong)
    outcome = cli("verify", package, "--runner", "board")
    assert outcome.status == 1 and "NO" in outcome.out
    report = json.loads((package / "report.json").read_text())
    (broken,) = (link for link, exact in report["bit_exact"].items() if not exact)
    assert broken.startswith("board:mine") and broken in report["mismatches"]


@pytest.mark.parametrize(
    ("faults", "lose_after", "words"),
    [
        (Faults(drop_word=200), None, "bytes differ from the image"),
        pytest.param(
            Faults(ignore_erase=True), None, "bytes differ from the image", marks=pytest.mark.slow
        ),
        (Faults(), 1300, "unplugged (while erasing and programming)"),
    ],
)
def test_a_failed_flash_says_what_is_on_the_part_and_leaves_a_way_back(
    faults: Faults,
    lose_after: int | None,
    words: str,
    package: Path,
    cli: Cli,
    connected: Connected,
    tmp_path: Path,
) -> None:
    old = tmp_path / "old.hex"
    if lose_after is not None:
        connected(SimProbe(SimChip()))
        assert cli("flash", package, "--backup", old).status == 0
    chip = SimChip(faults)
    connected(SimProbe(chip, lose_after=lose_after))
    options = () if old.exists() else ("--backup", old)
    outcome = cli("flash", package, *options)
    (line,) = outcome.errors
    assert outcome.status == 1 and words in line
    assert "the part now holds" in line and f"to try again: tqs-edge flash {package}" in line
    if options:
        assert f"tqs-edge flash {package} --restore {old}" in line
    else:
        assert "the old content was not saved" in line
    # The way back, with the cable in again and the part in order.
    chip.faults = Faults()
    connected(SimProbe(chip))
    assert cli("flash", package, "--restore", old).status == 0
    assert chip.flash(0, USED_BYTES) == OLD_FIRMWARE.ljust(USED_BYTES, b"\xa5")
    assert cli("flash", package).status == 0 and flashed(chip, package)


def test_a_backup_is_never_overwritten(
    package: Path, cli: Cli, connected: Connected, tmp_path: Path
) -> None:
    connected(SimProbe(SimChip()))
    (tmp_path / "old.hex").write_text("precious")
    outcome = cli("flash", package, "--backup", tmp_path / "old.hex")
    assert outcome.status == 2 and "may be the only copy" in outcome.errors[0]
    assert (tmp_path / "old.hex").read_text() == "precious"


def test_probes_are_never_guessed(package: Path, cli: Cli, connected: Connected) -> None:
    chips = [SimChip(), SimChip()]
    connected(SimProbe(chips[0], "0123AB"), SimProbe(chips[1], "0199CD"))
    outcome = cli("flash", package)
    assert outcome.status == 2 and "0123AB" in outcome.errors[0] and "0199CD" in outcome.errors[0]
    assert cli("flash", package, "--probe", "01").status == 2
    assert cli("flash", package, "--probe", "77").status == 2
    assert not any(chip.counts.erases for chip in chips)
    assert cli("flash", package, "--probe", "0199cd").status == 0
    assert not flashed(chips[0], package) and flashed(chips[1], package)


def test_at_a_terminal_the_probe_is_asked_for(
    package: Path, cli: Cli, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips = [SimChip(), SimChip()]
    connected(SimProbe(chips[0], "AAA"), SimProbe(chips[1], "BBB"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    answers = iter([7, 2])
    monkeypatch.setattr("typer.prompt", lambda *words, **options: next(answers))
    outcome = cli("flash", package)
    assert outcome.status == 0 and "1: AAA (simulated probe)" in outcome.out
    assert flashed(chips[1], package) and not flashed(chips[0], package)


def test_a_dry_run_touches_nothing(package: Path, cli: Cli, connected: Connected) -> None:
    chip = SimChip()
    connected(SimProbe(chip))
    outcome = cli("flash", package, "--dry-run")
    assert outcome.status == 0
    assert outcome.out.startswith("pyocd flash -W -t nrf52832 -e sector ")
    outcome = cli("flash", package, "--dry-run", "--tool", "openocd")
    assert outcome.out.startswith("openocd -f board/nordic_nrf52_dk.cfg")
    assert chip.counts.erases == 0 and chip.counts.resets == 1


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ((), 1, "no debug probe is connected"),
        (("--tool", "jlink"), 2, "unknown tool 'jlink'"),
        (("--tool", "uf2"), 2, "has no uf2_family"),
        (("--restore", "missing.hex"), 2, "cannot be read as Intel HEX"),
        (("--restore", "image.bin"), 2, "only .hex files"),
    ],
)
def test_errors_are_one_line(
    words: tuple[str, ...],
    status: int,
    line: str,
    package: Path,
    cli: Cli,
    connected: Connected,
) -> None:
    connected()
    outcome = cli("flash", package, *words)
    assert outcome.status == status and len(outcome.errors) == 1 and line in outcome.errors[0]


def test_what_is_missing_names_the_extra(
    package: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyocd", None)
    outcome = cli("flash", package)
    assert outcome.status == 3 and "pip install 'tqs-edge[flash]'" in outcome.errors[0]
    monkeypatch.setitem(sys.modules, "serial", None)
    outcome = cli("verify", package, "--runner", "board", "--port", "/dev/null")
    assert outcome.status == 3 and "pip install 'tqs-edge[device]'" in outcome.errors[0]


@pytest.mark.slow
@pytest.mark.qemu
def test_a_board_without_a_link_is_told_so(cli: Cli, tmp_path: Path, connected: Connected) -> None:
    output = compile_for("mps2-an386", tmp_path / "plain")
    for verb in (("verify", output, "--runner", "board"), ("flash", output, "--tool", "openocd")):
        outcome = cli(*verb)
        assert outcome.status == 2 and 'console = "' in outcome.errors[0], verb
    assert "cannot be flashed" in cli("flash", output).errors[0]


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("console", ["uart", "semihosting"])
def test_a_board_with_a_link_is_verified(console: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "linked.toml").write_text(f'inherits = "mps2-an386"\nconsole = "{console}"\n')
    output = compile_for(str(tmp_path / "linked.toml"), tmp_path / "out")
    port = free_port()
    board = power_on(read_package(output).firmware, port)
    try:
        url = f"socket://127.0.0.1:{port}"
        outcomes = [cli("verify", output, "--runner", "board", "--port", url) for _ in range(2)]
    finally:
        board.stop()
    assert outcomes[-1].status == 0, outcomes[-1].err
    assert "cycles are not available" in outcomes[-1].out
    outcome = cli("verify", output, "--runner", "board", "--port", url)
    assert outcome.status == 1 and "the port cannot be opened" in outcome.errors[0]
