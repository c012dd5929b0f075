r"""A log in plain ``threadtime`` as columns, at disk speed: Arrow record batches out of a file of any size.

Lines of the usual form are read all at once (:mod:`parsers.logcat.regular_lines`); any other is read as
:data:`parsers.logcat.formats.THREADTIME` reads it, so that the columns equal the records line for line. Lines with a year, a zone, a
uid or finer time are not plain and become rejects: :func:`fits_columns` tells beforehand, from how a log begins.

The log does not tell the year, so there is no timestamp: ``month``, ``day`` and ``time_of_day_ms`` stand beside each other, in
the device's local time. Bytes that are no UTF-8 are written as ``\xNN`` and flagged; ``offset`` leads to the line itself. What
one line does not tell by itself (its buffer, whether its time is out of order) only the records have.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from parsers.atomic import written_whole
from parsers.dump import HEAD_BYTES, LONGEST_REJECT, Buffer, Reject
from parsers.errors import DumpError
from parsers.logcat.assembly import flags_of
from parsers.logcat.encoding import LONGEST_LINE, Charset, Text, lines, text_of
from parsers.logcat.formats import COLOR_END, SEPARATOR, THREADTIME
from parsers.logcat.record import Line, RecordFlag
from parsers.logcat.regular_lines import PRIORITIES, Lines, Positions, RegularLines, read_regular, split_lines
from parsers.logcat.rejects import Rejects
from parsers.logcat.slices import let_go
from parsers.logcat.sniff import sniff

PIECE_BYTES = 1 << 21

SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("month", pa.int8()),
        ("day", pa.int8()),
        ("time_of_day_ms", pa.int32()),
        ("pid", pa.int64()),
        ("tid", pa.int64()),
        ("priority", pa.dictionary(pa.int8(), pa.string())),
        ("tag", pa.dictionary(pa.int32(), pa.string())),
        ("message", pa.large_string()),
        ("tag_ambiguous", pa.bool_()),
        ("truncated", pa.bool_()),
        ("invalid_utf8", pa.bool_()),
        ("unterminated", pa.bool_()),
    ]
)
"""The columns; their meaning is that of the fields and flags of a record. ``tag`` is null where logcat cut the header."""

_PLAIN = pa.schema(
    [field.with_type({"priority": pa.int8(), "tag": pa.large_string()}.get(field.name, field.type)) for field in SCHEMA]
)
"""The columns before priorities and tags are numbered."""
_PIECES_A_ROW_GROUP = 8
_PLAIN_TIME = re.compile(r"[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}")
_NO_LINE = "no line of the form threadtime"
_NOT_PLAIN = "a uid, or a time of another form"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumns:
    """A piece of a log as it was read."""

    records: pa.RecordBatch
    """Of :data:`SCHEMA`, in the log's order."""
    rejects: tuple[Reject, ...]
    """As :class:`parsers.logcat.rejects.Rejects` lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a log that was written as a table."""

    records: int
    rejects: int


def fits_columns(data: Buffer) -> bool:
    """Tell from how a log begins whether its columns hold all that its records do: each of its first lines is plain."""
    head = bytes(data[:HEAD_BYTES])
    if text_of(head).charset is not Charset.UTF8:
        return False
    whole = head if len(head) == len(data) else head[: head.rfind(b"\n") + 1]
    pieces = list(read_columns(whole))
    return any(piece.records.num_rows for piece in pieces) and not any(piece.rejects for piece in pieces)


def read_columns(data: Buffer, *, piece_bytes: int = PIECE_BYTES) -> Iterator[LogColumns]:
    """Read a log in ``threadtime`` form without modifiers, piece by piece.

    A mapped file's pages are let go of as they have been read, so that memory does not grow with the file.

    Args:
        data: the log, in memory or mapped.
        piece_bytes: so much text is read at once, up to a line's end.

    Raises:
        DumpError: the log is UTF-16.
    """
    text = text_of(data)
    if text.charset is not Charset.UTF8:
        raise DumpError(
            f"The log is {text.charset.value}; columns are only read from UTF-8. Convert it, or read records."
        )
    reader = _Reader(_line_end(text))
    for start, end in _pieces(data, text.start, piece_bytes):
        if end - start > max(piece_bytes, LONGEST_LINE + 1):
            yield reader.refuse(bytes(data[start : start + LONGEST_REJECT]), start)
            continue
        piece = bytes(data[start:end])
        let_go(data, start, end)
        yield reader.read(piece, start)


