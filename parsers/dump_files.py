"""A dump's way from a file, and its records' way into one.

Rows of layers become a stats table; any other records become a Parquet table of their own fields, written in pieces so
that a log larger than memory can be turned into one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from parsers.dump import Dump, DumpSettings, Json, Reject, mapped, record_to_json
from parsers.errors import DumpError
from parsers.kinds import kind_named, kind_of
from parsers.stats import cells_to_frame, write_stats

_PIECE = 50_000
"""Records that are written at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDump:
    """A dump whose file is open, so that its records can be read."""

    kind: str
    dump: Dump


@contextlib.contextmanager
def open_dump(path: Path, kind_name: str | None, settings: DumpSettings) -> Iterator[OpenDump]:
    """Open a dump's file and read it as its kind, named or told from how it begins.

    Raises:
        DumpError: no such file, no such kind, or none that fits.
        ParsersError: the whole file is not of the kind.
    """
    with mapped(path) as data:
        kind = kind_named(kind_name) if kind_name else kind_of(data, path)
        yield OpenDump(kind=kind.name, dump=kind.read(data, settings))


def write_records(dump: Dump, path: Path) -> int:
    """Write a dump's rows of layers as a stats table, or else its records as a table of their own; give the number of rows.

    Raises:
        DumpError: the table cannot be written.
        StatsError: two rows share a key, or the stats table cannot be written.
    """
    if dump.cells:
        for _ in dump.records:  # the rejects are complete when all are read
            pass
        return write_stats(cells_to_frame(dump.cells), path)
    return _write_table((record_to_json(record) for record in dump.records), path)


def write_rejects(rejects: Sequence[Reject], path: Path) -> None:
    """Write what could not be read, one JSON object a line: ``offset``, ``reason``, ``text``."""
    lines = (json.dumps(record_to_json(reject)) + "\n" for reject in rejects)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            handle.writelines(lines)
    except OSError as error:
        raise DumpError(f"{path} cannot be written: {error.strerror or error}.") from error


def _write_table(records: Iterator[dict[str, Json]], path: Path) -> int:
    """Write records to a file beside the place and rename it, so that nobody sees half a table."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = _write_pieces(records, part)
        part.replace(path)
    except OSError as error:
        raise DumpError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return rows


def _write_pieces(records: Iterator[dict[str, Json]], part: Path) -> int:
    first = list(itertools.islice(records, _PIECE))
    schema = _schema_of(first)
    rows = 0
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        piece = first
        while piece:
            writer.write_table(pa.Table.from_pylist([_fit(record, schema) for record in piece], schema=schema))
            rows += len(piece)
            piece = list(itertools.islice(records, _PIECE))
    return rows


def _schema_of(records: Iterable[Mapping[str, Json]]) -> pa.Schema:
    """Give every field of the records one type: the one that its values share, else text."""
    seen: dict[str, set[type]] = {}
    for record in records:
        for name, value in record.items():
            kinds = seen.setdefault(name, set())
            if value is not None:
                kinds.add(type(value))
    return pa.schema([pa.field(name, _arrow_type(kinds)) for name, kinds in seen.items()])


def _arrow_type(kinds: set[type]) -> pa.DataType:
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    return pa.string()


def _fit(record: Mapping[str, Json], schema: pa.Schema) -> dict[str, Json]:
    """Bring a record's values to the table's types; what is nested, or of no shared type, is written as JSON."""
    fitted: dict[str, Json] = {}
    for field in schema:
        value = record.get(field.name)
        if value is not None and pa.types.is_string(field.type):
            value = _text(value) if isinstance(value, str) else json.dumps(value)
        fitted[field.name] = value
    return fitted


def _text(value: str) -> str:
    """Write what was no UTF-8 as escapes, because a table holds text only."""
    return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
