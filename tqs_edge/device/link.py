"""Requests and replies over a port that may lose, change or add bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tqs_edge.device.frame import encode_frame, take_frames
from tqs_edge.device.messages import HEAD_BYTES, REPLY, Kind, Reason
from tqs_edge.device.port import OpenPort, Port, PortLost
from tqs_edge.errors import RunnerError

REPEAT_AFTER = 0.5  # seconds; twice as long each time
LONGEST_WAIT = 4.0
REOPEN_PAUSE = 0.1
MEANINGS: dict[int, str] = {
    Reason.BAD_WEIGHTS: "the weights in flash are corrupt or of another model; flash them again",
    Reason.UNEXPECTED_EXCEPTION: "the firmware met an exception that it does not handle",
    Reason.FAULT: "fault on the target",
}


class FirmwareRestarted(Exception):
    """The firmware is not where the last reply left it: it was reset in between."""


class DeviceFailed(RunnerError):
    """The firmware gave up; `reason` is its exit status, `text` what it said before."""

    def __init__(self, reason: int, text: str) -> None:
        what = MEANINGS.get(reason, f"the firmware ended with status {reason}")
        super().__init__(f"{what}: {text}" if text else what)
        self.reason, self.text = reason, text


@dataclass
class Counters:
    """What went wrong on the way, over the life of a link."""

    repeated: int = 0  # requests sent again
    broken: int = 0  # packets that failed their CRC here
    reopened: int = 0


class Link:
    """An open port with one request at a time on it.

    patience: seconds without a valid reply after which a request fails
    repeat_after: seconds of silence after which it is sent again
    """

    def __init__(
        self, open_port: OpenPort, *, patience: float, repeat_after: float = REPEAT_AFTER
    ) -> None:
        self._open_port = open_port
        self._patience = patience
        self._repeat_after = repeat_after
        self._sequence = 0
        self._received = bytearray()
        self._port: Port = open_port()
        self.counters = Counters()

    def close(self) -> None:
        """Gives the port back."""
        self._port.close()

    def reopen(self) -> None:
        """Opens the port anew, trying for `patience` seconds. Raises PortLost."""
        self._port.close()
        self._received.clear()
        self.counters.reopened += 1
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._port = self._open_port()
                return
            except PortLost:
                if time.monotonic() > deadline:
                    raise
                time.sleep(REOPEN_PAUSE)

    def request(self, kind: Kind, payload: bytes = b"") -> bytes:
        """The payload of the reply.

        Repeats the request until a valid reply arrives: the firmware does it once. Raises
        RunnerError without one within the patience, DeviceFailed on a fault, FirmwareRestarted,
        PortLost.
        """
        self._sequence = (self._sequence + 1) % 256
        # The zero in front ends whatever half a packet stands in the firmware's receiver.
        frame = b"\0" + encode_frame(bytes([kind, self._sequence]) + payload)
        deadline = time.monotonic() + self._patience
        wait = self._repeat_after
        self._port.write(frame)
        again = time.monotonic() + wait
        while True:
            now = time.monotonic()
            if now > deadline:
                raise RunnerError(self._silence(kind))
            reply, broken = self._listen(kind, min(again, deadline) - now)
            if reply is not None:
                return reply
            if broken or time.monotonic() >= again:
                self.counters.repeated += 1
                self._port.write(frame)
                wait = min(2 * wait, LONGEST_WAIT)
                again = time.monotonic() + wait

    def _listen(self, kind: Kind, timeout: float) -> tuple[bytes | None, bool]:
        """(the payload of the reply, whether something broken arrived) after one read."""
        self._received += self._port.read(max(timeout, 0.0))
        broken = False
        for packet in take_frames(self._received):
            if packet is None or len(packet) < HEAD_BYTES:
                self.counters.broken += 1
                broken = True
            elif packet[0] == Kind.FAILED and packet[1] == self._sequence:
                _raise_failure(packet[HEAD_BYTES:])
            elif packet[0] == kind | REPLY and packet[1] == self._sequence:
                return packet[HEAD_BYTES:], broken
        return None, broken

    def _silence(self, kind: Kind) -> str:
        broken = self.counters.broken
        if broken:
            return (
                f"no valid reply within {self._patience:g} s, but {broken} broken packets; check "
                "the baud rate and the line"
            )
        if kind == Kind.HELLO:
            return (
                f"no firmware answers within {self._patience:g} s; run `tqs-edge flash DIR`, and "
                "check that --port is the board's and that nothing else reads it"
            )
        return f"the firmware fell silent for {self._patience:g} s; reset the board and try again"


def _raise_failure(payload: bytes) -> None:
    reason = int.from_bytes(payload[:4], "little")
    if reason == Reason.WRONG_POSITION:
        raise FirmwareRestarted
    if reason == Reason.BAD_REQUEST:
        raise RunnerError("the firmware refused a request; it was built by another version")
    raise DeviceFailed(reason, payload[4:].decode("ascii", "replace").strip())
