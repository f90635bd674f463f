"""Boards that QEMU simulates, their serial port or semihosting at a TCP port or a terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import select
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


def build_for(
    name: str,
    bundle: SourceBundle,
    folder: Path,
    compiler: str = "gcc",
    *,
    console: str = "uart",
) -> Firmware:
    """The firmware of `bundle` for a board, which talks through its UART or `console`."""
    board = dataclasses.replace(load_board(name), console=console)
    return build(bundle, board, find_toolchain(compiler), folder)


def free_port() -> int:
    """A TCP port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class UartBoard:
    """A running machine whose UART number `serial` is the line; reset() is its reset button.

    port: the TCP port of the line; None: a pseudo terminal
    """

    def __init__(self, firmware: Firmware, port: int | None, serial: int = 0) -> None:
        line = "pty" if port is None else f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on"
        others = [word for _ in range(serial) for word in ("-serial", "null")]
        self.process = subprocess.Popen(
            [*machine_of(firmware), "-monitor", "stdio", *others, "-serial", line],
            cwd=firmware.board_images["elf"].parent,
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


class SemihostBoard:
    """A running machine whose semihosting console, QEMU's standard input and output, is the line.

    port: as of UartBoard
    """

    def __init__(self, firmware: Firmware, port: int | None) -> None:
        self._monitor = free_port()
        self._server = None if port is None else socket.create_server(("127.0.0.1", port))
        if self._server is None:
            ours, qemus = os.openpty()[::-1]
        else:
            pair = socket.socketpair()
            ours, qemus = pair[0].detach(), pair[1].detach()
        self._line = ours
        monitor = f"tcp:127.0.0.1:{self._monitor},server=on,wait=off"
        options = ("-semihosting-config", "enable=on,target=native", "-monitor", monitor)
        self.process = subprocess.Popen(
            [*machine_of(firmware), *options],
            cwd=firmware.board_images["elf"].parent,
            stdin=qemus,
            stdout=qemus,
            stderr=subprocess.DEVNULL,
        )
        os.close(qemus)
        self._serving: threading.Thread | None = None
        if self._server is not None:
            self._serving = threading.Thread(target=self._serve, args=(self._server,), daemon=True)
            self._serving.start()

    def _serve(self, server: socket.socket) -> None:
        """Connects whoever calls to QEMU, one after the other, until either ends for good."""
        with contextlib.suppress(OSError):
            while True:
                caller, _ = server.accept()
                with caller:
                    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while self._pump(caller.fileno(), self._line):
                        pass

    def _pump(self, caller: int, line: int) -> bool:
        """Passes on what has come; False when the caller hung up. Raises OSError with QEMU gone."""
        for source in select.select([caller, line], [], [])[0]:
            data = os.read(source, 4096)
            if not data and source == line:
                raise OSError("QEMU ended")
            if not data:
                return False
            os.write(line if source == caller else caller, data)
        return True

    def reset(self) -> None:
        with connect(self._monitor) as monitor:
            monitor.sendall(b"system_reset\n")
            time.sleep(0.1)

    def pty(self) -> str:
        return os.ttyname(self._line)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        if self._server is not None:
            self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
        if self._serving is not None:  # it sees QEMU's end, and must not see what next has this fd
            self._serving.join(5.0)
        os.close(self._line)


QemuBoard = UartBoard | SemihostBoard


def machine_of(firmware: Firmware) -> tuple[str, ...]:
    """QEMU's command line for the board's own image, without its line; it runs beside the image."""
    machine, elf = firmware.board.qemu_machine, firmware.board_images["elf"]
    assert machine is not None
    start = reset_vectors(firmware.board, read_elf(elf), elf.parent)
    return ("qemu-system-arm", "-M", machine, *QUIET, *start, "-kernel", str(elf))


def power_on(firmware: Firmware, port: int | None, serial: int = 0) -> QemuBoard:
    """The board, running, with its line at a TCP port, or at a pseudo terminal for None."""
    if firmware.board.console == "semihosting":
        return SemihostBoard(firmware, port)
    return UartBoard(firmware, port, serial)


@contextlib.contextmanager
def running(firmware: Firmware, *, serial: int = 0) -> Iterator[tuple[QemuBoard, str]]:
    """(the board, the URL of its line) while it runs."""
    port = free_port()
    board = power_on(firmware, port, serial)
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
