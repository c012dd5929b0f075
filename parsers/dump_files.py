"""A dump's way from a file, and its records' way into one.

Rows of layers become a stats table; any other records become a Parquet table of their own fields, written in pieces so
that a log larger than memory can be turned into one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from parsers.atomic import written_whole
from parsers.dump import Dump, DumpSettings, Json, Reject, mapped, record_to_json
from parsers.errors import DumpError
from parsers.kinds import kind_named, kind_of
from parsers.stats import cells_to_frame, write_stats

_PIECE = 50_000
"""Records that are written at a time; the first of them decide what the columns hold."""

_ARROW_TYPES: dict[type, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


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
        DumpError: the table cannot be written, or its first records do not tell what the later ones hold.
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
    try:
        with written_whole(path) as handle:
            return _write_pieces(records, handle)
    except OSError as error:
        raise DumpError(f"{path} cannot be written: {error.strerror or error}.") from error


def _write_pieces(records: Iterator[dict[str, Json]], handle: BinaryIO) -> int:
    piece = list(itertools.islice(records, _PIECE))
    columns = _columns_of(piece)
    schema = pa.schema([pa.field(name, _ARROW_TYPES[kind]) for name, kind in columns.items()])
    rows = 0
    with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
        while piece:
            writer.write_table(pa.Table.from_pylist([_fit(record, columns) for record in piece], schema=schema))
            rows += len(piece)
            piece = list(itertools.islice(records, _PIECE))
    return rows


def _columns_of(records: Iterable[Mapping[str, Json]]) -> dict[str, type]:
    """Give every field of the records one type: the one that its values share, else text."""
    seen: dict[str, set[type]] = {}
    for record in records:
        for name, value in record.items():
            kinds = seen.setdefault(name, set())
            if value is not None:
                kinds.add(_kind(value))
    return {name: _shared(kinds) for name, kinds in seen.items()}


def _kind(value: Json) -> type:
    """Tell a value's type; a number of more than 64 bits fits no column but a text's."""
    return str if isinstance(value, int) and value.bit_length() > 63 else type(value)


def _shared(kinds: set[type]) -> type:
    if kinds == {int, float}:
        return float
    return next(iter(kinds)) if len(kinds) == 1 and kinds <= _ARROW_TYPES.keys() else str


def _fit(record: Mapping[str, Json], columns: Mapping[str, type]) -> dict[str, Json]:
    """Bring a record's values to the columns' types; what is nested, or of no shared type, is written as JSON.

    Raises:
        DumpError: a record behind the first piece, which the columns were made of, has another field or another type.
    """
    fitted: dict[str, Json] = dict.fromkeys(columns)
    for name, value in record.items():
        kind = columns.get(name)
        if kind is str and value is not None:
            fitted[name] = _text(value) if isinstance(value, str) else json.dumps(value)
        elif value is None or _kind(value) is kind or (kind is float and _kind(value) is int):
            fitted[name] = value
        else:
            raise DumpError(f"Field {name!r} of a record behind the first {_PIECE} fits no column. Use --json, not -o.")
    return fitted


def _text(value: str) -> str:
    """Write what was no UTF-8 as escapes, because a table holds text only."""
    return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