def write_parquet(data: Buffer, path: Path, on_reject: Callable[[Reject], object] | None = None) -> Written:
    """Write a log as a Parquet table of :data:`SCHEMA`, beside its place first, so that nobody sees half a table.

    Args:
        data: as :func:`read_columns` takes it.
        path: the table.
        on_reject: is called with every reject.

    Raises:
        DumpError: the log is UTF-16, or does not begin with lines of plain ``threadtime``, or the table cannot be written.
    """
    try:
        with written_whole(path) as handle:
            return _write(read_columns(data), handle, on_reject or (lambda _: None))
    except OSError as error:
        raise DumpError(f"{path} cannot be written: {error.strerror or error}.") from error
    except pa.ArrowException as error:
        raise DumpError(f"{path} cannot be written: {error}.") from error


def _write(pieces: Iterator[LogColumns], handle: BinaryIO, on_reject: Callable[[Reject], object]) -> Written:
    records = rejects = 0
    with pq.ParquetWriter(handle, SCHEMA, compression="zstd") as table:
        while group := list(itertools.islice(pieces, _PIECES_A_ROW_GROUP)):
            table.write_table(pa.Table.from_batches([piece.records for piece in group]).unify_dictionaries())
            records += sum(piece.records.num_rows for piece in group)
            for reject in itertools.chain.from_iterable(piece.rejects for piece in group):
                on_reject(reject)
                rejects += 1
            if rejects and not records:
                raise DumpError("No line that the log begins with is of plain threadtime. Read records, not columns.")
    return Written(records=records, rejects=rejects)


def _line_end(text: Text) -> str:
    """Give the carriage returns that end the lines, as the first lines behind the separators show."""
    separator_end: str | None = None
    for offset, line, _ in lines(text, text.start):
        if SEPARATOR.fullmatch(line.strip()):
            separator_end = "\r" * (len(line) - len(line.rstrip("\r")))
        elif line.strip():
            return sniff(text, offset, separator_end=separator_end, named=THREADTIME).line_end
    return ""


def _pieces(data: Buffer, start: int, piece_bytes: int) -> Iterator[tuple[int, int]]:
    """Part a log into runs of whole lines, as long as asked or, if even one line is longer, that line."""
    while start < len(data):
        limit = start + piece_bytes
        end = len(data) if limit >= len(data) else data.rfind(b"\n", start, limit) + 1
        while not end:
            let_go(data, start, limit)
            searched, limit = limit, limit + piece_bytes
            end = data.find(b"\n", searched, limit) + 1 or (len(data) if limit >= len(data) else 0)
        yield start, end
        start = end


