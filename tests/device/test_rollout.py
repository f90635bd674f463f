"""The host's side against the firmware's own code, compiled for this computer with sanitizers."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.device.link_builds import build_server
from tests.device.ports import ProgramPort, SpoiledPort, spoiler
from tests.firmware.toy_models import (
    recurrent_twin,
    toy_bundle,
    windowed_bundle,
    windowed_twin,
)
from tqs_edge.device.frame import encode_frame, take_frames
from tqs_edge.device.link import FirmwareRestarted, Link
from tqs_edge.device.messages import Kind, encode_run
from tqs_edge.device.port import Port, PortLost
from tqs_edge.device.rollout import DeviceRun, roll_out
from tqs_edge.errors import RunnerError
from tqs_edge.firmware.model_header import model_shape
from tqs_edge.run.rollout_files import RolloutRequest, make_request

BUNDLE = toy_bundle(exog=2)
HASH = BUNDLE.model_hash
HORIZON, ROWS = 40, 5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_server(tmp_path_factory.mktemp("server"), BUNDLE)


@pytest.fixture
def link(server: Path) -> Iterator[Link]:
    link = Link(lambda: ProgramPort(server), patience=2.0, repeat_after=0.1)
    yield link
    link.close()


def request_of(contexts: int = 3, seed: int = 0) -> RolloutRequest:
    rng = np.random.default_rng(seed)
    inputs = rng.integers(-3000, 3000, (contexts, ROWS, 2)).astype(np.int16)
    exog = rng.integers(-99, 99, (contexts, ROWS + HORIZON - 1, 2)).astype(np.int16)
    return make_request(model_shape(BUNDLE.files["model.h"]), inputs, HORIZON, exog)


def assert_right(run: DeviceRun, request: RolloutRequest) -> None:
    want = recurrent_twin(request.contexts, HORIZON, request.exog)
    np.testing.assert_array_equal(run.frames, want)


def test_the_frames_of_a_recurrent_model_are_its_twins(link: Link) -> None:
    request = request_of()
    run = roll_out(link, request, HASH)
    assert_right(run, request)
    assert run.cycles_per_step is None and not run.hello.has_cycles
    assert link.counters.repeated == link.counters.broken == run.report.broken_packets == 0


@pytest.mark.parametrize(
    ("length", "block", "features"), [(5, 3, 2), (2, 7, 1), (90, 1, 2), (1, 2, 2)]
)
def test_windows_go_over_in_pieces(length: int, block: int, features: int, tmp_path: Path) -> None:
    bundle = windowed_bundle(length, features, block)
    server = build_server(tmp_path / "server", bundle)
    rng = np.random.default_rng(1)
    contexts = rng.integers(-900, 900, (2, length + 3, features)).astype(np.int16)
    request = make_request(model_shape(bundle.files["model.h"]), contexts, 10, None)
    link = Link(lambda: ProgramPort(server), patience=2.0)
    run = roll_out(link, request, bundle.model_hash)
    link.close()
    np.testing.assert_array_equal(run.frames, windowed_twin(contexts, 10, length, block))


@pytest.mark.parametrize("kind", ["flip", "drop", "double", "insert", "cut"])
def test_a_spoiled_line_costs_time_and_nothing_else(kind: str, server: Path) -> None:
    spoil = spoiler(kind, 0.03 if kind == "cut" else 0.003)
    link = Link(lambda: SpoiledPort(ProgramPort(server), spoil), patience=20.0, repeat_after=0.02)
    request = request_of(contexts=6)
    run = roll_out(link, request, HASH)
    link.close()
    assert_right(run, request)
    assert link.counters.repeated > 0


def test_firmware_of_another_model_is_refused(link: Link) -> None:
    with pytest.raises(RunnerError, match=r"another model .*tqs-edge flash"):
        roll_out(link, request_of(), "f" * 64)
    wider = dataclasses.replace(request_of().shape, length=2)
    with pytest.raises(RunnerError, match="another model"):
        roll_out(link, dataclasses.replace(request_of(), shape=wider), HASH)


class Silent:
    """A port where nothing ever arrives."""

    def read(self, timeout: float) -> bytes:
        return b""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Noise(Silent):
    def read(self, timeout: float) -> bytes:
        return random.randbytes(50)


@pytest.mark.parametrize(
    ("port", "words"),
    [(Silent, "no firmware answers within 0.2 s; .*flash"), (Noise, "broken packets; .*baud")],
)
def test_silence_and_noise_end_within_the_patience(port: type[Port], words: str) -> None:
    link = Link(port, patience=0.2, repeat_after=0.05)
    with pytest.raises(RunnerError, match=words):
        roll_out(link, request_of(), HASH)


class Forgetful:
    """A server that is restarted after `life` writes; every opening counts."""

    openings = 0

    def __init__(self, server: Path, life: int, lose_port: bool) -> None:
        Forgetful.openings += 1
        self._server, self._life, self._lose_port = server, life, lose_port
        self._port = ProgramPort(server)

    def read(self, timeout: float) -> bytes:
        return self._port.read(timeout)

    def write(self, data: bytes) -> None:
        self._life -= 1
        if self._life == 0:
            self._port.close()
            self._port = ProgramPort(self._server)
            if self._lose_port:
                raise PortLost("unplugged")
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


@pytest.mark.parametrize("lose_port", [False, True])
@pytest.mark.parametrize("life", [2, 3, 6, 9])
def test_after_a_restart_the_context_is_done_again(
    life: int, lose_port: bool, server: Path
) -> None:
    Forgetful.openings = 0
    link = Link(lambda: Forgetful(server, life, lose_port), patience=2.0)
    request = request_of(contexts=2)
    if lose_port:  # every new connection lives as long: six of them are not enough for life = 2
        with pytest.raises(RunnerError, match="lost 6 times"):
            roll_out(link, request_of(contexts=40), HASH)
        assert Forgetful.openings == 6
    else:
        assert_right(roll_out(link, request, HASH), request)
    link.close()


def test_a_request_that_comes_twice_is_done_once(server: Path) -> None:
    port = ProgramPort(server)
    row = np.array([[100, 200]], np.int16)
    frames = [
        encode_frame(bytes([Kind.RESET, 1])),
        encode_frame(bytes([Kind.RUN, 2]) + encode_run(0, row, 1, np.zeros((1, 2), np.int16))),
    ]
    port.write(frames[0] + frames[1] + frames[1] + frames[1])
    received, packets = bytearray(), []
    while len(packets) < 4:
        received += port.read(5.0)
        packets += take_frames(received)
    assert packets[1] == packets[2] == packets[3]
    port.close()


def test_a_step_of_another_moment_is_refused(link: Link) -> None:
    link.request(Kind.HELLO)
    link.request(Kind.RESET)
    none = np.zeros((0, 2), np.int16)
    with pytest.raises(FirmwareRestarted):
        link.request(Kind.RUN, encode_run(3, none, 0, none))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [(Kind.RUN, b""), (Kind.RUN, bytes(5) + b"\xff"), (Kind.RESET, b"x"), (Kind.FAILED, b"")],
)
def test_requests_that_make_no_sense_are_refused(kind: Kind, payload: bytes, link: Link) -> None:
    with pytest.raises(RunnerError, match="refused a request"):
        link.request(kind, payload)


def test_nothing_that_arrives_breaks_the_firmware(server: Path) -> None:
    """Under AddressSanitizer and UndefinedBehaviorSanitizer (ProgramPort.close looks)."""
    source = random.Random(5)
    port = ProgramPort(server)
    kinds = [1, 2, 3, 3, 3, 4, 0x83, 0xFF]
    for number in range(400):
        packet = bytes([source.choice(kinds), number % 256])
        packet += bytes(4) if source.random() < 0.5 else source.randbytes(4)
        packet += source.randbytes(source.choice([0, 2, 4, 30, 180, 184, 185, 186, 300, 900]))
        port.write(encode_frame(packet) if source.random() < 0.8 else source.randbytes(99))
        port.read(0.0)
    port.close()
