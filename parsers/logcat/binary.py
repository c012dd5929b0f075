"""``logcat -B``: the log's entries as the phone's log service hands them out.

After ``logger_entry`` and its successors (AOSP ``liblog``, ``log/log_read.h``): payload length, header length, pid, tid,
seconds, nanoseconds; then nothing (version 1, whose header length is 0), a uid or a buffer (2 or 3, both of 24 bytes), or a
buffer and a uid (4). Of a header of 24 bytes only a number greater than any buffer's says that it is a uid.
The payload is level, tag, zero, message, zero; without the last zero the entry was full. ``events`` have a payload of their
own (:mod:`parsers.logcat.events`).

An entry that cannot be one is a reject up to the next place at which two entries follow each other, or one ends the dump.
A terminal between phone and file turns each line feed into CR LF; where every line feed of the dump has its CR and only the
dump without them is one of entries, that is undone, and offsets are still the dump's own.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from parsers.dump import Buffer
from parsers.logcat.events import event_text
from parsers.logcat.messages import Entry
from parsers.logcat.record import Line, RecordFlag, Source
from parsers.logcat.rejects import Rejects
from parsers.logcat.text import Mark

LARGEST_UNDONE = 1 << 26
"""A dump that a terminal changed is copied to undo it, up to so many bytes."""

BUFFERS = ("main", "radio", "events", "system", "crash", "stats", "security", "kernel")
_EVENT_BUFFERS = frozenset({"events", "stats", "security"})
_LEVELS = "??VDIWEFS"

_HEADER = struct.Struct("<HHiIII")
_EXTRA = struct.Struct("<I")
_HEADER_SIZES = {0: 20, 20: 20, 24: 24, 28: 28}
_MOST_PAYLOAD = 5 * 1024
_LEAST_PAYLOAD = 3
_MOST_PID = 1 << 22
_NANOSECONDS = 10**9
_CANDIDATE = re.compile(rb"(?=..[\x00\x14\x18\x1c]\x00..[\x00-\x40]\x00..[\x00-\x40]\x00.......[\x00-\x3b])", re.DOTALL)
"""Where an entry may begin, by its header's length, pid, tid and nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """An entry's header, and where its payload lies."""

    pid: int
    tid: int
    seconds: int
    nanoseconds: int
    buffer: str | None
    uid: int | None
    start: int
    end: int


def _raw_at(data: Buffer, offset: int) -> _Raw | None:
    """Read the header at that byte; ``None`` where no entry can begin there."""
    head = bytes(data[offset : offset + max(_HEADER_SIZES.values())])
    if len(head) < _HEADER.size:
        return None
    size, header_size, pid, tid, seconds, nanoseconds = _HEADER.unpack_from(head)
    length = _HEADER_SIZES.get(header_size)
    if length is None or len(head) < length or not _LEAST_PAYLOAD <= size <= _MOST_PAYLOAD:
        return None
    start, end = offset + length, offset + length + size
    if not 0 <= pid <= _MOST_PID or tid > _MOST_PID or nanoseconds >= _NANOSECONDS or end > len(data):
        return None
    extra = [_EXTRA.unpack_from(head, at)[0] for at in range(_HEADER.size, length, _EXTRA.size)]
    buffer, uid = _buffer_and_uid(extra)
    raw = _Raw(pid=pid, tid=tid, seconds=seconds, nanoseconds=nanoseconds, buffer=buffer, uid=uid, start=start, end=end)
    return raw if buffer in _EVENT_BUFFERS or _is_text(data, raw) else None


def _buffer_and_uid(extra: list[int]) -> tuple[str | None, int | None]:
    match extra:
        case [number, uid]:
            return BUFFERS[number] if number < len(BUFFERS) else None, uid
        case [number] if number >= len(BUFFERS):
            return None, number
    return None, None


def _is_text(data: Buffer, raw: _Raw) -> bool:
    level, zero = data[raw.start], data.find(b"\0", raw.start + 1, raw.end)
    return level < len(_LEVELS) and (zero >= 0 or raw.buffer is not None)


def is_binary(head: bytes, *, whole: bool) -> bool:
    """Whether a dump begins with two entries, or, being ``whole``, is one."""
    first = _raw_at(head, 0)
    if first is None:
        return False
    return whole if first.end == len(head) else _raw_at(head, first.end) is not None


def is_binary_through_terminal(head: bytes, *, whole: bool) -> bool:
    """The same for a dump whose line feeds a terminal turned into CR LF."""
    if b"\n" not in head or head.count(b"\n") != head.count(b"\r\n"):
        return False
    return not is_binary(head, whole=whole) and is_binary(head.replace(b"\r\n", b"\n"), whole=whole)


def scan_binary(
    data: Buffer, rejects: Rejects, place: Callable[[int], int] = lambda offset: offset
) -> Iterator[Entry | Mark]:
    """Yield the entries of a binary log; where the buffer changes, a mark before them.

    Args:
        data: the log's entries.
        rejects: takes what is between them.
        place: tells where a byte of them stands in the dump.
    """
    offset, buffer = 0, None
    while offset < len(data):
        raw = _raw_at(data, offset)
        line = None if raw is None else _line(bytes(data[raw.start : raw.end]), raw)
        if raw is None or line is None:
            resumes = _next_entry(data, offset + 1)
            rejects.add(place(offset), "no entry of a binary log", data[offset : min(resumes, offset + 200)])
            offset = resumes
            continue
        rejects.end_row()
        if raw.buffer is not None and raw.buffer != buffer:
            buffer = raw.buffer
            yield Mark(buffer, begins=False)
        yield Entry(place(offset), Source.BINARY, line)
        offset = raw.end


def _next_entry(data: Buffer, offset: int) -> int:
    """Find where the next entry begins that another one follows, or the dump's end."""
    for candidate in _CANDIDATE.finditer(data, offset):
        raw = _raw_at(data, candidate.start())
        if raw is not None and (raw.end == len(data) or _raw_at(data, raw.end) is not None):
            return candidate.start()
    return len(data)


def _line(payload: bytes, raw: _Raw) -> Line | None:
    time = f"{raw.seconds:19}.{raw.nanoseconds:09}"
    if raw.buffer in _EVENT_BUFFERS:
        event = event_text(payload)
        if event is None:
            return None
        level = "W" if raw.buffer == "security" else "I"
        return Line(time, level, raw.uid, raw.pid, raw.tid, *event, RecordFlag.NONE)
    tag, zero, rest = payload[1:].partition(b"\0")
    if not zero:
        return None
    message, zero, beyond = rest.partition(b"\0")
    flags = RecordFlag.NONE if zero and not beyond.strip(b"\0") else RecordFlag.TRUNCATED
    level = _LEVELS[payload[0]]
    return Line(time, level, raw.uid, raw.pid, raw.tid, _decoded(tag), _decoded(message), flags)


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


class Undone:
    """A binary log without what a terminal did to it."""

    def __init__(self, data: Buffer) -> None:
        self.data = bytes(data).replace(b"\r\n", b"\n")
        self._counted = self._line_feeds = 0

    def place(self, offset: int) -> int:
        """Tell where a byte stands in the dump as it is."""
        if offset < self._counted:
            self._counted = self._line_feeds = 0
        self._line_feeds += self.data.count(b"\n", self._counted, offset)
        self._counted = offset
        return offset + self._line_feeds
