"""``sync:``, the file transfers, in the form that every adb speaks: STAT, LIST, SEND, RECV, QUIT.

A request is four letters, a little-endian length and so many bytes of path. Source: ``file_sync_protocol.h`` and
``SYNC.TXT`` of Android's adb; the order of things (unlink first, keep reading DATA after an error, one error ends the
service) is that of its daemon, since hosts rely on it.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from profiler.virtual_phone.phone import Phone
from profiler.virtual_phone.stream import Stream, StreamClosedError

_HEADER = struct.Struct("<4sI")
_STAT = struct.Struct("<4s3I")
_ENTRY = struct.Struct("<4s4I")

MAX_PATH = 1024
MAX_DATA = 1 << 16
"""Bytes of one DATA block."""

_BLOCKS_AT_ONCE = 8
_ROOM_CHECK_BYTES = 1 << 20
_Made = TypeVar("_Made")

_U32 = 0xFFFF_FFFF


class _RefusedError(Exception):
    """A request failed; its text is what the host prints."""


def serve_sync(phone: Phone, stream: Stream) -> None:
    """Answer requests until the host quits, goes, or one fails."""
    stream.accept()
    try:
        while (request := _read_request(stream)) is not None:
            kind, path = request
            _ANSWERS.get(kind, _unknown)(phone, path, stream)
    except _RefusedError as refused:
        text = os.fsencode(str(refused))
        stream.write(_HEADER.pack(b"FAIL", len(text)) + text)
    stream.close()


def _read_request(stream: Stream) -> tuple[bytes, str] | None:
    """Read what is asked of which path; ``None`` when the host quits."""
    kind, length = _HEADER.unpack(stream.read_exactly(_HEADER.size))
    if kind == b"QUIT":
        return None
    if length > MAX_PATH:
        raise _RefusedError("path too long")
    path, _, _ = bytes(stream.read_exactly(length)).partition(b"\0")
    return kind, os.fsdecode(path)


def _unknown(phone: Phone, path: str, stream: Stream) -> None:
    del phone, path, stream
    raise _RefusedError("unknown command")


def _stat(phone: Phone, path: str, stream: Stream) -> None:
    """Send mode, size and time of a path that may be a symbolic link."""
    stream.write(_STAT.pack(b"STAT", *_facts(_lstat(phone, path))))


def _lstat(phone: Phone, path: str) -> os.stat_result | None:
    with suppress(OSError):
        return _entry(phone, path).lstat()
    return None


def _facts(result: os.stat_result | None) -> tuple[int, int, int]:
    """Mode, size and time of the last change, as words; zeros for what is not there."""
    if result is None:
        return 0, 0, 0
    return result.st_mode, result.st_size & _U32, int(result.st_mtime) & _U32


def _list(phone: Phone, path: str, stream: Stream) -> None:
    """Send the entries of a folder; one that cannot be read has none."""
    entries = [_ENTRY.pack(b"DONE", 0, 0, 0, 0)]
    with suppress(OSError):
        folder = phone.resolve(path)
        names = [".", "..", *sorted(os.listdir(folder))]  # noqa: PTH208 - bare names, as readdir gives them
        entries[:0] = [_listed(name, _facts((folder / name).lstat())) for name in names]
    stream.write(b"".join(entries))


def _listed(name: str, facts: tuple[int, int, int]) -> bytes:
    encoded = os.fsencode(name)
    return _ENTRY.pack(b"DENT", *facts, len(encoded)) + encoded


def _receive(phone: Phone, path: str, stream: Stream) -> None:
    """Send a file's content."""
    with _failing("open failed"):
        descriptor = os.open(phone.resolve(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while blocks := _read_blocks(descriptor):
            stream.write(blocks)
    finally:
        os.close(descriptor)
    stream.write(_HEADER.pack(b"DONE", 0))


def _read_blocks(descriptor: int) -> bytes:
    """Read the next few DATA blocks of a file; nothing at its end."""
    blocks: list[bytes] = []
    with _failing("read failed"):
        while len(blocks) < _BLOCKS_AT_ONCE and (data := os.read(descriptor, MAX_DATA)):
            blocks.append(_HEADER.pack(b"DATA", len(data)) + data)
    return b"".join(blocks)


class _Incoming:
    """The DATA blocks of one SEND; after the last one, ``time_s`` is the file's time of change."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ended = False
        self.time_s = 0

    def __iter__(self) -> Iterator[bytes | memoryview]:
        while not self._ended:
            kind, count = _HEADER.unpack(self._stream.read_exactly(_HEADER.size))
            self._ended = kind != b"DATA" or count > MAX_DATA
            if kind == b"DONE":
                self.time_s = count
            elif kind != b"DATA":
                raise _RefusedError("invalid data message")
            elif count > MAX_DATA:
                raise _RefusedError("oversize data message")
            else:
                yield self._stream.read_exactly(count)


def _send(phone: Phone, specification: str, stream: Stream) -> None:
    """Take a file, or a symbolic link; what was there before is removed, and so is what could not be finished."""
    incoming = _Incoming(stream)
    try:
        path, mode = _read_specification(specification)
        if stat.S_ISLNK(mode):
            _take_link(phone, path, incoming)
        else:
            _take_file(phone, path, mode, incoming)
    except _RefusedError:
        for _ in incoming:  # a host reads the answer only when it has sent everything
            pass
        raise
    stream.write(_HEADER.pack(b"OKAY", 0))


def _read_specification(specification: str) -> tuple[str, int]:
    """Read ``PATH,MODE``; the mode is decimal and has the kind of file in it."""
    path, _, mode = specification.rpartition(",")
    if not path or not mode.isdecimal():
        raise _RefusedError("bad path or mode")
    return path, int(mode)


def _take_file(phone: Phone, path: str, mode: int, incoming: _Incoming) -> None:
    """Write a file; the owner's rights become everybody's, as adb has always done."""
    shared = mode & 0o700 | (mode & 0o700) >> 3 | (mode & 0o700) >> 6 | mode & 0o777
    with _failing("couldn't create file"):
        place = _entry(phone, path)
        _unlink(place)
        descriptor = _with_folder(place, lambda: _create(place))
    try:
        with _failing("write failed"), open(descriptor, "wb") as target:  # noqa: PTH123 - opened by number
            os.fchmod(descriptor, shared)
            _copy(phone, incoming, target)
        os.utime(place, (incoming.time_s, incoming.time_s))
    except (_RefusedError, StreamClosedError):
        _unlink(place)
        raise


def _copy(phone: Phone, incoming: _Incoming, target: BinaryIO) -> None:
    """Write every block for which the phone has room; it is asked anew after every MiB."""
    room = 0
    since_asked = _ROOM_CHECK_BYTES
    for block in incoming:
        if since_asked >= _ROOM_CHECK_BYTES:
            room, since_asked = phone.storage_left(), 0
        since_asked += len(block)
        if since_asked > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        target.write(block)


def _take_link(phone: Phone, path: str, incoming: _Incoming) -> None:
    """Make a symbolic link; the blocks are its target."""
    target = b"".join(incoming).rstrip(b"\0")
    with _failing("symlink failed"):
        place = _entry(phone, path)
        _unlink(place)
        _with_folder(place, lambda: place.symlink_to(os.fsdecode(target)))


def _unlink(place: Path) -> None:
    """Remove a file or a link, and nothing else; a program that runs from it keeps what it has."""
    with suppress(OSError):
        if stat.S_IFMT(place.lstat().st_mode) in {stat.S_IFREG, stat.S_IFLNK}:
            place.unlink()


def _with_folder(place: Path, make: Callable[[], _Made]) -> _Made:
    """Make something at a place, with the folders above it where they are missing."""
    try:
        return make()
    except FileNotFoundError:
        with _failing("secure_mkdirs failed"):
            place.parent.mkdir(mode=0o775, parents=True, exist_ok=True)
        return make()


def _create(place: Path) -> int:
    """Open a new file to write; what is still there is neither file nor link, and may be a device."""
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(place, flags | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return os.open(place, flags)


def _entry(phone: Phone, path: str) -> Path:
    """Find the place of a path whose last part is taken as it is, symbolic link or not.

    Raises:
        NotADirectoryError: the path ends like a folder's (which is how a host asks what a link leads to), and is none.
    """
    folder, _, name = path.rpartition("/")
    if name not in {"", ".", ".."}:
        return phone.resolve(f"/{folder}") / name
    place = phone.resolve(f"/{path}")
    if place.exists() and not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    return place


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Turn an error of the phone's files into the text that adb's daemon sends."""
    try:
        yield
    except OSError as error:
        raise _RefusedError(f"{what}: {os.strerror(error.errno or errno.EACCES)}") from error


_ANSWERS: Mapping[bytes, Callable[[Phone, str, Stream], None]] = {
    b"STAT": _stat,
    b"LIST": _list,
    b"RECV": _receive,
    b"SEND": _send,
}
