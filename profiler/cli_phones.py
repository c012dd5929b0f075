"""``profile devices``, ``clean`` and ``connect``: which phones are there, and what is done to them beside measuring."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import EXIT_ERROR, tell
from profiler.android.states import NO_PHONE, READY
from profiler.cli_common import JsonOption, print_json

if TYPE_CHECKING:
    from profiler.android.listing import ListedPhone

AdbOption = Annotated[
    list[str] | None, typer.Option("--adb", help="adb server of another bench host, as host:port. Repeatable.")
]

_HEADINGS = ("serial", "model", "SoC", "tier", "ABI", "Android", "battery", "temperature", "state", "ready")


def register(app: typer.Typer) -> None:
    """Add the commands to ``profile``."""
    app.command("devices")(devices_command)
    app.command("clean")(clean_command)
    app.command("connect")(connect_command)


def devices_command(adb: AdbOption = None, as_json: JsonOption = False) -> None:
    """List the phones that adb sees: what each is, and whether it is ready or why not.

    The tier is the nearest of device_configs: of the same core design by clock, else by peak GFLOP/s of a core; blank where
    the phone does not tell. Nothing is left on a phone.
    """
    from profiler.android.identity import servers_from, survey
    from profiler.android.listing import list_phones

    seen = survey(servers_from(adb or ()), with_facts=True)
    phones = list_phones(seen)
    for error in seen.silent:
        tell(f"not asked: {error}")
    if as_json:
        print_json({"devices": [asdict(phone) for phone in phones]})
    elif not phones:
        tell(NO_PHONE)
    elif sys.stdout.isatty():
        _print_table(phones)
    else:
        _print_lines(phones)


def clean_command(
    device: Annotated[
        list[str] | None, typer.Option("--device", help="A phone's serial, address or name. Repeatable.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every phone that adb can use.")] = False,
    adb: AdbOption = None,
) -> None:
    """Put phones' settings back and remove everything of the bench from them; what was fetched stays here."""
    from profiler.android.phone import AdbDevice, find_phones
    from profiler.errors import ProfilerError

    if every == bool(device):
        raise typer.BadParameter("say which phones: --device SERIAL (repeatable), or --all")
    failed = False
    for phone in find_phones(None if every else device, servers=adb or ()):
        try:
            AdbDevice(phone, campaign="clean").clean()
        except ProfilerError as error:
            failed = True
            tell(f"not clean: {error}")
        else:
            typer.echo(f"{phone.name}: clean")
    if failed:
        raise typer.Exit(EXIT_ERROR)


def connect_command(
    address: Annotated[str, typer.Argument(help="The phone's HOST:PORT; the port is 5555 after 'adb tcpip 5555'.")],
) -> None:
    """Connect a phone over Wi-Fi, and say which one it is."""
    from profiler.android.identity import find_phones, is_address

    if not is_address(address):
        raise typer.BadParameter(f"{address!r} is no HOST:PORT")
    (phone,) = find_phones([address])
    typer.echo(f"{phone.name} is connected: profile collect --device {address}")


def _cells(phone: ListedPhone) -> tuple[str, ...]:
    ready = "ready" if phone.ready else "no"
    return (
        phone.serial,
        phone.model or "",
        phone.soc or "",
        phone.tier or "",
        phone.abi or "",
        phone.android or "",
        "" if phone.battery_percent is None else f"{phone.battery_percent:.0f} %",
        "" if phone.temperature_c is None else f"{phone.temperature_c:.1f} °C",
        phone.state,
        f"{ready}: {phone.note}" if phone.note else ready,
    )


def _print_table(phones: Sequence[ListedPhone]) -> None:
    """Draw a table for a terminal; what needs a sentence stands below it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("serial", "model", "SoC", "tier", "Android", "battery", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading not in {"model", "SoC"})
    for phone in phones:
        serial, model, soc, tier, abi, android, battery, temperature, *_ = map(escape, _cells(phone))
        state = "ready" if phone.ready else "not ready" if phone.state == READY else escape(phone.state)
        row = (serial, model, soc, tier, f"{android} {abi}", f"{battery} {temperature}", state)
        table.add_row(*row, style=None if phone.ready else "dim")
    console = Console()
    console.print(table)
    for phone in phones:
        if phone.note:
            console.print(f"{phone.serial}: {phone.note}", markup=False, highlight=False, soft_wrap=True)


def _print_lines(phones: Sequence[ListedPhone]) -> None:
    rows = [_HEADINGS, *map(_cells, phones)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
