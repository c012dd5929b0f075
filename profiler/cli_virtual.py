"""``profile virtual-phone``: a phone for those who have none."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.errors import VirtualPhoneError

if TYPE_CHECKING:
    import socket

    from profiler.virtual_phone.faults import Fault
    from profiler.virtual_phone.phone import Phone


def register(app: typer.Typer) -> None:
    """Add ``virtual-phone`` to the ``profile`` command line."""
    app.command("virtual-phone")(virtual_phone_command)


def virtual_phone_command(
    tier: Annotated[
        str, typer.Option("--tier", help="flagship, mid, low, or the path of a phone's TOML file.")
    ] = "low",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="TCP port on 127.0.0.1; 0 takes any free one.")
    ] = 5561,
    slow: Annotated[
        float, typer.Option("--slow", min=1.0, help="The phone's clocks run so many times as fast as this machine's.")
    ] = 1.0,
    serial: Annotated[
        str | None, typer.Option("--serial", help="The phone's ro.serialno; follows from tier and port if left out.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="The phone's folder, kept for next time; a temporary one if left out.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", help="NAME or NAME=ARGUMENT, see --faults. Repeatable.")
    ] = None,
    faults: Annotated[bool, typer.Option("--faults", help="List the faults that can be ordered, and end.")] = False,
    turn: Annotated[
        Path | None, typer.Option("--turn", help="Lock file of the phones that measure one after the other.")
    ] = None,
    no_turn: Annotated[bool, typer.Option("--no-turn", help="Measure while other virtual phones do.")] = False,
) -> None:
    """Run a phone that is none behind a real adb daemon, until Ctrl-C; what is measured on it is this machine.

    Orders are read from standard input, a line each: fault NAME [ARGUMENT], clear NAME, faults, services, quit.
    """
    from profiler.local import measuring_lock_path
    from profiler.virtual_phone.daemon import listen
    from profiler.virtual_phone.faults import parse_fault

    if faults:
        _print_faults()
        return
    orders = [parse_fault(order) for order in fault or ()]
    taking_turns = None if no_turn else turn or measuring_lock_path()
    with listen(port) as listener, _folder(root) as folder:
        phone = _phone(tier, serial, listener.getsockname()[1], folder, slow, taking_turns)
        _run(phone, listener, orders, slow=slow)


def _phone(tier: str, serial: str | None, port: int, root: Path, slow: float, turn: Path | None) -> Phone:
    from dataclasses import replace

    from profiler.virtual_phone.description import load_description
    from profiler.virtual_phone.handset import Handset

    if turn is not None:
        turn.parent.mkdir(parents=True, exist_ok=True)
    description = load_description(tier)
    if serial is not None:
        description = replace(description, properties={**description.properties, "ro.serialno": serial})
    return Handset(description, root, slow=slow, turn=turn, serial=f"virtual-{description.name}-{port}")


def _run(phone: Phone, listener: socket.socket, faults: Sequence[Fault], *, slow: float) -> None:
    """Keep the phone on, and obey, until told to end."""
    import sys

    from profiler.virtual_phone.daemon import Daemon
    from profiler.virtual_phone.orders import ending_signals, serve_orders

    def say(line: str) -> None:
        print(line, flush=True)

    with ending_signals() as stopped, Daemon(phone, listener) as daemon:
        for order in faults:
            daemon.order(order)
        facts = phone.properties
        name = f"{facts.get('ro.product.model', 'a phone')}, serial {facts.get('ro.serialno', 'unknown')}"
        say(f"Virtual phone on {daemon.address}: {name}. No real phone: this machine does what it is asked to do.")
        if slow != 1:
            say(f"Its clocks run {slow:g} times as fast, so that all it does seems to take {slow:g} times as long.")
        say(
            f"Next:\n  adb connect {daemon.address}\n  profile devices\n  profile collect --device {daemon.address} --suite demo"
        )
        serve_orders(sys.stdin.fileno() if sys.stdin else None, daemon, say, stopped)


@contextmanager
def _folder(root: Path | None) -> Iterator[Path]:
    """The phone's folder: the user's own, which stays, or a temporary one, which does not."""
    if root is None:
        with tempfile.TemporaryDirectory(prefix="virtual-phone-") as folder:
            yield Path(folder)
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise VirtualPhoneError(f"{root} cannot be a phone's folder: {error.strerror}. Name another.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield root.resolve()
    except BlockingIOError as error:
        raise VirtualPhoneError(f"Another virtual phone has its folder in {root}. Name another.") from error
    finally:
        os.close(descriptor)


def _print_faults() -> None:
    from profiler.virtual_phone.faults import FAULT_KINDS

    for name, kind in FAULT_KINDS.items():
        order = f"{name}={kind.argument}" if kind.argument else name
        typer.echo(f"{order:28} {kind.meaning}")
