from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.device.link_builds import build_codec
from tqs_edge.device.frame import CRC_BYTES, decode_frame, encode_frame, take_frames

# Runs without zeros of about one block, zeros beside one another, and anything.
PACKETS = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda parts: b"\0".join(bytes([1 + i % 255]) * n for i, n in enumerate(parts)),
        st.lists(
            st.sampled_from([0, 1, 2, 249, 250, 251, 253, 254, 255, 256, 508, 509]), max_size=4
        ),
    ),
)
NONE, BROKEN = -1, -2
CANARY = 0x5A


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    yield build_codec(tmp_path_factory.mktemp("codec"))


def take_all(codec: tuple[Any, Any], stream: bytes, capacity: int) -> list[bytes | None]:
    """What the C receiver makes of `stream`; None for a broken packet."""
    ffi, library = codec
    buffer = ffi.new("uint8_t[]", [CANARY] * (capacity + 1))
    receiver = ffi.new("tqs_frame_receiver *")
    library.tqs_frame_begin(receiver, buffer, capacity)
    packets: list[bytes | None] = []
    for byte in stream:
        size = library.tqs_frame_take(receiver, byte)
        if size != NONE:
            packets.append(None if size == BROKEN else bytes(ffi.buffer(buffer, size)))
    assert buffer[capacity] == CANARY
    return packets


def send(codec: tuple[Any, Any], packet: bytes) -> bytes:
    ffi, library = codec
    space = ffi.new("uint8_t[]", packet + bytes(CRC_BYTES))
    to = ffi.new("sent *")
    wire = ffi.new("uint8_t[]", 2 * len(packet) + 16)
    to.bytes = wire
    library.send_to_memory(space, len(packet), to)
    return bytes(ffi.buffer(wire, to.count))


@given(packet=PACKETS)
def test_both_encoders_send_the_same_bytes_and_no_zero_inside(codec: Any, packet: bytes) -> None:
    wire = encode_frame(packet)
    assert send(codec, packet) == wire
    assert wire.endswith(b"\0") and b"\0" not in wire[:-1]
    content = len(packet) + CRC_BYTES
    assert len(wire) <= content + 1 + content // 254 + 1  # COBS: one byte in 254, and the end


@given(packets=st.lists(PACKETS, max_size=4))
def test_what_is_sent_arrives_in_both(codec: Any, packets: list[bytes]) -> None:
    stream = b"".join(encode_frame(packet) for packet in packets)
    assert take_all(codec, stream, 4096) == packets
    assert take_frames(bytearray(stream)) == packets


@given(stream=st.lists(st.one_of(PACKETS.map(encode_frame), st.binary(max_size=20))).map(b"".join))
@settings(max_examples=300)
def test_both_decoders_agree_on_any_bytes(codec: Any, stream: bytes) -> None:
    received = bytearray(stream)
    want = take_frames(received)
    assert take_all(codec, stream, 4096) == want
    assert b"\0" not in received


@given(packet=PACKETS, data=st.data())
def test_a_changed_byte_is_never_taken_for_a_packet(
    codec: Any, packet: bytes, data: st.DataObject
) -> None:
    wire = bytearray(encode_frame(packet))
    at = data.draw(st.integers(0, len(wire) - 2))
    wire[at] ^= data.draw(st.integers(1, 255))
    assert packet not in take_frames(bytearray(wire))
    assert packet not in take_all(codec, bytes(wire), 4096)


@given(packet=PACKETS, cut=st.integers(1, 10))
def test_after_a_lost_end_the_next_packet_arrives(codec: Any, packet: bytes, cut: int) -> None:
    stream = encode_frame(packet)[:-1][:-cut] + b"\0" + encode_frame(b"next")
    assert take_all(codec, stream, 4096)[-1] == b"next"
    assert take_frames(bytearray(stream))[-1] == b"next"


@pytest.mark.parametrize("size", range(6))
def test_a_packet_that_is_too_long_is_broken_and_writes_nothing_beyond(
    codec: Any, size: int
) -> None:
    stream = encode_frame(bytes(range(1, 30))) + encode_frame(b"")
    packets = take_all(codec, stream, size)
    assert packets == [None, b"" if size >= CRC_BYTES else None]


@given(first=st.binary(max_size=20), second=st.binary(max_size=20))
def test_crc_is_zlibs(codec: Any, first: bytes, second: bytes) -> None:
    library = codec[1]
    crc = library.tqs_crc32(library.tqs_crc32(0, first, len(first)), second, len(second))
    assert crc == zlib.crc32(first + second)


def test_blocks_without_a_closing_code_are_read_too() -> None:
    # Other encoders leave out the empty block behind a full one at the end.
    packet = bytes([7]) * 250
    wire = encode_frame(packet)
    content = packet + zlib.crc32(packet).to_bytes(4, "little")
    if b"\0" not in content:
        assert wire == b"\xff" + content + b"\x01\0"
    assert decode_frame(b"\xff" + content) == packet
