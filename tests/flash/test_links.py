"""A flashed part verified through the probe that flashed it: RTT, and semihosting's calls."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pyocd.debug.semihost import ConsoleIOHandler, InternalSemihostIOHandler, SemihostAgent

from tests.firmware.toy_models import recurrent_twin, toy_bundle
from tests.flash.conftest import Connected
from tests.flash.sim_chip import SimChip
from tests.flash.sim_probe import SimProbe
from tqs_edge.device.port import OpenPort
from tqs_edge.device.runner import run_board
from tqs_edge.errors import RunnerError
from tqs_edge.firmware.board import Board, load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.flash import pyocd
from tqs_edge.flash.debugger import choose_probe, connect, connected_probes
from tqs_edge.flash.image_file import read_hex
from tqs_edge.flash.job import FlashJob, Stage
from tqs_edge.pipeline.on_board import board_port

pytestmark = [pytest.mark.arm, pytest.mark.unicorn]


def ignore(stage: Stage, part: float) -> None: ...


@pytest.fixture(scope="module", params=["rtt", "semihosting"])
def firmware(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """The toy model for an nRF52 DK, talking through its debug probe."""
    board = dataclasses.replace(load_board("nrf52dk"), console=request.param)
    return build(toy_bundle(exog=2), board, find_toolchain(), tmp_path_factory.mktemp("nrf52"))


def flashed(firmware: Firmware, connected: Connected) -> SimProbe:
    """The only probe, in front of a part that holds `firmware`."""
    probe = SimProbe(SimChip())
    connected(probe)
    images = firmware.board_images
    pyocd.flash(FlashJob(firmware.board, images, read_hex(images["hex"])), ignore)
    return probe


def port_of(firmware: Firmware) -> OpenPort:
    return board_port(firmware, None, None, None)


def test_frames_stack_and_cycles_come_back(firmware: Firmware, connected: Connected) -> None:
    flashed(firmware, connected)
    rng = np.random.default_rng(0)
    contexts = rng.integers(-3000, 3000, (2, 4, 2)).astype(np.int16)
    exog = rng.integers(-99, 99, (2, 23, 2)).astype(np.int16)
    log = run_board(firmware, contexts, 20, port_of(firmware), exog=exog)
    np.testing.assert_array_equal(log.frames, recurrent_twin(contexts, 20, exog))
    assert log.cycles_per_step == 10  # the simulated counter: 10 cycles between two looks
    assert log.remarks == ("the slowest step took 10 cycles",)
    assert log.stack_bytes is not None and 60 < log.stack_bytes < 400


class GdbServersConsole:
    """A Port over pyOCD's own answers to semihosting, as its GDB server serves them at a port."""

    def __init__(self, board: Board) -> None:
        self._stack = contextlib.ExitStack()
        probe = choose_probe(connected_probes(), None, None)
        self._target = self._stack.enter_context(connect(probe, board, halt=False)).target
        self._arrived, self._sent = bytearray(), bytearray()
        console = ConsoleIOHandler(
            SimpleNamespace(read=self._take), SimpleNamespace(write=self._sent.extend)
        )
        context = self._target.get_target_context()
        self._agent = SemihostAgent(context, InternalSemihostIOHandler(), console)
        self._target.reset_and_halt()
        self._target.resume()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._arrived[:size])
        del self._arrived[:size]
        return taken

    def read(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        while not self._sent and time.monotonic() < deadline:
            if self._target.is_halted():
                assert self._agent.check_and_handle_semihost_request()
                self._target.resume()
        sent = bytes(self._sent)
        self._sent.clear()
        return sent

    def write(self, data: bytes) -> None:
        self._arrived += data

    def close(self) -> None:
        self._stack.close()


def test_pyocds_own_console_serves_as_well(connected: Connected, tmp_path: Path) -> None:
    """What `--port` meets behind `pyocd gdbserver`: nothing to read is an error there."""
    board = dataclasses.replace(load_board("nrf52dk"), console="semihosting")
    firmware = build(toy_bundle(exog=2), board, find_toolchain(), tmp_path)
    flashed(firmware, connected)
    contexts, exog = np.full((2, 4, 2), 900, np.int16), np.zeros((2, 23, 2), np.int16)
    log = run_board(firmware, contexts, 20, lambda: GdbServersConsole(board), exog=exog)
    np.testing.assert_array_equal(log.frames, recurrent_twin(contexts, 20, exog))


def test_a_part_with_other_firmware_is_one_line(firmware: Firmware, connected: Connected) -> None:
    connected(SimProbe(SimChip()))
    words = {"rtt": "no RTT block at 0x2000", "semihosting": "no firmware answers within 2 s"}
    nothing = np.zeros((1, 4, 2), np.int16)
    with pytest.raises(RunnerError, match=words[firmware.board.console]):
        run_board(firmware, nothing[:, :2], 3, port_of(firmware), exog=nothing, patience=2.0)


def test_a_pulled_cable_is_one_line(firmware: Firmware, connected: Connected) -> None:
    probe = flashed(firmware, connected)
    connected(SimProbe(probe.chip, lose_after=900))
    port = port_of(firmware)
    exog = np.zeros((9, 42, 2), np.int16)
    with pytest.raises(RunnerError, match="does not come back"):
        run_board(firmware, np.zeros((9, 3, 2), np.int16), 40, port, exog=exog, patience=2.0)


def test_a_reset_in_between_changes_nothing(firmware: Firmware, connected: Connected) -> None:
    probe = flashed(firmware, connected)
    contexts, exog = np.full((6, 4, 2), 900, np.int16), np.zeros((6, 23, 2), np.int16)

    def press(finished: int, total: int) -> None:
        if finished == total // 2:
            probe.chip.reset()

    log = run_board(firmware, contexts, 20, port_of(firmware), exog=exog, done=press)
    np.testing.assert_array_equal(log.frames, recurrent_twin(contexts, 20, exog))
