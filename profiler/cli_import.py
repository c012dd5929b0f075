"""``profile import``: somebody's published table of phones' times into rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import tell
from profiler.cli_common import JsonOption, print_json, tell_rejects
from profiler.errors import DumpOptionError

if TYPE_CHECKING:
    from parsers.published.rows import PublishedRow
    from parsers.published.tables import Imported


def register(app: typer.Typer) -> None:
    """Add the command to ``profile``."""
    app.command("import")(import_command)


def import_command(
    kind: Annotated[str | None, typer.Argument(help="Whose table it is; the kinds are listed if left out.")] = None,
    path: Annotated[Path | None, typer.Argument(help="The table's file; for ofa-lut also its folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Table to write; the rows are only counted if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a published table of phones' times into rows: origin 'imported', the phones' hardware attached."""
    from parsers.published.tables import TABLES, import_table, table_named

    if kind is None:
        if as_json:
            print_json({table.name: table.meaning for table in TABLES})
        else:
            typer.echo("\n".join(f"{table.name:16} {table.meaning}" for table in TABLES))
        return
    table_named(kind)
    if path is None:
        raise typer.BadParameter("name the table's file behind its kind", param_hint="PATH")
    imported = import_table(kind, path)
    if output is not None:
        _write(imported, path, output)
    if as_json:
        print_json(_document(kind, imported, output))
    else:
        _print(imported, output)


def _write(imported: Imported, source: Path, output: Path) -> None:
    from parsers.stats import cells_to_frame, write_stats

    if output.exists() and (output.samefile(source) or output.suffix in {".csv", ".yaml"}):
        raise DumpOptionError(f"-o {output} would overwrite a published table. Name another file, as rows.parquet.")
    write_stats(cells_to_frame(row.cells() for row in imported.rows), output)


def _print(imported: Imported, output: Path | None) -> None:
    for device, rows in _by_device(imported.rows).items():
        types = ", ".join(f"{count} {name}" for name, count in Counter(row.type for row in rows).most_common())
        typer.echo(f"{device:10} {len(rows):6} rows, {_total_ms(rows):.1f} ms in all: {types}")
    typer.echo(f"{len(imported.rows)} rows")
    for note in imported.notes:
        tell(f"note: {note}")
    tell_rejects((f"in {one.path},", one.reject) for one in imported.rejects)
    if output is not None:
        typer.echo(output)


def _document(kind: str, imported: Imported, output: Path | None) -> dict[str, object]:
    return {
        "kind": kind,
        "output": None if output is None else str(output),
        "rows": len(imported.rows),
        "devices": {
            device: {"rows": len(rows), "execution_time_ms": _total_ms(rows)}
            for device, rows in _by_device(imported.rows).items()
        },
        "types": dict(Counter(row.type for row in imported.rows).most_common()),
        "notes": list(imported.notes),
        "rejects": [
            {
                "path": str(one.path),
                "offset": one.reject.offset,
                "reason": one.reject.reason,
                "text": one.reject.text.decode(errors="backslashreplace"),
            }
            for one in imported.rejects
        ],
    }


def _by_device(rows: Sequence[PublishedRow]) -> Mapping[str, list[PublishedRow]]:
    devices: dict[str, list[PublishedRow]] = {}
    for row in rows:
        devices.setdefault(row.provenance.device, []).append(row)
    return devices


def _total_ms(rows: Sequence[PublishedRow]) -> float:
    return math.fsum(row.measurement.execution_time_ms or 0.0 for row in rows)
