"""``stats.parquet``: a campaign's folder in, a table out, and back again.

The table has one column per entry of ``parsers.schema.COLUMNS`` and carries the schema's version in the file's
metadata, so that a reader refuses what it does not understand instead of guessing. It is written beside its place and
renamed, so that a reader never sees half of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from parsers.atomic import written_whole
from parsers.errors import OrtProfileError, RunLogError, StatsError
from parsers.evidence import parse_job
from parsers.jobs import DEVICE_FILE, JOB_FILE, read_device
from parsers.schema import (
    COLUMNS,
    SCHEMA_VERSION,
    Column,
    DeviceKind,
    Origin,
    Row,
    Scope,
    Status,
    Value,
    row_values,
)

KEY = ("campaign", "device", "job")
"""What makes a row of the table unique."""

ADDED_LATER = frozenset({"energy_error_mj"})
"""Columns that tables of this schema version may lack, because they were written before."""

_NAMES = (*KEY, "provider")
"""Columns without which a row is of nothing."""

_PIECE = 1000
"""Rows that are held as cells at a time: as such they are many times as large as in a table."""

_VERSION = b"autocomet.schema_version"

_ARROW_TYPES: dict[type, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}

_WORDS = {"scope": Scope, "status": Status, "origin": Origin, "device_kind": DeviceKind}
"""Columns that hold one of a few words; any other word would be taken for whatever it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRows:
    """What a campaign's folder yields: rows, and what could not be read, each with its path and reason."""

    rows: tuple[Row, ...]
    rejects: tuple[str, ...]


def parse_campaign(folder: Path) -> CampaignRows:
    """Read every finished job of a campaign.

    Raises:
        StatsError: the folder is no campaign, or a device's record cannot be read.
    """
    if not folder.is_dir():
        raise StatsError(f"{folder}: no such campaign folder. 'profile collect' makes one under runs/.")
    devices = sorted(path.parent for path in folder.glob(f"*/{DEVICE_FILE}"))
    if not devices:
        raise StatsError(f"{folder}: no device was measured here yet. Run 'profile collect' first.")
    rows: list[Row] = []
    rejects: list[str] = []
    for device_folder in devices:
        device = read_device(device_folder)
        for job_file in sorted(device_folder.glob(f"[!.]*/{JOB_FILE}")):
            try:
                rows += parse_job(job_file.parent, device, campaign=folder.name)
            except (StatsError, RunLogError, OrtProfileError) as error:
                rejects.append(f"{job_file.parent}: {error}")
    return CampaignRows(rows=tuple(rows), rejects=tuple(rejects))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A table made of several sources, and what could not be read."""

    path: Path
    rows: int
    rejects: tuple[str, ...]


def gather(sources: Sequence[Path], output: Path | None) -> Gathered:
    """Parse campaign folders and read stats tables into one table.

    Args:
        sources: campaign folders, which are parsed afresh, and Parquet tables, which are taken over.
        output: the table to write; a single campaign writes its own ``stats.parquet`` where it is ``None``.

    Raises:
        StatsError: a source cannot be read, two rows share a key, or ``output`` is missing where it is needed.
    """
    absent = [source for source in sources if not source.exists()]
    if absent:
        raise StatsError(f"{absent[0]}: no such file or folder. 'profile collect' makes campaigns and tables.")
    folders = [source for source in sources if source.is_dir()]
    if output is None and (len(sources) != 1 or not folders):
        raise StatsError("Several sources, or a table, need a table to write: add '-o FILE.parquet'.")
    parsed = {folder: parse_campaign(folder) for folder in folders}
    frames = [rows_to_frame(parsed[source].rows) if source in parsed else read_stats(source) for source in sources]
    path = output or folders[0] / "stats.parquet"
    rows = write_stats(pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True), path)
    rejects = tuple(reject for campaign in parsed.values() for reject in campaign.rejects)
    return Gathered(path=path, rows=rows, rejects=rejects)


def rows_to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Lay rows out as a table with the columns of ``stats.parquet``, in its order."""
    return cells_to_frame(row_values(row) for row in rows)


def cells_to_frame(cells: Iterable[Mapping[str, Value]]) -> pd.DataFrame:
    """Lay out cells by column as a table; a column that a row lacks is null there."""
    schema, rest = _schema(), iter(cells)
    pieces = iter(lambda: [dict(row) for row in itertools.islice(rest, _PIECE)], [])
    return _to_frame(pa.Table.from_batches((pa.RecordBatch.from_pylist(piece, schema) for piece in pieces), schema))


