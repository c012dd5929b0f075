"""``profile parse``: campaigns and tables into one table, and any single dump into records on the screen or in a file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import tell
from profiler.cli_common import print_json, tell_rejects
from profiler.errors import DumpOptionError

if TYPE_CHECKING:
    from parsers.dump import DumpSettings, Reject

_TABLE_MAGIC = b"PAR1"


def register(app: typer.Typer) -> None:
    """Add the command to ``profile``."""
    app.command("parse")(parse_command)


def parse_command(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Campaign folders and stats tables, or one dump.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Table to write; a single campaign's own if left out.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="What the dump is, where it cannot be told; 'list' lists all kinds.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="File for what could not be read: JSON Lines with offsets.")
    ] = None,
    join: Annotated[
        bool, typer.Option("--join", help="logcat: join neighbouring lines with an equal header into one record.")
    ] = False,
    capture_date: Annotated[
        str | None, typer.Option("--capture-date", help="logcat: day the log was taken, YYYY-MM-DD; gives it a year.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="logcat: zone of the device's clock, such as Asia/Kolkata.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Tier, phone or config file whose context a profile's rows carry.")
    ] = None,
    columns: Annotated[
        bool,
        typer.Option(
            "--columns", help="logcat in plain threadtime, with -o: columns at the disk's speed, without a year."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document; of a dump, one JSON object a record (JSON Lines).")
    ] = False,
) -> None:
    """Parse campaigns into one table, or a single dump into records: a log, a profile, a phone's own reports."""
    if kind == "list":
        _print_kinds()
        return
    if not sources:
        raise typer.BadParameter("name campaign folders and tables, or one dump", param_hint="SOURCES")
    campaigns = [source for source in sources if _is_campaign_or_table(source)]
    if kind is None and len(campaigns) == len(sources):
        _parse_campaigns(sources, output, as_json=as_json)
        return
    if len(sources) != 1:
        dump = next(source for source in sources if source not in campaigns or kind)
        raise DumpOptionError(f"{dump} is no campaign and no table. A dump is parsed alone: name only that file.")
    _refuse_to_overwrite(sources[0], output, rejects)
    if sources[0].is_dir():
        _parse_facts(sources[0], kind, output=output, as_json=as_json)
        return
    if columns:
        _parse_columns(sources[0], kind, output=output, rejects_file=rejects, as_json=as_json)
        return
    settings = _settings(sources[0], join=join, capture_date=capture_date, timezone=timezone, device=device)
    _parse_dump(sources[0], kind, settings, output=output, rejects_file=rejects, as_json=as_json)


def _refuse_to_overwrite(dump: Path, *targets: Path | None) -> None:
    for target in targets:
        if target is not None and target.exists() and target.samefile(dump):
            raise DumpOptionError(f"{target} is the dump itself, and would be overwritten. Name another file.")


def _is_campaign_or_table(source: Path) -> bool:
    """Tell a campaign's folder or a stats table, or what is neither there nor anything else."""
    if source.is_dir():
        from parsers.facts.folder import is_facts_folder

        return not is_facts_folder(source)
    if not source.is_file():
        return not source.exists()
    with source.open("rb") as handle:
        return source.suffix == ".parquet" or handle.read(4) == _TABLE_MAGIC


def _parse_campaigns(sources: Sequence[Path], output: Path | None, *, as_json: bool) -> None:
    from parsers.stats import gather

    parsed = gather(sources, output)
    for reject in parsed.rejects:
        tell(f"not read: {reject}")
    if as_json:
        print_json({"stats": str(parsed.path), "rows": parsed.rows, "rejects": list(parsed.rejects)})
    else:
        typer.echo(f"{parsed.rows} rows")
        typer.echo(parsed.path)