class _Reader:
    """Reads a log's pieces in their order."""

    def __init__(self, line_end: str) -> None:
        self._line_end = line_end.encode()
        self._rejects = Rejects()

    def read(self, text: bytes, offset: int) -> LogColumns:
        """Read whole lines that begin at that byte of the log."""
        lines = split_lines(text, self._line_end)
        usual = read_regular(lines)
        batch = _batch_of_usual(usual, lines.starts[usual.rows] + offset)
        is_other = lines.ends > lines.starts
        is_other[usual.rows] = False
        others = self._read_others(lines, np.flatnonzero(is_other), usual.rows, offset)
        if others:
            table = pa.Table.from_batches([batch, _batch_of(others)]).sort_by("offset")
            batch = pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=_PLAIN)
        return LogColumns(records=_numbered(batch), rejects=self._taken())

    def refuse(self, start: bytes, offset: int) -> LogColumns:
        """Pass over a line that no log can hold, given how it begins."""
        self._rejects.add(offset, "line longer than any of a log", start)
        return LogColumns(records=_numbered(_batch_of([])), rejects=self._taken())

    def _taken(self) -> tuple[Reject, ...]:
        taken = tuple(self._rejects.items)
        self._rejects.items.clear()
        return taken

    def _read_others(self, lines: Lines, rows: Positions, usual: Positions, offset: int) -> list[tuple[int, Line]]:
        """Read lines one by one; return them with their offsets."""
        read: list[tuple[int, Line]] = []
        passed = 0
        for row, usual_before in zip(rows.tolist(), np.searchsorted(usual, rows).tolist(), strict=True):
            if usual_before > passed:
                self._rejects.end_row()
                passed = usual_before
            start, end, newline = (int(places[row]) for places in (lines.starts, lines.ends, lines.newlines))
            if newline - start > LONGEST_LINE:
                self._rejects.add(offset + start, "line longer than any of a log", lines.text[start:end])
                continue
            line = self._read_other(offset + start, lines.text[start:end].decode(errors="surrogateescape"))
            if line is not None:
                self._rejects.end_row()
                whole = newline < len(lines.text)
                read.append(
                    (offset + start, line if whole else line._replace(flags=line.flags | RecordFlag.UNTERMINATED))
                )
        if len(usual) > passed:
            self._rejects.end_row()
        return read

    def _read_other(self, offset: int, text: str) -> Line | None:
        line = THREADTIME.read(text.removesuffix(COLOR_END) if text.startswith("\x1b") else text)
        if line is None:
            if text and not text.isspace() and not SEPARATOR.fullmatch(text.strip()):
                self._rejects.add(offset, _NO_LINE, text)
            return None
        if line.uid is not None or not _PLAIN_TIME.fullmatch(line.raw_time or ""):
            self._rejects.add(offset, _NOT_PLAIN, text)
            return None
        return line._replace(flags=flags_of(line.tag, line.message, line.flags))


def _batch_of_usual(read: RegularLines, offsets: Positions) -> pa.RecordBatch:
    never = np.zeros(len(read.rows), bool)
    columns = (
        *(offsets, read.month.astype(np.int8), read.day.astype(np.int8), read.time_of_day_ms),
        *(read.pid.astype(np.int64), read.tid.astype(np.int64), read.priority, read.tag, read.message),
        *(read.tag_ambiguous, never, never, never),
    )
    return pa.record_batch([pa.array(column) for column in columns], schema=_PLAIN)


def _batch_of(read: list[tuple[int, Line]]) -> pa.RecordBatch:
    times = [line.raw_time or "" for _, line in read]
    columns = {
        "offset": [offset for offset, _ in read],
        "month": [int(time[:2]) for time in times],
        "day": [int(time[3:5]) for time in times],
        "time_of_day_ms": [_time_of_day_ms(time[6:]) for time in times],
        "pid": [line.pid for _, line in read],
        "tid": [line.tid for _, line in read],
        "priority": [PRIORITIES.index(str(line.priority)) for _, line in read],
        "tag": [None if line.tag is None else _printable(line.tag) for _, line in read],
        "message": [_printable(line.message) for _, line in read],
        "tag_ambiguous": [RecordFlag.TAG_AMBIGUOUS in line.flags for _, line in read],
        "truncated": [RecordFlag.TRUNCATED in line.flags for _, line in read],
        "invalid_utf8": [RecordFlag.INVALID_UTF8 in line.flags for _, line in read],
        "unterminated": [RecordFlag.UNTERMINATED in line.flags for _, line in read],
    }
    return pa.RecordBatch.from_pydict(columns, schema=_PLAIN)


def _time_of_day_ms(time: str) -> int:
    hours, minutes, seconds = time.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + int(seconds.replace(".", ""))


def _printable(text: str) -> str:
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _numbered(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Number priorities and tags."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns["priority"] = pa.DictionaryArray.from_arrays(columns["priority"], pa.array(list(PRIORITIES)))
    tags = columns["tag"].dictionary_encode()
    columns["tag"] = pa.DictionaryArray.from_arrays(tags.indices, tags.dictionary.cast(pa.string()))
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=SCHEMA)