def write_stats(frames: pd.DataFrame | Sequence[Row], path: Path) -> int:
    """Write a stats table and return its number of rows.

    Args:
        frames: rows, or a table read by :func:`read_stats`.
        path: the Parquet file; its folder is made where it is absent.

    Raises:
        StatsError: two rows share a key (campaign, device, job), or the file cannot be written.
    """
    frame = frames if isinstance(frames, pd.DataFrame) else rows_to_frame(frames)
    twins = frame[frame.duplicated(list(KEY), keep=False)]
    if len(twins):
        campaign, device, job = (twins.iloc[0][name] for name in KEY)
        raise StatsError(f"{path}: two rows for job {job!r} of campaign {campaign!r} on {device!r}; a job is one row.")
    table = pa.Table.from_pandas(frame, schema=_schema(), preserve_index=False)
    _write_atomically(table, path)
    return int(table.num_rows)


def read_stats(path: Path) -> pd.DataFrame:
    """Read a stats table.

    Returns:
        One row per job, with the columns of ``parsers.schema.COLUMNS`` in their order. Nulls are NaN or None; a column
        that the table is older than is null throughout.

    Raises:
        StatsError: no such file, not a complete Parquet file, another schema version, or a column is missing or does not
            hold what its name says.
    """
    if not path.is_file():
        raise StatsError(f"{path}: no such table. 'profile collect' and 'profile model' write one.")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise StatsError(
            f"{path}: not a whole Parquet file ({reason}). Write it again with 'profile parse'."
        ) from error
    version = (table.schema.metadata or {}).get(_VERSION, b"none").decode()
    if version != str(SCHEMA_VERSION):
        raise StatsError(f"{path}: schema version {version}, this program reads {SCHEMA_VERSION}. Parse it again.")
    absent = [column for column in COLUMNS if column.name not in table.column_names]
    missing = [column.name for column in absent if column.name not in ADDED_LATER]
    if missing:
        raise StatsError(f"{path}: no column {', '.join(missing)}. Parse the campaign again with 'profile parse'.")
    for column in absent:
        table = table.append_column(column.name, pa.nulls(table.num_rows, _ARROW_TYPES[column.kind]))
    return _to_frame(pa.table([_read_column(table, column, path) for column in COLUMNS], schema=_schema()))


def _read_column(table: pa.Table, column: Column, path: Path) -> pa.ChunkedArray:
    """Bring a column to its type, where no number has to be guessed from text or the other way round.

    Raises:
        StatsError: it holds something else.
    """
    held, wanted = table.column(column.name), _ARROW_TYPES[column.kind]
    if not _is_like(held.type, column.kind):
        raise StatsError(f"{path}: column {column.name} holds {held.type}, not {wanted}. Write it as {wanted}.")
    try:
        read = held.cast(wanted)
        read.validate(full=True)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise StatsError(f"{path}: column {column.name} does not hold {wanted}: {reason}") from error
    words = [word.value for word in _WORDS.get(column.name, ())]
    unknown = [value for value in read.unique().to_pylist() if value not in words] if words else []
    if unknown:
        raise StatsError(f"{path}: column {column.name} holds {unknown[0]!r}, which is none of {', '.join(words)}.")
    if column.name in _NAMES and read.null_count:
        raise StatsError(f"{path}: column {column.name} is empty in {read.null_count} rows. Every row names its own.")
    return read


def _is_like(held: pa.DataType, kind: type) -> bool:
    """Tell whether a column's cells can be read as of a kind, null throughout included."""
    if pa.types.is_dictionary(held):
        held = held.value_type
    if pa.types.is_null(held):
        return True
    if kind is str:
        return bool(pa.types.is_string(held) or pa.types.is_large_string(held))
    if kind is bool:
        return bool(pa.types.is_boolean(held))
    return bool(pa.types.is_integer(held) or pa.types.is_floating(held))


def _schema() -> pa.Schema:
    fields = [pa.field(column.name, _ARROW_TYPES[column.kind], metadata=_field_metadata(column)) for column in COLUMNS]
    return pa.schema(fields, metadata={_VERSION: str(SCHEMA_VERSION).encode()})


def _field_metadata(column: Column) -> dict[str, str]:
    return {"unit": column.unit, "meaning": column.meaning}


def _to_frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _write_atomically(table: pa.Table, path: Path) -> None:
    try:
        with written_whole(path) as handle:
            pq.write_table(table, handle, compression="zstd")
    except OSError as error:
        raise StatsError(f"{path}: cannot be written ({error.strerror}).") from error
