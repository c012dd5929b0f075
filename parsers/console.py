"""How the three commands speak: one line for an error, a bar on a terminal, plain lines in a pipe.

All but :func:`result_console` goes to standard error; standard output belongs to a command's result.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

EXIT_ERROR = 1
EXIT_INCOMPLETE = 3
EXIT_INTERRUPTED = 130

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SECONDS_BETWEEN_LINES = 5.0
_AT_ONCE = 0.5
"""Seconds; what is done so soon was done before, by a job that was stopped, and does not tell how fast this one is."""

Advance = Callable[[int, str], None]
"""Takes how many units are done and a note on what is going on."""


def run_command(command: Callable[[], Any], *, name: str, expected: tuple[type[Exception], ...], kept: str) -> None:
    """Run a command line to its exit code: 1 with one line for an expected error or a full disk, 130 where the user stops it.

    Args:
        command: parses the command line and does what it says.
        name: of the command, before every line.
        expected: errors whose text is fit to print.
        kept: what is left where the user stops it, a sentence.
    """
    try:
        command()
    except expected as error:
        tell(f"{name}: {error}")
        sys.exit(EXIT_ERROR)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        with contextlib.suppress(OSError):
            sys.stdout.close()  # else the rest is tried once more at the end, and complained of
        tell(f"{name}: the output cannot be written: {error.strerror}.")
        sys.exit(EXIT_ERROR)
    except (KeyboardInterrupt, SystemExit) as stop:  # Typer turns Ctrl-C into its exit code without a word
        if isinstance(stop, SystemExit) and stop.code != EXIT_INTERRUPTED:
            raise
        tell(f"{name}: stopped. {kept}")
        sys.exit(EXIT_INTERRUPTED)


def tell(line: str) -> None:
    """Say one line to the person in front of the terminal."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def result_console(*, pipe_width: int = 140) -> Console:
    """Open standard output for tables: as wide as a terminal is, and ``pipe_width`` wide where there is none.

    Names in square brackets are printed as they are.
    """
    from rich.console import Console  # noqa: PLC0415 - only what prints a table pays for it

    return Console(width=None if sys.stdout.isatty() else pipe_width, highlight=False, markup=False)


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Show how far a long job is and how long it will take; yields the function that moves it."""
    if sys.stderr.isatty():
        with _bar(title, total) as advance:
            yield advance
    else:
        yield _lines(title, total)


@contextlib.contextmanager
def _bar(title: str, total: int) -> Iterator[Advance]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda done, note: bar.update(task, completed=done, note=note)


def _lines(title: str, total: int) -> Advance:
    begun = started = spoken = time.monotonic()
    before = 0
    tell(f"{title}: 0/{total}")

    def advance(done: int, note: str) -> None:
        nonlocal spoken, started, before
        now = time.monotonic()
        if now - begun < _AT_ONCE and done < total:
            started, before = now, done
        if done < total and now - spoken < _SECONDS_BETWEEN_LINES:
            return
        spoken = now
        here = done - before
        left = f", about {(now - started) / here * (total - done):.0f} s left" if here else ""
        tell(f"{title}: {done}/{total}{left} ({note})")

    return advance
