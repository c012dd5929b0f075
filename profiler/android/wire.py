"""The two services of a phone that the bench uses, spoken over a connection that adb has opened: shell and sync.

adbutils has both, but gives neither the lines of a running command nor the reason why a file was refused. Formats: Android's
``shell_protocol.h`` (one byte of kind, a little-endian length, data) and ``SYNC.TXT`` (four letters, a little-endian length,
data). Nothing that a phone sends is trusted to be short.
"""

from __future__ import annotations

import shlex
import socket
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from parsers.printable import printable
from profiler.errors import DeviceGoneError, StorageFullError, TransferError

NO_ROOM = "No space left on device"
"""How Linux words ENOSPC, and so every tool on the phone."""

_STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = 1, 2, 3, 4
_SHELL_HEADER = struct.Struct("<BI")
_SYNC_HEADER = struct.Struct("<4sI")
_STAT_ANSWER = struct.Struct("<4s3I")
_OPEN_S = 30.0
_FILE_S = 120.0
_CHUNK = 1 << 16
_LONGEST_PACKET = 1 << 20
_LONGEST_LINE = 1 << 20
_MOST_STDERR = 1 << 16


class ShellStream:
    """A running command: iterate over the lines of its standard output; after the last one its end is known."""

    def __init__(
        self,
        serial: str,
        connection: socket.socket,
        argv: Sequence[str],
        *,
        timeout_s: float,
        is_alive: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start a command on a phone.

        Args:
            serial: for error messages.
            connection: leads to the phone.
            argv: the command; quoted for the phone's shell.
            timeout_s: the longest silence that is no question.
            is_alive: asked after such a silence, whether to listen on.

        Raises:
            DeviceGoneError: the wire broke.
        """
        self.exit_code = -1
        self._serial, self._connection, self._is_alive = serial, connection, is_alive
        self._stderr = bytearray()
        _open(serial, connection, f"shell,v2,raw:{shlex.join(argv)}")
        _send(serial, connection, _SHELL_HEADER.pack(_CLOSE_STDIN, 0))
        connection.settimeout(timeout_s)

    @property
    def stderr(self) -> str:
        """What the command said on standard error, its end where that was long."""
        return self._stderr.decode(errors="replace")

    def __iter__(self) -> Iterator[str]:
        """Yield lines without their ends.

        Raises:
            DeviceGoneError: the wire broke before the command had ended, or the phone fell silent.
        """
        rest = b""
        while (packet := self._packet()) is not None:
            *lines, rest = (rest + packet).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise DeviceGoneError(f"{self._serial} sends a line without end.")
            yield from (line.decode(errors="replace").rstrip("\r") for line in lines)
        if rest:
            yield rest.decode(errors="replace").rstrip("\r")

    def _packet(self) -> bytes | None:
        """Return the next piece of standard output; ``None`` when the command has ended."""
        while True:
            kind, length = _SHELL_HEADER.unpack(self._read(_SHELL_HEADER.size))
            if length > _LONGEST_PACKET:
                raise DeviceGoneError(f"{self._serial} sends what is no shell packet.")
            data = self._read(length)
            if kind == _STDOUT and data:
                return data
            if kind == _STDERR:
                self._stderr += data
                del self._stderr[:-_MOST_STDERR]
            elif kind == _EXIT:
                self.exit_code = data[0] if data else -1
                return None

    def _read(self, count: int) -> bytes:
        return _receive(self._serial, self._connection, count, is_alive=self._is_alive)


class Sync:
    """The file service of one phone."""

    def __init__(self, serial: str, connection: socket.socket) -> None:
        """Open the service on a connection to a phone; raises DeviceGoneError where the wire breaks."""
        self._serial, self._connection = serial, connection
        _open(serial, connection, "sync:")
        connection.settimeout(_FILE_S)

    def push(self, data: bytes | Iterable[bytes], remote: PurePosixPath, *, mode: int = 0o644) -> None:
        """Write a file, folders above it included, and look whether all of it arrived.

        Raises:
            DeviceGoneError: the wire broke.
            StorageFullError: the phone has no room; the file is not there.
            TransferError: the phone refused it, or kept only a part.
        """
        self._request(b"SEND", f"{remote},{stat.S_IFREG | mode}")
        size = 0
        for block in [data] if isinstance(data, bytes) else data:
            for start in range(0, len(block), _CHUNK):
                chunk = block[start : start + _CHUNK]
                _send(self._serial, self._connection, _SYNC_HEADER.pack(b"DATA", len(chunk)) + chunk)
            size += len(block)
        _send(self._serial, self._connection, _SYNC_HEADER.pack(b"DONE", int(time.time())))
        self._answer(b"OKAY", remote)
        if (arrived := self.size(remote)) != size:
            raise TransferError(f"{self._serial}: {remote} has {arrived} bytes there instead of {size}.")

    def pull(self, remote: PurePosixPath) -> Iterator[bytes]:
        """Yield a file's content.

        Raises:
            DeviceGoneError: the wire broke.
            TransferError: the file cannot be read.
        """
        self._request(b"RECV", str(remote))
        while (length := self._answer(b"DATA", remote, last=b"DONE")) is not None:
            yield _receive(self._serial, self._connection, length)

    def size(self, remote: PurePosixPath) -> int:
        """Return a file's size in bytes, modulo 2**32; 0 where there is none."""
        self._request(b"STAT", str(remote))
        kind, _, size, _ = _STAT_ANSWER.unpack(_receive(self._serial, self._connection, _STAT_ANSWER.size))
        if kind != b"STAT":
            raise DeviceGoneError(f"{self._serial} does not speak adb's file protocol.")
        return int(size)

    def _request(self, kind: bytes, path: str) -> None:
        encoded = path.encode()
        _send(self._serial, self._connection, _SYNC_HEADER.pack(kind, len(encoded)) + encoded)

    def _answer(self, wanted: bytes, remote: PurePosixPath, *, last: bytes = b"") -> int | None:
        """Read an answer's header and return its length; ``None`` for ``last``."""
        kind, length = _SYNC_HEADER.unpack(_receive(self._serial, self._connection, _SYNC_HEADER.size))
        if kind == last:
            return None
        if kind == wanted and length <= _LONGEST_PACKET:
            return int(length)
        if kind != b"FAIL" or length > _LONGEST_PACKET:
            raise DeviceGoneError(f"{self._serial} does not speak adb's file protocol.")
        reason = _receive(self._serial, self._connection, length).decode(errors="replace")
        if NO_ROOM in reason:
            raise StorageFullError(f"{self._serial} has no room for {remote.name}. Free some: profile clean --device.")
        raise TransferError(f"{self._serial}: {remote}: {printable(reason)}")


def _open(serial: str, connection: socket.socket, service: str) -> None:
    """Ask for one of the phone's services on a fresh connection."""
    connection.settimeout(_OPEN_S)
    encoded = service.encode()
    _send(serial, connection, b"%04x" % len(encoded) + encoded)
    if (answer := _receive(serial, connection, 4)) != b"OKAY":
        length = _receive(serial, connection, 4) if answer == b"FAIL" else b"0"
        reason = _receive(serial, connection, int(length, 16)).decode(errors="replace")
        raise DeviceGoneError(f"{serial} does not answer: {printable(reason) or 'closed'}.")


def _send(serial: str, connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError as exc:
        raise DeviceGoneError(f"{serial} went away: {exc}.") from exc


def _receive(
    serial: str, connection: socket.socket, count: int, *, is_alive: Callable[[], bool] = lambda: False
) -> bytes:
    """Read exactly so many bytes."""
    data = bytearray()
    while len(data) < count:
        try:
            block = connection.recv(min(count - len(data), _CHUNK))
        except TimeoutError as exc:
            if is_alive():
                continue
            raise DeviceGoneError(f"{serial} has fallen silent.") from exc
        except OSError as exc:
            raise DeviceGoneError(f"{serial} went away: {exc}.") from exc
        if not block:
            raise DeviceGoneError(f"{serial} went away: the connection ended.")
        data += block
    return bytes(data)
