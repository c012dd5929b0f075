"""Every kind of published table that is known, and a table's way from its file into rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parsers.dump import Reject, mapped
from parsers.errors import PublishedError
from parsers.published import block_tables, network_table, tflite_ops, torch_ops
from parsers.published.phones import read_phones
from parsers.published.rows import PublishedRow, Table

TABLES: tuple[Table, ...] = (tflite_ops.TABLE, torch_ops.TABLE, network_table.TABLE, *block_tables.TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReject:
    """A piece of one of the files that could not be read."""

    path: Path
    reject: Reject


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a table's files hold."""

    rows: tuple[PublishedRow, ...]
    rejects: tuple[FileReject, ...]
    notes: tuple[str, ...]


def table_named(name: str) -> Table:
    """Give a kind of table by its name.

    Raises:
        PublishedError: no kind of that name; the message lists them.
    """
    for table in TABLES:
        if table.name == name:
            return table
    raise PublishedError(f"No published table {name!r}. Known: {', '.join(table.name for table in TABLES)}.")


def import_table(name: str, path: Path) -> Imported:
    """Read a published table.

    Args:
        name: the kind of table.
        path: its file, or the folder of its files where it has several.

    Raises:
        PublishedError: no such kind, another table, or one without a time.
        DumpError: a file cannot be read.
        DeviceConfigError: the phones' figures cannot be read.
    """
    table = table_named(name)
    phones = read_phones()
    rows: list[PublishedRow] = []
    rejects: list[FileReject] = []
    notes: list[str] = []
    for file in _files(table, path):
        with mapped(file) as data:
            try:
                read = table.read(data, file.stem, phones)
            except PublishedError as error:
                raise PublishedError(f"{file}: {error}") from error
        rows += read.rows
        rejects += [FileReject(path=file, reject=reject) for reject in read.rejects]
        notes += read.notes
    if not rows:
        raise PublishedError(f"{path}: no time could be read ({len(rejects)} pieces could not). Is it whole?")
    return Imported(rows=tuple(rows), rejects=tuple(rejects), notes=tuple(dict.fromkeys(notes)))


def _files(table: Table, path: Path) -> list[Path]:
    if table.pattern is None or not path.is_dir():
        return [path]
    files = sorted(path.glob(table.pattern))
    if not files:
        raise PublishedError(f"{path}: no {table.pattern} in this folder.")
    return files
