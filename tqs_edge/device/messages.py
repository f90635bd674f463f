"""What host and firmware say to one another (twin: targets/link/messages.h)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from tqs_edge.errors import RunnerError
from tqs_edge.firmware.model_header import ModelShape

VERSION = 1
HEAD_BYTES = 2
RUN_HEAD = struct.Struct("<iBB")
REPLY = 0x80
MOST_STEPS = 32  # in one request, so that slow cores answer before it is repeated


class Kind(IntEnum):
    """First byte of a packet; a reply adds REPLY to the kind of its request."""

    HELLO = 1
    RESET = 2
    RUN = 3
    REPORT = 4
    FAILED = 0xFF


class Reason(IntEnum):
    """Why a request failed; from BAD_WEIGHTS on these are exit statuses (targets/README.md)."""

    BAD_REQUEST = 1
    WRONG_POSITION = 2
    BAD_WEIGHTS = 5
    UNEXPECTED_EXCEPTION = 253
    FAULT = 254


@dataclass(frozen=True)
class Hello:
    """What the firmware says of itself. packet_bytes: the largest packet it takes and sends."""

    version: int
    packet_bytes: int
    length: int
    features: int
    block: int
    exog: int
    has_cycles: bool
    model_hash: str


@dataclass(frozen=True)
class DeviceReport:
    """stack_bytes: high-water mark since start-up; the others since HELLO."""

    stack_bytes: int
    most_cycles: int
    broken_packets: int


def decode_hello(payload: bytes) -> Hello:
    """The reply to HELLO. Raises RunnerError where it is not one of this protocol's version."""
    layout = struct.Struct("<7i")
    if len(payload) < 4:
        raise RunnerError("what answers is no tqs_edge firmware; run `tqs-edge flash DIR`")
    version = int.from_bytes(payload[:4], "little")
    if version != VERSION or len(payload) < layout.size:
        raise RunnerError(
            f"the firmware on the board speaks version {version} of the link, this tqs-edge "
            f"version {VERSION}; compile and flash again"
        )
    _, packet, length, features, block, exog, cycles = layout.unpack_from(payload)
    model_hash = payload[layout.size :].decode("ascii", "replace")
    return Hello(version, packet, length, features, block, exog, bool(cycles), model_hash)


def encode_run(steps_done: int, rows: np.ndarray, steps: int, exog: np.ndarray) -> bytes:
    """RUN: `steps` steps with exog int16 (steps, E); row i of `rows` int16 (rows, F) enters the
    window before step i, rows without a step just enter."""
    values = rows.astype("<i2").tobytes() + exog.astype("<i2").tobytes()
    return RUN_HEAD.pack(steps_done, len(rows), steps) + values


def decode_run(payload: bytes, steps: int, shape: ModelShape) -> tuple[np.ndarray, int]:
    """(outputs int16 (steps, K, F), cycles of all steps) of a RUN of `steps` steps.

    Raises RunnerError when the reply has another size.
    """
    dimensions = (steps, shape.block, shape.features)
    if len(payload) != 4 + 2 * int(np.prod(dimensions)):
        raise RunnerError(
            f"the firmware answered {steps} steps with {len(payload)} bytes; compile and flash "
            "again"
        )
    outputs = np.frombuffer(payload, "<i2", offset=4).reshape(dimensions).astype(np.int16)
    return outputs, int.from_bytes(payload[:4], "little")


def decode_report(payload: bytes) -> DeviceReport:
    """The reply to REPORT. Raises RunnerError when it has another size."""
    layout = struct.Struct("<iIi")
    if len(payload) != layout.size:
        raise RunnerError("the firmware's report has a wrong size; compile and flash again")
    return DeviceReport(*layout.unpack(payload))


def steps_per_packet(hello: Hello, *, with_rows: bool) -> int:
    """How many steps one RUN can ask for, each with a row of its own or none; at least 1."""
    request = hello.packet_bytes - HEAD_BYTES - RUN_HEAD.size
    result = hello.packet_bytes - HEAD_BYTES - 4
    most = min(result // (2 * hello.block * hello.features), MOST_STEPS)
    if each := hello.exog + hello.features * with_rows:
        most = min(most, request // (2 * each))
    return max(1, most)


def rows_per_packet(hello: Hello) -> int:
    """How many rows one RUN without steps can carry, at least 1."""
    room = hello.packet_bytes - HEAD_BYTES - RUN_HEAD.size
    return max(1, min(room // (2 * hello.features), 255))
