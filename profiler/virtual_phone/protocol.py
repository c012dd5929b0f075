"""adb's transport protocol: the packets, as bytes and as values. It knows neither sockets' owners nor services.

A packet is a header of six little-endian 32-bit words (command, two arguments, length of the payload, sum of the payload's
bytes, the command's complement) and the payload. Source: ``protocol.txt`` of Android's adb. The sum is left 0 between
peers that both speak :data:`VERSION`; older ones check it.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

from profiler.errors import ProfilerError

VERSION = 0x0100_0001
"""The first version in which nobody checks sums."""
MAX_PAYLOAD = 1 << 20
"""Bytes of payload that we take, and send at most."""

AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3
"""The first argument of an AUTH packet."""

_HEADER = struct.Struct("<6I")


class Command(IntEnum):
    """What a packet is for; the value is its four letters as a little-endian word."""

    CONNECT = int.from_bytes(b"CNXN", "little")
    AUTH = int.from_bytes(b"AUTH", "little")
    OPEN = int.from_bytes(b"OPEN", "little")
    OKAY = int.from_bytes(b"OKAY", "little")
    WRITE = int.from_bytes(b"WRTE", "little")
    CLOSE = int.from_bytes(b"CLSE", "little")


class ProtocolError(ProfilerError):
    """The peer does not speak adb, or breaks its rules; the connection ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet; ``first`` and ``second`` are its two arguments."""

    command: int
    first: int
    second: int
    payload: bytes | memoryview = b""

    def encoded(self, *, summed: bool) -> bytes:
        """Bytes on the wire, with the payload's sum where the peer checks it."""
        total = sum(self.payload) & 0xFFFF_FFFF if summed else 0
        magic = self.command ^ 0xFFFF_FFFF
        head = _HEADER.pack(self.command, self.first, self.second, len(self.payload), total, magic)
        return b"".join((head, self.payload))


def read_packet(wire: socket.socket) -> Packet | None:
    """Read the next packet; ``None`` when the peer has hung up between two.

    Raises:
        ProtocolError: these bytes are no packet, or it was cut off.
    """
    head = _read_exactly(wire, _HEADER.size)
    if not head:
        return None
    command, first, second, length, _, magic = _HEADER.unpack(head)
    if command ^ magic != 0xFFFF_FFFF:
        raise ProtocolError(f"These bytes are no adb packet: {head.hex()}.")
    if length > MAX_PAYLOAD:
        raise ProtocolError(f"A packet of {length} bytes is longer than the {MAX_PAYLOAD} that were agreed.")
    payload = _read_exactly(wire, length)
    if len(payload) < length:
        raise ProtocolError(f"A packet broke off in front of its {length} bytes of payload.")
    return Packet(command=command, first=first, second=second, payload=payload)


def _read_exactly(wire: socket.socket, count: int) -> memoryview:
    """Read ``count`` bytes; none when the peer has hung up before the first one."""
    block = memoryview(bytearray(count))
    filled = 0
    while filled < count:
        taken = wire.recv_into(block[filled:])
        if not taken and filled:
            raise ProtocolError(f"The peer hung up after {filled} of {count} bytes.")
        if not taken:
            return block[:0]
        filled += taken
    return block
