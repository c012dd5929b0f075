"""One stream of a connection: what a service reads from and writes to.

Each side has one packet in flight until the other's OKAY. Ours goes out when the service takes the data, not when it arrives,
so a service that is slow slows its host down and no queue grows here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from profiler.virtual_phone.protocol import Command, Packet, ProtocolError

_MOST_WAITING = 4
"""Packets of one stream that may wait. One is the rule; but adb's server sends the rest of a client that has gone at once."""


class StreamClosedError(Exception):
    """The host has closed the stream, or has gone: the service has nobody to talk to."""


class Sender(Protocol):
    """Where a stream's packets go."""

    @property
    def max_payload(self) -> int:
        """Bytes in a packet that the host takes."""

    def send(self, packet: Packet) -> None:
        """Send one packet; nothing happens when the host has gone."""

    def forget(self, stream: Stream) -> None:
        """Take no more packets for this stream."""


class Stream:
    """The daemon's end of one stream. A service's thread calls the first half of its methods, the connection's the rest."""

    def __init__(self, sender: Sender, *, local_id: int, remote_id: int) -> None:
        self.local_id, self.remote_id = local_id, remote_id
        self._sender = sender
        self._changed = threading.Condition()
        self._arrived: deque[bytes | memoryview] = deque()
        self._rest: bytes | memoryview = b""
        self._accepted = self._closed = False
        self._may_write = True
        self._when_gone: Callable[[], None] | None = None

    def accept(self) -> None:
        """Tell the host that the service is there."""
        self._accepted = True
        self._send(Command.OKAY)

    def read(self) -> bytes | memoryview:
        """Take what the host sent next; nothing at the end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        with self._changed:
            self._changed.wait_for(lambda: bool(self._arrived) or self._closed)
            if not self._arrived:
                return b""
            taken, closed = self._arrived.popleft(), self._closed
        if not closed:
            self._send(Command.OKAY)
        return taken

    def read_exactly(self, count: int) -> bytes | memoryview:
        """Take exactly so many bytes.

        Raises:
            StreamClosedError: the stream ended before.
        """
        parts: list[bytes | memoryview] = []
        missing = count
        while missing:
            part = self.read()
            if not part:
                raise StreamClosedError
            self._rest = memoryview(part)[missing:]
            parts.append(memoryview(part)[:missing])
            missing -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, data: bytes) -> None:
        """Send data, in as many packets as it needs; returns when the last one is sent, not when it is taken.

        Raises:
            StreamClosedError: the host does not listen any more.
        """
        view, step = memoryview(data), self._sender.max_payload
        for start in range(0, len(data), step):
            with self._changed:
                self._changed.wait_for(lambda: self._may_write or self._closed)
                if self._closed:
                    raise StreamClosedError
                self._may_write = False
            self._send(Command.WRITE, view[start : start + step])

    def close(self) -> None:
        """End the stream once the host has taken all of it; one that was never accepted is refused."""
        with self._changed:
            self._changed.wait_for(lambda: self._may_write or self._closed)
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._say_closed()

    def when_gone(self, action: Callable[[], None] | None) -> None:
        """Have this done when the host closes the stream, at once if it has; ``None``: nothing any more."""
        with self._changed:
            self._when_gone = action
            if action is not None and self._closed:
                action()

    def deliver(self, payload: bytes | memoryview) -> None:
        """Take data from the host.

        Raises:
            ProtocolError: it does not wait for any OKAY.
        """
        with self._changed:
            if len(self._arrived) == _MOST_WAITING:
                raise ProtocolError(f"The host sends on though {_MOST_WAITING} packets have not been taken.")
            if payload:
                self._arrived.append(payload)
                self._changed.notify_all()
        if not payload:
            self._send(Command.OKAY)

    def taken(self) -> None:
        """Note that the host has taken what was sent last."""
        with self._changed:
            self._may_write = True
            self._changed.notify_all()

    def end(self) -> None:
        """Note that the host has closed the stream, or has gone."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            if self._when_gone is not None:
                self._when_gone()
        self._say_closed()

    def _say_closed(self) -> None:
        self._sender.forget(self)
        local_id = self.local_id if self._accepted else 0
        self._sender.send(Packet(command=Command.CLOSE, first=local_id, second=self.remote_id))

    def _send(self, command: Command, payload: bytes | memoryview = b"") -> None:
        self._sender.send(Packet(command=command, first=self.local_id, second=self.remote_id, payload=payload))
