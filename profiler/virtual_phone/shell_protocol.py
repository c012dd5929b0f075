"""The shell protocol, version 2: packets inside a stream, each a byte that says what it is, a length and the data.

The length is a little-endian 32-bit word. Source: ``shell_protocol.h`` of Android's adb. And what a ``shell`` service is
asked for, in any version.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from profiler.virtual_phone.protocol import MAX_PAYLOAD
from profiler.virtual_phone.stream import Stream

_HEADER = struct.Struct("<BI")


class Id(IntEnum):
    """What a packet carries."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    EXIT = 3
    CLOSE_STDIN = 4
    WINDOW_SIZE = 5


def shell_packet(kind: Id, data: bytes) -> bytes:
    """Bytes of one packet."""
    return _HEADER.pack(kind, len(data)) + data


def shell_packets(stream: Stream) -> Iterator[tuple[int, bytes | memoryview]]:
    """Read the host's packets until one is no packet.

    Raises:
        StreamClosedError: the host has gone.
    """
    while True:
        kind, length = _HEADER.unpack(stream.read_exactly(_HEADER.size))
        if length > MAX_PAYLOAD:
            return
        yield kind, stream.read_exactly(length)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """What a host asks for."""

    command: str | None
    """``None``: a shell that reads its input."""
    packets: bool
    """Whether the stream carries packets of the shell protocol."""
    hang_up: bool
    """Whether the command gets SIGHUP when the host goes."""
    terminal: str | None = None
    """The kind of terminal (``TERM``) that the command has; ``None``: it has pipes."""


def read_request(service: str) -> ShellRequest | None:
    """Read ``shell:COMMAND``, ``shell,v2,TERM=xterm,pty:COMMAND``, ``exec:COMMAND``; ``None`` for any other service.

    A terminal goes with version 2 only, which is what every adb since 2016 asks for.
    """
    name, _, command = service.partition(":")
    kind, *options = name.split(",")
    if kind not in {"shell", "exec"}:
        return None
    packets = kind == "shell" and "v2" in options
    terminal = None
    if packets and "pty" in options:
        terminal = next((option[5:] for option in options if option.startswith("TERM=")), "dumb")
    return ShellRequest(command=command or None, packets=packets, hang_up=kind == "shell", terminal=terminal)
