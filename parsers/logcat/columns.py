r"""A ``threadtime`` log as columns, at disk speed: Arrow record batches out of a file of any size.

The lines of the usual form are read all at once (:mod:`parsers.logcat.regular_lines`); what is not of it to the letter goes to
the parser of records, which decides. So the columns equal its records, line for line.

The log does not tell the year, so there is no timestamp: ``month``, ``day`` and ``time_of_day_ms`` stand beside each other, in
the device's local time. Bytes that are no UTF-8 are written as ``\xNN`` and flagged; ``offset`` leads to the line itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from parsers.dump import LONGEST_REJECT, Buffer, Reject
from parsers.errors import DumpError
from parsers.logcat import threadtime
from parsers.logcat.regular_lines import PRIORITIES, Lines, Mask, Positions, read_regular, split_lines
from parsers.logcat.slices import let_go, line_end_of
from parsers.logcat.threadtime import LogRecord, RecordFlag, parse_threadtime

PIECE_BYTES = 1 << 21
LONGEST_LINE_BYTES = 1 << 24
"""A longer line is a reject, whatever it holds: logcat's are some thousand bytes, and memory stays bounded."""

SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("month", pa.int8()),
        ("day", pa.int8()),
        ("time_of_day_ms", pa.int32()),
        ("pid", pa.int32()),
        ("tid", pa.int32()),
        ("priority", pa.dictionary(pa.int8(), pa.string())),
        ("tag", pa.dictionary(pa.int32(), pa.string())),
        ("message", pa.large_string()),
        ("tag_ambiguous", pa.bool_()),
        ("invalid_utf8", pa.bool_()),
        ("unterminated", pa.bool_()),
    ]
)
"""The columns; their meaning is that of the fields and flags of a record."""

_PLAIN = pa.schema(
    [field.with_type({"priority": pa.int8(), "tag": pa.large_string()}.get(field.name, field.type)) for field in SCHEMA]
)
"""The columns before priorities and tags are numbered."""
_PIECES_A_ROW_GROUP = 32
_NO_LINE = "no line of threadtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumns:
    """A piece of a log as it was read."""

    records: pa.RecordBatch
    """Of :data:`SCHEMA`, in the log's order."""
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a log that was written as a table."""

    records: int
    rejects: int


def read_columns(data: Buffer, *, piece_bytes: int = PIECE_BYTES) -> Iterator[LogColumns]:
    """Read a log in ``threadtime`` form without modifiers, piece by piece.

    A mapped file's pages are let go of as they have been read, so that memory does not grow with the file.

    Args:
        data: the log, in memory or mapped.
        piece_bytes: so much text is read at once, up to a line's end.
    """
    line_end = line_end_of(data)
    for start, end in _pieces(data, piece_bytes):
        if end - start > LONGEST_LINE_BYTES:
            yield _too_long(data, start)
            continue
        text = bytes(data[start:end])
        let_go(data, start, end)
        yield _read(split_lines(text, line_end), start, line_end)


def write_parquet(data: Buffer, path: Path, on_reject: Callable[[Reject], object] | None = None) -> Written:
    """Write a log as a Parquet table of :data:`SCHEMA`, beside its place first, so that nobody sees half a table.

    Args:
        data: as :func:`read_columns` takes it.
        path: the table.
        on_reject: is called with every line that is no record.

    Raises:
        DumpError: the table cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as handle:
            written = _write(read_columns(data), handle, on_reject or (lambda _: None))
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise DumpError(f"{path} cannot be written: {error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return written


def _write(pieces: Iterator[LogColumns], handle: BinaryIO, on_reject: Callable[[Reject], object]) -> Written:
    records = rejects = 0
    with pq.ParquetWriter(handle, SCHEMA, compression="zstd") as table:
        while group := list(itertools.islice(pieces, _PIECES_A_ROW_GROUP)):
            table.write_table(pa.Table.from_batches([piece.records for piece in group]).unify_dictionaries())
            records += sum(piece.records.num_rows for piece in group)
            for reject in itertools.chain.from_iterable(piece.rejects for piece in group):
                on_reject(reject)
                rejects += 1
    return Written(records=records, rejects=rejects)


def _pieces(data: Buffer, piece_bytes: int) -> Iterator[tuple[int, int]]:
    """Part a log into runs of whole lines, as long as asked or, if even one line is longer, that line."""
    start = 0
    while start < len(data):
        limit = start + piece_bytes
        end = len(data) if limit >= len(data) else data.rfind(b"\n", start, limit) + 1
        while not end:
            let_go(data, start, limit)
            searched, limit = limit, limit + piece_bytes
            end = data.find(b"\n", searched, limit) + 1 or (len(data) if limit >= len(data) else 0)
        yield start, end
        start = end


def _read(lines: Lines, offset: int, line_end: bytes) -> LogColumns:
    """Read a piece of the log that begins at an offset: the usual lines at once, and all others."""
    batch, is_other = _regular(lines, offset)
    if not is_other.any():
        return LogColumns(records=_numbered(batch), rejects=())
    others, rejects = _others(lines, np.flatnonzero(is_other), offset, line_end)
    table = pa.Table.from_batches([batch, others]).sort_by("offset")
    batch = pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=_PLAIN)
    return LogColumns(records=_numbered(batch), rejects=rejects)


