"""Streams of bytes to a board: serial ports and sockets, through pyserial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tqs_edge.errors import InputError, ToolMissing

INSTALL = "pyserial is not installed; run: pip install 'tqs-edge[device]'"


class PortLost(Exception):
    """The port went away: unplugged, or the other end closed it. Opening it again may help."""


class Port(Protocol):
    """A stream of bytes in both directions. All methods may raise PortLost."""

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits up to `timeout` seconds for the first byte, then b""."""
        ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


OpenPort = Callable[[], Port]


class SerialPort:
    """A port of pyserial: "/dev/ttyACM0", "COM3", "socket://host:port", "rfc2217://..."."""

    def __init__(self, url: str, baud: int) -> None:
        try:
            import serial
        except ImportError:
            raise ToolMissing(INSTALL) from None
        self._lost = (serial.SerialException, OSError)
        try:
            self._serial = serial.serial_for_url(url, baudrate=baud, timeout=0, write_timeout=10)
        except ValueError as error:
            raise InputError(f"--port '{url}': {error}") from None
        except self._lost as error:
            raise PortLost(_reason(error)) from None

    def read(self, timeout: float) -> bytes:
        try:
            self._serial.timeout = timeout
            first: bytes = self._serial.read(1)
            if not first:
                return b""
            self._serial.timeout = 0
            return first + bytes(self._serial.read(4096))
        except self._lost as error:
            raise PortLost(_reason(error)) from None

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except self._lost as error:
            raise PortLost(_reason(error)) from None

    def close(self) -> None:
        # pyserial leaves a socket open that it cannot shut down: one that the other end closed.
        socket = getattr(self._serial, "_socket", None)
        self._serial.close()
        if socket is not None:
            socket.close()


def found_ports() -> tuple[str, ...]:
    """The serial ports of this computer that belong to a USB device. Raises ToolMissing."""
    try:
        from serial.tools import list_ports
    except ImportError:
        raise ToolMissing(INSTALL) from None
    return tuple(sorted(port.device for port in list_ports.comports() if port.vid is not None))


def choose_port(port: str | None) -> str:
    """`port`, or the only USB serial port. Raises InputError where there is none, or a choice."""
    if port is not None:
        return port
    found = found_ports()
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError("no USB serial port was found; connect the board or give --port")
    raise InputError(f"several serial ports: {', '.join(found)}; give one as --port")


def _reason(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
