"""Android's log, as ``logcat -v threadtime`` prints it, into records.

A line is a record: the text form does not say where a message of several lines begins. Nothing is guessed: a line that
does not fit is a :class:`Reject` with its place. The module knows no tag and no message; what the runner's records say
is read in :mod:`parsers.runlog`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Flag, auto
from mmap import mmap


class RecordFlag(Flag):
    """What a reader should know of a record before relying on it."""

    NONE = 0
    TAG_AMBIGUOUS = auto()
    """``": "`` stands more than once, and a tag may hold one: tag and message were parted at the first."""
    INVALID_UTF8 = auto()
    """Bytes that are no UTF-8 stand in the text as lone surrogates (``surrogateescape``), so none is lost."""
    UNTERMINATED = auto()
    """The data end before the line does: it may have been longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line of the log."""

    offset: int
    """Byte at which the line begins."""
    date: str
    """``MM-DD`` as it stands; the year is not in the log."""
    time: str
    """``HH:MM:SS.mmm`` as it stands, in the device's local time."""
    pid: int
    tid: int
    priority: str
    """One of ``VDIWEFAS``."""
    tag: str
    message: str
    flags: RecordFlag = RecordFlag.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One line that is no record."""

    offset: int
    line: bytes


_THREADTIME = re.compile(rb"(\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) +(\d{1,10}) +(\d{1,10}) ([VDIWEFAS]) (.*)", re.DOTALL)
_SEPARATOR = re.compile(rb"--------- (?:beginning of|switch to) [a-z]+")
_TAG_WIDTH = 8  # shorter tags are padded to it


def parse_threadtime(data: bytes | mmap, *, rejects: list[Reject] | None = None) -> Iterator[LogRecord]:
    """Read the records of a log, in its order.

    Empty lines and logcat's own separators (``--------- beginning of main``) are neither records nor rejects. Where the
    first line ends in CR LF, every line does.

    Args:
        data: the log, in memory or mapped.
        rejects: takes the lines that are no records, as they are met.
    """
    line_end = b"\r" if _first_line(data).endswith(b"\r") else b""
    for offset, line, terminated in _lines(data):
        text = line.removesuffix(line_end)
        if not text or _SEPARATOR.fullmatch(text):
            continue
        record = parse_line(offset, text, terminated=terminated)
        if record is not None:
            yield record
        elif rejects is not None:
            rejects.append(Reject(offset=offset, line=line))


def _first_line(data: bytes | mmap) -> bytes:
    return bytes(data[: max(data.find(b"\n"), 0)])


def _lines(data: bytes | mmap) -> Iterator[tuple[int, bytes, bool]]:
    """Yield each line's offset, its bytes without the newline, and whether it has one."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        if end < 0:
            yield start, bytes(data[start:]), False
            return
        yield start, bytes(data[start:end]), True
        start = end + 1


def parse_line(offset: int, line: bytes, *, terminated: bool) -> LogRecord | None:
    """Read one line, without what ends it; ``None`` where it is no record."""
    match = _THREADTIME.fullmatch(line)
    if match is None:
        return None
    date, time, pid, tid, priority, rest = match.groups()
    tag, colon, message = rest.partition(b": ")
    if not colon:
        return None
    if len(tag) == _TAG_WIDTH:
        tag = tag.rstrip(b" ")
    flags = RecordFlag.NONE
    if b": " in message:
        flags |= RecordFlag.TAG_AMBIGUOUS
    if not _is_utf8(rest):
        flags |= RecordFlag.INVALID_UTF8
    if not terminated:
        flags |= RecordFlag.UNTERMINATED
    return LogRecord(
        offset=offset,
        date=date.decode(),
        time=time.decode(),
        pid=int(pid),
        tid=int(tid),
        priority=priority.decode(),
        tag=tag.decode(errors="surrogateescape"),
        message=message.decode(errors="surrogateescape"),
        flags=flags,
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