def _regular(lines: Lines, offset: int) -> tuple[pa.RecordBatch, Mask]:
    """Read the usual lines; return also which are others, empty ones left out."""
    read = read_regular(lines)
    is_other = lines.ends > lines.starts
    is_other[read.rows] = False
    never = np.zeros(len(read.rows), bool)
    columns = (
        *(lines.starts[read.rows] + offset, read.month.astype(np.int8), read.day.astype(np.int8), read.time_of_day_ms),
        *(read.pid, read.tid, read.priority, read.tag, read.message, read.tag_ambiguous, never, never),
    )
    return pa.record_batch([pa.array(column) for column in columns], schema=_PLAIN), is_other


def _others(lines: Lines, rows: Positions, offset: int, line_end: bytes) -> tuple[pa.RecordBatch, tuple[Reject, ...]]:
    """Let the parser of records read lines: together, as a log of their own."""
    starts, ends = lines.starts[rows], np.append(lines.starts[1:], len(lines.text))[rows]
    log = line_end + b"".join(lines.text[start:end] for start, end in zip(starts, ends, strict=True))
    places = len(line_end) + np.cumsum(ends - starts) - (ends - starts)
    refused: list[threadtime.Reject] = []
    records = list(parse_threadtime(log, rejects=refused))
    of_records, of_refused = (
        offset + starts[np.searchsorted(places, np.array([read.offset for read in reads], np.int64))]
        for reads in (records, refused)
    )
    rejects = (
        Reject(offset=at, reason=_NO_LINE, text=reject.line[:LONGEST_REJECT])
        for at, reject in zip(of_refused.tolist(), refused, strict=True)
    )
    return _batch_of(records, of_records), tuple(rejects)


def _batch_of(records: list[LogRecord], offsets: Positions) -> pa.RecordBatch:
    columns = {
        "offset": offsets,
        "month": [int(record.date[:2]) for record in records],
        "day": [int(record.date[3:]) for record in records],
        "time_of_day_ms": [_time_of_day_ms(record.time) for record in records],
        "pid": [record.pid for record in records],
        "tid": [record.tid for record in records],
        "priority": [PRIORITIES.index(record.priority) for record in records],
        "tag": [_printable(record.tag) for record in records],
        "message": [_printable(record.message) for record in records],
        "tag_ambiguous": [RecordFlag.TAG_AMBIGUOUS in record.flags for record in records],
        "invalid_utf8": [RecordFlag.INVALID_UTF8 in record.flags for record in records],
        "unterminated": [RecordFlag.UNTERMINATED in record.flags for record in records],
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


def _too_long(data: Buffer, start: int) -> LogColumns:
    reject = Reject(offset=start, reason="too long for a line", text=bytes(data[start : start + LONGEST_REJECT]))
    return LogColumns(records=_numbered(_batch_of([], np.empty(0, np.int64))), rejects=(reject,))
