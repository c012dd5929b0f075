"""Single lines of ``threadtime``, for those who know that a log has that form and need no time resolved.

That is how the runner's own log is read (:mod:`parsers.run_records`), whose times stand in its messages. All other logs go
through :mod:`parsers.logcat.reader`.
"""

from __future__ import annotations

from collections.abc import Iterator

from parsers.dump import HEAD_BYTES, LONGEST_REJECT, Buffer, Reject
from parsers.logcat.assembly import flags_of
from parsers.logcat.formats import SEPARATOR, THREADTIME
from parsers.logcat.record import LogRecord, RecordFlag, TimeConfidence

_REASON = "no line of the form threadtime"


def parse_threadtime(data: Buffer, *, rejects: list[Reject] | None = None) -> Iterator[LogRecord]:
    """Read the records of a log, in its order.

    Empty lines and logcat's own separators (``--------- beginning of main``) are neither records nor rejects. Where the
    first line ends in CR LF, every line does.

    Args:
        data: the log, in memory or mapped.
        rejects: takes the lines that are no records, as they are met.
    """
    carriage_return = b"\r" if bytes(data[:HEAD_BYTES]).partition(b"\n")[0].endswith(b"\r") else b""
    for offset, line, terminated in _lines(data):
        text = line.removesuffix(carriage_return)
        record = parse_line(offset, text, terminated=terminated)
        if record is not None:
            yield record
        elif rejects is not None and text and not SEPARATOR.fullmatch(_decoded(text)):
            rejects.append(Reject(offset=offset, reason=_REASON, text=text[:LONGEST_REJECT]))


def _lines(data: Buffer) -> Iterator[tuple[int, bytes, bool]]:
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
    """Read a line without its end; ``None`` where it is no record. Its time is not resolved.

    Args:
        offset: byte at which it begins, for the record.
        line: the line.
        terminated: whether a newline stands behind it in the log.
    """
    read = THREADTIME.read(_decoded(line))
    if read is None:
        return None
    flags = read.flags if terminated else read.flags | RecordFlag.UNTERMINATED
    return LogRecord(
        source=THREADTIME.source,
        offset=offset,
        buffer=None,
        raw_time=read.raw_time,
        time=None,
        time_confidence=TimeConfidence.NONE,
        priority=read.priority,
        uid=read.uid,
        pid=read.pid,
        tid=read.tid,
        tag=read.tag,
        message=read.message,
        flags=flags_of(read.tag, read.message, flags),
    )


def _decoded(line: bytes) -> str:
    return line.decode(errors="surrogateescape")