def _settings(
    source: Path, *, join: bool, capture_date: str | None, timezone: str | None, device: str | None
) -> DumpSettings:
    from datetime import date
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from parsers.device_config import load_device_config
    from parsers.dump import DumpSettings

    try:
        captured = date.fromisoformat(capture_date) if capture_date else None
    except ValueError as error:
        raise DumpOptionError(f"--capture-date {capture_date} is no day. Give it as YYYY-MM-DD.") from error
    try:
        zone = ZoneInfo(timezone) if timezone else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DumpOptionError(f"--timezone {timezone}: no such zone. Give one such as Asia/Kolkata or UTC.") from error
    return DumpSettings(
        join=join,
        capture_date=captured,
        timezone=zone,
        device=load_device_config(device) if device else None,
        name=source.stem,
    )


def _print_kinds() -> None:
    from parsers.kinds import KINDS

    for kind in KINDS:
        typer.echo(f"{kind.name:22} {kind.meaning}")


def _parse_dump(
    source: Path,
    kind_name: str | None,
    settings: DumpSettings,
    *,
    output: Path | None,
    rejects_file: Path | None,
    as_json: bool,
) -> None:
    from parsers.dump import record_to_json
    from parsers.dump_files import open_dump, write_records, write_rejects
    from profiler.record_table import print_table

    with open_dump(source, kind_name, settings) as opened:
        records = iter(opened.dump.records)
        first = list(itertools.islice(records, 1))
        dump = replace(opened.dump, records=itertools.chain(first, records))
        if not first:
            pass
        elif output is not None:
            _tell_output(opened.kind, output, write_records(dump, output), as_json=as_json)
        elif as_json:
            for record in dump.records:
                typer.echo(json.dumps(record_to_json(record)))
        else:
            print_table(record_to_json(record) for record in dump.records)
        for note in dump.notes:
            tell(f"note: {note}")
        tell_rejects(("at", reject) for reject in dump.rejects)
        if rejects_file is not None:
            write_rejects(dump.rejects, rejects_file)
        if not first:
            raise DumpOptionError(
                f"{source}: nothing in it could be read as {opened.kind}. --kind list has the others."
            )


def _parse_columns(
    source: Path, kind: str | None, *, output: Path | None, rejects_file: Path | None, as_json: bool
) -> None:
    from parsers.dump import mapped
    from parsers.dump_files import write_rejects
    from parsers.logcat.columns import write_parquet

    if output is None or kind not in {None, "logcat"}:
        raise DumpOptionError("--columns writes a logcat as a table: add -o FILE.parquet, and no other --kind.")
    rejects: list[Reject] = []
    with mapped(source) as data:
        written = write_parquet(data, output, rejects.append)
    _tell_output("logcat", output, written.records, as_json=as_json)
    tell_rejects(("at", reject) for reject in rejects)
    if rejects_file is not None:
        write_rejects(rejects, rejects_file)


def _tell_output(kind: str, output: Path, rows: int, *, as_json: bool) -> None:
    said: dict[str, object] = {"kind": kind, "output": str(output), "rows": rows}
    typer.echo(json.dumps(said) if as_json else f"{rows} rows\n{output}")


def _parse_facts(folder: Path, kind: str | None, *, output: Path | None, as_json: bool) -> None:
    """Print or write what a folder with a phone's ``proc``, ``sys`` and properties says of the phone."""
    from parsers.dump import Dump, record_to_json
    from parsers.dump_files import write_records
    from parsers.facts.folder import read_facts_folder
    from profiler.record_table import print_fields

    if kind is not None:
        raise DumpOptionError(f"{folder} is a folder, and --kind is for a file. Name a file in it, or no kind.")
    facts = read_facts_folder(folder)
    if output is not None:
        _tell_output("facts", output, write_records(Dump(records=(facts,)), output), as_json=as_json)
    elif as_json:
        typer.echo(json.dumps(record_to_json(facts)))
    else:
        print_fields(record_to_json(facts))
    for note in facts.notes:
        tell(f"note: {note}")
