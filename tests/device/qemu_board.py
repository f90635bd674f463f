"""Boards that QEMU simulates, with their serial port at a TCP port or a pseudo terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.device.ports import Spoil
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.device.port import PortLost, SerialPort
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.elf import read_elf
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.run.qemu import reset_vectors

QUIET = ("-nodefaults", "-display", "none")


def build_for(name: str, bundle: SourceBundle, folder: Path, compiler: str = "gcc") -> Firmware:
    """The firmware of `bundle` for a board, which talks through its UART."""
    board = dataclasses.replace(load_board(name), console="uart")
    return build(bundle, board, find_toolchain(compiler), folder)


def free_port() -> int:
    """A TCP port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class QemuBoard:
    """A running machine. serial: which of its UARTs is connected; reset() is its reset button."""

    def __init__(self, firmware: Firmware, chardev: str, serial: int = 0) -> None:
        machine = firmware.board.qemu_machine
        assert machine is not None
        ports = [word for _ in range(serial) for word in ("-serial", "null")]
        elf = firmware.board_images["elf"]
        start = reset_vectors(firmware.board, read_elf(elf), elf.parent)
        self.process = subprocess.Popen(
            [
                *("qemu-system-arm", "-M", machine, *QUIET, "-monitor", "stdio", *ports),
                *("-serial", chardev, *start, "-kernel", str(elf)),
            ],
            cwd=elf.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._wake, daemon=True).start()

    def _wake(self) -> None:
        """QEMU does not look at bytes that came before the UART was on until something happens."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while self.process.poll() is None:
                self.process.stdin.write("\n")
                self.process.stdin.flush()
                time.sleep(0.01)

    def reset(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("system_reset\n")
        self.process.stdin.flush()

    def pty(self) -> str:
        """The pseudo terminal's name, which QEMU prints."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(r"redirected to (/dev/\S+)", line):
                return match.group(1)
        raise AssertionError("QEMU named no pseudo terminal")

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def running(firmware: Firmware, *, serial: int = 0) -> Iterator[tuple[QemuBoard, str]]:
    """(the board, the URL of its serial port) while it runs."""
    port = free_port()
    board = QemuBoard(firmware, f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on", serial)
    try:
        yield board, f"socket://127.0.0.1:{port}"
    finally:
        board.stop()


def open_serial(url: str) -> SerialPort:
    """The port at `url`, tried until QEMU listens: it serves the first connection only."""
    for _ in range(100):
        with contextlib.suppress(PortLost):
            return SerialPort(url, 115200)
        time.sleep(0.05)
    return SerialPort(url, 115200)


def connect(port: int) -> socket.socket:
    """A connection to QEMU, which may be starting."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.05)
    raise AssertionError("QEMU does not listen")


class Proxy:
    """A TCP proxy that spoils the bytes, and hangs up once after `hang_up_after` of them."""

    def __init__(self, url: str, spoil: Spoil, hang_up_after: int | None = None) -> None:
        self._behind = int(url.rsplit(":", 1)[1])
        self._spoil, self._left = spoil, hang_up_after
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            far = connect(self._behind)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(4096):
                if self._left is not None and (left := self._left - len(data)) < 0:
                    self._left = None
                    break
                elif self._left is not None:
                    self._left = left
                target.sendall(self._spoil(data))
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
