"""What a record of Android's log is, whichever form it was written in.

A field that a form does not carry is ``None``; so is one that the form cut off. Nothing here reads bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from functools import lru_cache
from typing import NamedTuple

from parsers.dump import Json


class RecordFlag(Flag):
    """What a reader should know of a record before relying on it."""

    NONE = 0
    TRUNCATED = auto()
    """A part is missing: the log's 128-byte header buffer or its 4,068-byte entry cut it, or its end is not in the dump."""
    OUT_OF_ORDER = auto()
    """Its time is earlier than one before it in the same buffer: the clock was set back."""
    LINES_LOST = auto()
    """The log says here that it left lines out (``chatty``: dropped, or equal to the one before)."""
    TAG_AMBIGUOUS = auto()
    """What parts tag and message stands more than once: they were parted at the first (in ``process``, at the last)."""
    JOINED = auto()
    """Made of several lines with an equal header; that they were one message is likely, not certain."""
    INVALID_UTF8 = auto()
    """Bytes that are no UTF-8 stand in the text as lone surrogates (``surrogateescape``), so none is lost."""
    UNTERMINATED = auto()
    """The dump ends before the line does: it may have been longer."""
    PRINTABLE_ESCAPES = auto()
    """Holds what ``-v printable`` writes for other bytes (``\\x1B``, ``\\a``). A message may hold the same: left as it is."""
    TIME_INVALID = auto()
    """Its time is none that a clock shows (30 February), so it was not resolved."""


class Source(StrEnum):
    """Which form a record was read from."""

    BRIEF = "brief"
    TAG = "tag"
    PROCESS = "process"
    THREAD = "thread"
    RAW = "raw"
    TIME = "time"
    THREADTIME = "threadtime"
    LONG = "long"
    BINARY = "binary"
    STUDIO_TEXT = "studio_text"
    STUDIO_VIEW = "studio_view"
    STUDIO_JSON = "studio_json"


class TimeConfidence(StrEnum):
    """How a record's time was found; where several hold, the one that leaves most doubt."""

    EXACT = "exact"
    """An instant by the dump alone."""
    ZONE_FROM_USER = "zone_from_user"
    """The dump has the year; the offset is that of the zone the user named."""
    NO_ZONE = "no_zone"
    """The dump has the year; whose local time it is, nobody said."""
    YEAR_FROM_CAPTURE = "year_from_capture"
    """The year follows from when the dump was taken; an offset stands there where one is known."""
    ZONE_DOUBTFUL = "zone_doubtful"
    """The user's zone shows this local time twice or never (summer time begins or ends): no offset."""
    NO_YEAR = "no_year"
    """The dump has no year, and nobody said when it was taken."""
    SINCE_BOOT = "since_boot"
    """A time since the phone started (``monotonic``), as an ISO 8601 duration."""
    NONE = "none"
    """The form carries no time, or it is none that could be resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record of the log: a line, or in forms with message borders a whole message."""

    source: Source
    offset: int
    """Byte of the dump at which the record begins, in the dump's own encoding."""
    buffer: str | None
    """The buffer that was named last before it (``--------- beginning of main``). Without ``logcat -D`` the way back into
    a buffer is not marked, so later records of others may follow."""
    raw_time: str | None
    """The time as it stands."""
    time: str | None
    """The time in ISO 8601, with as many digits as the dump has; ``--12-31T23:59:59.998`` where the year is not known."""
    time_confidence: TimeConfidence
    priority: str | None
    """The letter as it stands: ``V D I W E F S A``, or ``?`` where the log itself did not know."""
    uid: int | str | None
    """A number, or the name where logcat printed one (names of at most five letters, such as ``root``)."""
    pid: int | None
    tid: int | None
    tag: str | None
    message: str
    flags: RecordFlag = RecordFlag.NONE

    def to_json(self) -> dict[str, Json]:
        """Give what ``profile parse --json`` prints, in that order."""
        return {
            "time": self.time,
            "priority": self.priority,
            "uid": self.uid,
            "pid": self.pid,
            "tid": self.tid,
            "tag": self.tag,
            "message": self.message,
            "offset": self.offset,
            "flags": list(flag_names(self.flags)),
        }


class Line(NamedTuple):
    """A header taken apart and its message, before its time is resolved."""

    raw_time: str | None
    priority: str | None
    uid: int | str | None
    pid: int | None
    tid: int | None
    tag: str | None
    message: str
    flags: RecordFlag


@lru_cache(maxsize=1024)
def flag_names(flags: RecordFlag) -> tuple[str, ...]:
    """Name the flags in lower case, in their order."""
    return tuple(str(flag.name).lower() for flag in flags)
