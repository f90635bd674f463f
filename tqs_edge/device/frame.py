"""Packets over a stream of bytes: COBS and CRC-32 (twin: targets/link/frame.c).

On the wire a packet is COBS(packet, CRC-32 of it in little endian), then one zero byte. COBS
(Cheshire and Baker, IEEE/ACM Transactions on Networking 1999) leaves no zero inside, so that a
receiver that lost its way is right again at the next zero.
"""

from __future__ import annotations

import zlib

CRC_BYTES = 4
LONGEST_BLOCK = 254


def encode_frame(packet: bytes) -> bytes:
    """What is sent for `packet`, the closing zero included."""
    content = packet + zlib.crc32(packet).to_bytes(CRC_BYTES, "little")
    sent = bytearray()
    pieces = content.split(b"\0")
    for piece in pieces:
        # A full block stands for no zero, so that it may be followed by an empty one.
        while len(piece) >= LONGEST_BLOCK:
            sent += b"\xff" + piece[:LONGEST_BLOCK]
            piece = piece[LONGEST_BLOCK:]
        sent += bytes([len(piece) + 1]) + piece
    return bytes(sent) + b"\0"


def decode_frame(frame: bytes) -> bytes | None:
    """The packet of the bytes between two zeros; None where it is cut or fails its CRC."""
    content = bytearray()
    at = 0
    while at < len(frame):
        code = frame[at]
        block = frame[at + 1 : at + code]
        if code == 0 or len(block) != code - 1:
            return None
        content += block
        at += code
        if code <= LONGEST_BLOCK and at < len(frame):
            content.append(0)
    packet, crc = bytes(content[:-CRC_BYTES]), content[-CRC_BYTES:]
    if len(crc) < CRC_BYTES or zlib.crc32(packet) != int.from_bytes(crc, "little"):
        return None
    return packet


def take_frames(received: bytearray) -> list[bytes | None]:
    """The packets that end in `received`, which keeps what follows; None for a broken one."""
    *frames, rest = bytes(received).split(b"\0")
    received[:] = rest
    return [decode_frame(frame) for frame in frames if frame]
