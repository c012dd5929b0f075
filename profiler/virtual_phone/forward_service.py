"""``tcp:PORT``: a connection to a port of the phone, which is what ``adb forward`` leads to. Loopback only."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from profiler.virtual_phone.stream import Stream, StreamClosedError

_LOOPBACK = "127.0.0.1"
_READ_BYTES = 1 << 16


def read_port(service: str) -> int | None:
    """Read ``tcp:PORT``; ``None`` for any other service, and for a port of another machine."""
    kind, _, port = service.partition(":")
    return int(port) if kind == "tcp" and port.isascii() and port.isdigit() and int(port) < 1 << 16 else None


def serve_port(port: int, stream: Stream) -> None:
    """Connect the stream to the port; a port where nobody listens refuses it."""
    try:
        peer = socket.create_connection((_LOOPBACK, port))
    except OSError:
        return
    with peer:
        stream.accept()
        sender = threading.Thread(target=_send, args=(stream, peer), name="forward-send")
        sender.start()
        with suppress(StreamClosedError, OSError):
            while data := peer.recv(_READ_BYTES):
                stream.write(data)
        stream.close()
        sender.join()


def _send(stream: Stream, peer: socket.socket) -> None:
    with suppress(OSError):
        while data := stream.read():
            peer.sendall(data)
        peer.shutdown(socket.SHUT_RDWR)
