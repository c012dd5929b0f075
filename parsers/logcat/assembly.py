"""Entries into records: times resolved, what is out of order or lost flagged, and neighbours joined where that is asked.

A log's times are compared within a buffer and a stretch. A stretch ends where a buffer begins that has begun before: there
logcat was started again, and shows the log from its beginning once more.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from parsers.logcat.clock import Clock, log_day
from parsers.logcat.messages import Entry
from parsers.logcat.record import LogRecord, RecordFlag, Source, TimeConfidence
from parsers.logcat.text import Mark
from parsers.logcat.years import LogDay

_LOST = {
    "chatty": re.compile(r"uid=[0-9]+.* (?:(?:expire|identical) [0-9]+ lines?|dropped=[0-9]+)", re.DOTALL),
    "liblog": re.compile(r"(?:dropped=)?[0-9]+"),
}
"""What the log says of lines that it dropped: logd's ``chatty``, and the event ``liblog`` of a writer that found no room."""

_ESCAPE = re.compile(r"\\(?:x[0-9A-F]{2}|[abvfr\\]|[0-7]{1,3})")
_SURROGATE = re.compile("[\udc80-\udcff]")
_FULL_PAYLOADS = (4068, 4076)
"""What an entry of the log holds at most, since Android 5 and before: level, tag, zero, message, zero."""
_SHORTER_THAN_FULL = 900
_LONGEST_JOINED = 1 << 16
_PARTS = 256


class Stretches:
    """Tells where a stretch of log ends."""

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def ends_at(self, mark: Mark) -> bool:
        """Whether another stretch begins with this separator."""
        if not mark.begins:
            return False
        again = mark.buffer in self._begun
        if again:
            self._begun.clear()
        self._begun.add(mark.buffer)
        return again


def days_of(entries: Iterable[Entry | Mark]) -> Iterator[list[LogDay]]:
    """Give each stretch's days without a year, as they follow each other, for :class:`parsers.logcat.years.YearPlan`."""
    stretches, days = Stretches(), list[LogDay]()
    for entry in entries:
        if isinstance(entry, Mark):
            if stretches.ends_at(entry):
                yield days
                days = []
        elif entry.line.raw_time is not None:
            day = log_day(entry.line.raw_time)
            if day is not None and (not days or days[-1] != day):
                days.append(day)
    yield days


def records(entries: Iterable[Entry | Mark], clock: Clock, buffer: str | None = None) -> Iterator[LogRecord]:
    """Yield the records that entries make."""
    stretches = Stretches()
    latest: dict[str | None, str] = {}
    top = ""
    for entry in entries:
        if isinstance(entry, Mark):
            latest[buffer] = top
            buffer = entry.buffer
            if stretches.ends_at(entry):
                clock.restart()
                latest.clear()
            top = latest.get(buffer, "")
            continue
        offset, source, (raw_time, priority, uid, pid, tid, tag, message, flags) = entry
        time, confidence, order = _UNTIMED if raw_time is None else clock.tell(raw_time)
        if order is not None:
            if order >= top or order[0] != top[0]:
                top = order
            else:
                flags |= RecordFlag.OUT_OF_ORDER
        elif raw_time is not None and ":" in raw_time:
            flags |= RecordFlag.TIME_INVALID
        flags = flags_of(tag, message, flags)
        yield LogRecord(
            source=source,
            offset=offset,
            buffer=buffer,
            raw_time=raw_time,
            time=time,
            time_confidence=confidence,
            priority=priority,
            uid=uid,
            pid=pid,
            tid=tid,
            tag=tag,
            message=message,
            flags=flags,
        )


_UNTIMED = (None, TimeConfidence.NONE, None)


def flags_of(tag: str | None, message: str, flags: RecordFlag) -> RecordFlag:
    """Add what the text itself shows."""
    if tag in _LOST and _LOST[tag].fullmatch(message):
        flags |= RecordFlag.LINES_LOST
    if "\\" in message and _ESCAPE.search(message):
        flags |= RecordFlag.PRINTABLE_ESCAPES
    if not message.isascii() and _SURROGATE.search(message):
        flags |= RecordFlag.INVALID_UTF8
    if tag is not None:
        if not tag.isascii() and _SURROGATE.search(tag):
            flags |= RecordFlag.INVALID_UTF8
        if len(message) > _SHORTER_THAN_FULL and _fills_entry(tag, message):
            flags |= RecordFlag.TRUNCATED
    return flags


def _fills_entry(tag: str, message: str) -> bool:
    """Whether not one byte more would have gone into the log: as good as certainly one did not."""
    return len((tag + message).encode(errors="surrogateescape")) + 3 in _FULL_PAYLOADS


def joined(singles: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """Join neighbours with an equal header; lines of ``raw`` have none, and one that was cut is not known to be equal."""
    for _, group in itertools.groupby(singles, key=_header):
        yield from _joined(group)


def _header(record: LogRecord) -> object:
    whole = record.source in _LINES and RecordFlag.TRUNCATED not in record.flags
    if not whole:
        return record.offset
    same = record.raw_time, record.priority, record.uid, record.pid, record.tid, record.tag
    return record.source, record.buffer, *same


_LINES = frozenset({Source.BRIEF, Source.TAG, Source.PROCESS, Source.THREAD, Source.TIME, Source.THREADTIME})


def _joined(group: Iterable[LogRecord]) -> Iterator[LogRecord]:
    group = iter(group)
    for first in group:
        parts, size, flags = [first.message], len(first.message), first.flags
        for record in group:
            parts.append(record.message)
            size += len(record.message) + 1
            flags |= record.flags
            if len(parts) > _PARTS:
                parts = ["\n".join(parts)]
            if size > _LONGEST_JOINED:
                break
        message = "\n".join(parts)
        if size == len(first.message):
            yield first
        else:
            yield replace(first, message=message, flags=flags_of(first.tag, message, flags | RecordFlag.JOINED))
