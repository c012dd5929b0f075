"""The logs in a bug report: ``dumpstate`` prints a section for each, between many that are none.

After AOSP's ``dumpstate``: a section is headed ``------ SYSTEM LOG (logcat -v threadtime -d *:v) ------``, with whatever
arguments logcat was given, and ends at the next line that begins so; older ones end with ``[logcat: 0.4s elapsed]``. A
section with ``-S`` holds sizes, no log. The report's second line says when it was taken, which gives the logs their year.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from parsers.dump import Buffer

_TAKEN = re.compile(rb"^== dumpstate: ([0-9]{4}-[0-9]{2}-[0-9]{2}) [0-9]{2}:[0-9]{2}:[0-9]{2}\r?$", re.MULTILINE)
_SECTION = re.compile(rb"^------ ([^\n(]{1,80}?) \(([^\n]{0,500}?)\) ------\r?\n", re.MULTILINE)
_END = re.compile(rb"^(?:------ |\[logcat: [0-9.]{1,12}s elapsed\])", re.MULTILINE)
_BUFFER = re.compile(r"-b ([a-z]{1,16})(?![a-z,])")
_HEAD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSection:
    """One log of a bug report."""

    name: str
    start: int
    end: int
    buffer: str | None
    """Where logcat was asked for one only."""


def is_bugreport(head: bytes) -> bool:
    """Whether a dump begins as a bug report does."""
    return _TAKEN.search(head[:_HEAD]) is not None


def taken_on(data: Buffer) -> date | None:
    """Give the day on which a bug report was taken."""
    found = _TAKEN.search(data[:_HEAD])
    try:
        return date.fromisoformat(found[1].decode()) if found else None
    except ValueError:
        return None


def log_sections(data: Buffer) -> Iterator[LogSection]:
    """Find the logs of a bug report, in its order."""
    at = 0
    while (
        heading := _SECTION.search(data, at)
    ) is not None:  # no iterator of matches: it would keep a mapped file open
        at = heading.end()
        name, command = heading[1].decode(errors="replace"), heading[2].decode(errors="replace").split(" ")
        if "logcat" not in command[0] or "-S" in command:
            continue
        end = _END.search(data, at)
        buffer = _BUFFER.search(" ".join(command))
        yield LogSection(
            name=name,
            start=at,
            end=end.start() if end else len(data),
            buffer=buffer[1] if buffer and buffer[1] != "all" else None,
        )
