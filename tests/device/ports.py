"""Ports for tests: a program's standard input and output, and one that spoils what passes."""

from __future__ import annotations

import os
import random
import select
import subprocess
from collections.abc import Callable
from pathlib import Path

from tqs_edge.device.port import Port, PortLost


class ProgramPort:
    """A program at the other end of two pipes, started when the port is opened."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self._to, self._from = self.process.stdin.fileno(), self.process.stdout.fileno()

    def read(self, timeout: float) -> bytes:
        ready, _, _ = select.select([self._from], [], [], timeout)
        if not ready:
            return b""
        data = os.read(self._from, 4096)
        if not data:
            raise PortLost("the program ended")
        return data

    def write(self, data: bytes) -> None:
        try:
            os.write(self._to, data)
        except BrokenPipeError:
            raise PortLost("the program ended") from None

    def close(self) -> None:
        """Ends the program; its sanitizers must have found nothing."""
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.close()
        status = self.process.wait(10)
        found = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert status == 0 and found == b"", found.decode()


Spoil = Callable[[bytes], bytes]


class SpoiledPort:
    """Another port whose bytes pass through `spoil` in both directions."""

    def __init__(self, port: Port, spoil: Spoil) -> None:
        self._port, self._spoil = port, spoil

    def read(self, timeout: float) -> bytes:
        return self._spoil(self._port.read(timeout))

    def write(self, data: bytes) -> None:
        self._port.write(self._spoil(data))

    def close(self) -> None:
        self._port.close()


def spoiler(kind: str, rate: float, seed: int = 0) -> Spoil:
    """flip, drop, double or insert a byte with the probability `rate`; or cut off a rest."""
    source = random.Random(seed)

    def one(byte: int) -> bytes:
        if source.random() >= rate:
            return bytes([byte])
        return {
            "flip": bytes([byte ^ 1 << source.randrange(8)]),
            "drop": b"",
            "double": bytes([byte, byte]),
            "insert": bytes([source.randrange(256), byte]),
        }[kind]

    def spoil(data: bytes) -> bytes:
        if kind == "cut":
            return data if source.random() >= rate else data[: source.randrange(len(data) + 1)]
        return b"".join(map(one, data))

    return spoil
