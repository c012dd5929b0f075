"""One host on the wire: receives it as the phone's state commands, and sorts its packets to the streams."""

from __future__ import annotations

import itertools
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from profiler.virtual_phone.faults import FaultName
from profiler.virtual_phone.protocol import (
    AUTH_PUBLIC_KEY,
    AUTH_TOKEN,
    MAX_PAYLOAD,
    VERSION,
    Command,
    Packet,
    ProtocolError,
    read_packet,
)
from profiler.virtual_phone.stream import Stream
from profiler.virtual_phone.wire import Wire

FEATURES = ("shell_v2", "cmd", "fixed_push_mkdir")
"""What we do beyond adb's oldest form; a host uses what both sides name."""

_IDENTITY = ("ro.product.name", "ro.product.model", "ro.product.device")


def banner(properties: Mapping[str, str], *, state: str) -> bytes:
    """What the phone says of itself when a host connects; ``state`` is ``device`` or ``recovery``."""
    facts = [f"{key}={properties.get(key, '')}" for key in _IDENTITY]
    return f"{state}::{';'.join([*facts, 'features=' + ','.join(FEATURES)])}".encode()


class Connection:
    """One host's connection; it is a stream's :class:`~profiler.virtual_phone.stream.Sender`."""

    def __init__(
        self, host: socket.socket, wire: Wire, properties: Mapping[str, str], start: Callable[[str, Stream], None]
    ) -> None:
        """Answer on ``host``; ``start`` begins the named service on a stream, and must return at once."""
        self.max_payload = MAX_PAYLOAD
        self._host, self._wire, self._properties, self._start = host, wire, properties, start
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._ids = itertools.count(1)
        self._open = False
        self._summed = True

    def serve(self) -> None:
        """Answer the host until it hangs up, breaks the protocol or is cut off."""
        with suppress(OSError, ProtocolError):
            while (packet := read_packet(self._host)) is not None:
                self._handle(packet)
        self._open = False
        for stream in list(self._streams.values()):
            stream.end()

    def send(self, packet: Packet) -> None:
        """Send one packet; nothing happens when the host has gone."""
        data = packet.encoded(summed=self._summed)
        with self._sending, suppress(OSError):
            self._host.sendall(memoryview(data)[: self._wire.allow(len(data))])
        self._wire.settle()

    def forget(self, stream: Stream) -> None:
        """Take no more packets for this stream."""
        self._streams.pop(stream.local_id, None)

    def _handle(self, packet: Packet) -> None:
        if packet.command == Command.CONNECT:
            self._receive(packet)
        elif packet.command == Command.AUTH and packet.first != AUTH_PUBLIC_KEY:
            self._ask_who()
        elif packet.command == Command.OPEN:
            self._open_stream(packet)
        elif (stream := self._streams.get(packet.second)) is not None:
            _pass_on(packet, stream)

    def _receive(self, packet: Packet) -> None:
        """Answer a host that connects: version and payload are the smaller of both sides'."""
        self.max_payload = min(packet.second, MAX_PAYLOAD)
        greeting = self._wire.greeting
        if greeting is FaultName.OFFLINE:
            return
        if greeting is FaultName.UNAUTHORIZED:
            self._ask_who()
            return
        state = "recovery" if greeting is FaultName.RECOVERY else "device"
        answer = banner(self._properties, state=state)
        self.send(Packet(command=Command.CONNECT, first=VERSION, second=MAX_PAYLOAD, payload=answer))
        self._summed = packet.first < VERSION
        self._open = state == "device"

    def _ask_who(self) -> None:
        """Ask the host to sign; no signature is ever good enough while the phone is unauthorized."""
        if self._wire.greeting is FaultName.UNAUTHORIZED:
            token = secrets.token_bytes(20)
            self.send(Packet(command=Command.AUTH, first=AUTH_TOKEN, second=0, payload=token))

    def _open_stream(self, packet: Packet) -> None:
        if not self._open:
            self.send(Packet(command=Command.CLOSE, first=0, second=packet.first))
            return
        service = bytes(packet.payload).rstrip(b"\0").decode(errors="surrogateescape")
        stream = Stream(self, local_id=next(self._ids), remote_id=packet.first)
        self._streams[stream.local_id] = stream
        self._start(service, stream)


def _pass_on(packet: Packet, stream: Stream) -> None:
    if packet.command == Command.WRITE:
        stream.deliver(packet.payload)
    elif packet.command == Command.OKAY:
        stream.taken()
    elif packet.command == Command.CLOSE:
        stream.end()
