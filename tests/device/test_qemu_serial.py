"""The device firmware itself on QEMU's boards, through their serial ports and semihosting."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.device.ports import spoiler
from tests.device.qemu_board import Proxy, build_for, free_port, open_serial, power_on, running
from tests.firmware.toy_models import FAULT_BODY, WINDOWED_BODY, recurrent_twin, toy_bundle
from tqs_edge.device.port import SerialPort
from tqs_edge.device.runner import run_board
from tqs_edge.errors import RunnerError
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.run.run_log import RunLog
from tqs_edge.run.runner import run

pytestmark = [pytest.mark.arm, pytest.mark.qemu]
ROWS, HORIZON = 4, 60


def run_at(
    firmware: Firmware, url: str, contexts: int = 3, *, halfway: Callable[[], None] | None = None
) -> RunLog:
    """The toy model's rollouts through the port at `url`, compared with its twin.

    halfway: called once, before the second half of the contexts
    """
    waiting = [halfway] if halfway is not None else []

    def done(finished: int, total: int) -> None:
        if finished >= total // 2 and waiting:
            waiting.pop()()

    rng = np.random.default_rng(contexts)
    inputs = rng.integers(-3000, 3000, (contexts, ROWS, 2)).astype(np.int16)
    exog = rng.integers(-99, 99, (contexts, ROWS + HORIZON - 1, 2)).astype(np.int16)
    log = run_board(
        firmware,
        inputs,
        HORIZON,
        lambda: open_serial(url),
        exog=exog,
        patience=30.0,  # the machine may be busy
        repeat_after=0.1,
        done=done,
    )
    np.testing.assert_array_equal(log.frames, recurrent_twin(inputs, HORIZON, exog))
    return log


@pytest.fixture(scope="module", params=["uart", "semihosting"])
def firmware(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """Everything that can go wrong on a line goes wrong on both kinds."""
    folder = tmp_path_factory.mktemp(f"an386-{request.param}")
    return build_for("mps2-an386", toy_bundle(exog=2), folder, console=request.param)


@pytest.mark.parametrize(
    ("board", "console", "serial"),
    [
        ("mps2-an385", "uart", 0),
        ("mps3-an547", "uart", 0),
        ("netduinoplus2", "uart", 5),  # USART6
        ("microbit", "uart", 0),
        # The image of the real board, its clock and pin set-up included: USART2 is the second port.
        ("nucleo-f446re", "uart", 1),
        # One of each core; v6-M is the microbit.
        ("microbit", "semihosting", 0),
        ("stm32vldiscovery", "semihosting", 0),
        ("mps2-an505", "semihosting", 0),
        ("mps3-an547", "semihosting", 0),
    ],
)
def test_every_driver_is_bit_exact(board: str, console: str, serial: int, tmp_path: Path) -> None:
    firmware = build_for(board, toy_bundle(exog=2), tmp_path, console=console)
    with running(firmware, serial=serial) as (_, url):
        log = run_at(firmware, url)
    assert log.runner == "board" and log.board == board
    assert log.stack_bytes is not None and 60 < log.stack_bytes < 400
    # QEMU models no cycle counter, and the firmware notices.
    assert log.cycles_per_step is None and "not available" in log.remarks[0]


def test_an_alif_image_serves_the_link_through_the_port_of_its_simulator(tmp_path: Path) -> None:
    """QEMU has no DesignWare UART; memory map, start-up and server are those of the board."""
    board = dataclasses.replace(load_board("alif-e7-devkit"), uart=load_board("mps3-an547").uart)
    firmware = build(toy_bundle(exog=2), board, find_toolchain("gcc", board.core), tmp_path)
    with running(firmware) as (_, url):
        log = run_at(firmware, url)
    assert log.board == "alif-e7-devkit"


@pytest.mark.zig
def test_zig_builds_the_same(tmp_path: Path) -> None:
    firmware = build_for("mps2-an386", toy_bundle(exog=2), tmp_path, "zig")
    with running(firmware) as (_, url):
        run_at(firmware, url)


def test_a_pseudo_terminal_serves_as_well(firmware: Firmware) -> None:
    board = power_on(firmware, None)
    try:
        run_at(firmware, board.pty())
    finally:
        board.stop()


@pytest.mark.parametrize("kind", ["flip", "drop", "insert"])
def test_a_spoiled_line_is_noticed_and_survived(kind: str, firmware: Firmware) -> None:
    with running(firmware) as (_, url):
        proxy = Proxy(url, spoiler(kind, 0.004, seed=3))
        log = run_at(firmware, proxy.url)
        proxy.close()
    assert "the line was not clean" in log.remarks[-1]


def test_a_lost_connection_is_made_again(firmware: Firmware) -> None:
    with running(firmware) as (_, url):
        proxy = Proxy(url, lambda data: data, hang_up_after=2000)
        log = run_at(firmware, proxy.url, contexts=6)
        proxy.close()
    assert proxy.connections == 2 and "1 times the port was reopened" in log.remarks[-1]


def test_the_reset_button_in_between_changes_nothing(firmware: Firmware) -> None:
    with running(firmware) as (board, url):
        run_at(firmware, url, contexts=8, halfway=board.reset)


def test_a_board_without_power_for_a_while_is_found_again(firmware: Firmware) -> None:
    port = free_port()
    boards = [power_on(firmware, port)]

    def power_cycle() -> None:
        boards[0].stop()
        boards.append(power_on(firmware, port))

    try:
        log = run_at(firmware, f"socket://127.0.0.1:{port}", contexts=8, halfway=power_cycle)
    finally:
        boards[-1].stop()
    assert "reopened" in log.remarks[-1]


def test_a_recurrent_model_of_several_rows_starts_behind_zeros(tmp_path: Path) -> None:
    options = {"length": 3, "features": 2, "block": 3, "recurrent": True, "arena": 16}
    firmware = build_for("mps2-an386", toy_bundle(WINDOWED_BODY, **options), tmp_path)
    contexts = np.random.default_rng(4).integers(-900, 900, (2, 8, 2)).astype(np.int16)
    with running(firmware) as (_, url):
        log = run_board(firmware, contexts, 10, lambda: open_serial(url))
    host = run(firmware, contexts, 10, runner="host")
    np.testing.assert_array_equal(log.frames, host.frames)


def test_a_fault_names_the_function(tmp_path: Path) -> None:
    firmware = build_for("mps2-an386", toy_bundle(FAULT_BODY), tmp_path)
    with running(firmware) as (_, url), pytest.raises(RunnerError) as error:
        run_board(firmware, np.zeros((1, 2, 2), np.int16), 3, lambda: open_serial(url))
    assert "mps2-an386: fault on the target: FAULT pc=0x" in str(error.value)
    assert str(error.value).endswith("in tqs_model_step")


def test_firmware_of_another_model_is_refused(firmware: Firmware) -> None:
    record = dataclasses.replace(firmware.record, model_hash="0123456789abcdef")
    other = dataclasses.replace(firmware, record=record)
    with running(firmware) as (_, url), pytest.raises(RunnerError, match="another model"):
        run_at(other, url)


def test_a_port_where_nothing_listens_is_one_line(firmware: Firmware) -> None:
    exog = np.zeros((1, 4, 2), np.int16)
    contexts = np.zeros((1, 2, 2), np.int16)
    for url in (f"socket://127.0.0.1:{free_port()}", "/dev/no-such-port"):
        with pytest.raises(RunnerError, match="the port cannot be opened"):
            run_board(firmware, contexts, 3, partial(SerialPort, url, 115200), exog=exog)
