"""``/proc/meminfo``: the memory of the whole machine, as Linux writes it in ``fs/proc/meminfo.c``.

Sizes are in KiB, which the kernel writes ``kB``; the numbers of huge pages have no unit. ``MemTotal`` is what the kernel
manages: built-in memory less what is reserved before it starts. A file may hold several samples, one behind the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, at_least_one, first_lines, holds, read_lines
from parsers.dump_numbers import whole
from parsers.errors import DumpError
from parsers.memory_dumps.fields import size_kb

_FIRST = "MemTotal"
_WHOLE_MEMORY = ("MemTotal:", "MemFree:", "MemAvailable:")
"""Other files of ``/proc`` have lines of the same form, but not these."""
_LINE = re.compile(r"([A-Za-z][\w()-]{0,63}):[ \t]*([^ \t].*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFigure:
    """One line: a size, or a number of pages."""

    offset: int
    sample: int
    """Which ``MemTotal`` it stands behind, the first 0."""
    name: str
    size_kb: int | None = None
    count: int | None = None


def read_meminfo(data: Buffer, settings: DumpSettings) -> Dump:
    """Read ``/proc/meminfo``, once or several times.

    Raises:
        DumpError: no line tells of the memory as a whole.
    """
    rejects = Rejects(data)
    complaint = (
        f"No line of {settings.name or 'the file'} reads 'MemTotal: 1234 kB', as /proc/meminfo does. Try --kind."
    )
    if not any(holds(data, name) for name in _WHOLE_MEMORY):
        raise DumpError(complaint)
    return Dump(records=at_least_one(_figures(data, rejects), complaint), rejects=rejects)


def memory_total_kb(text: str) -> int | None:
    """Give the memory that the kernel manages, in KiB."""
    match = re.search(r"^MemTotal:[ \t]+([0-9]{1,18}) kB$", text, re.MULTILINE)
    return int(match[1]) if match else None


def _figures(data: Buffer, rejects: Rejects) -> Iterator[MemoryFigure]:
    sample = -1
    for line in read_lines(data, rejects):
        if not line.text.strip(" \t"):
            continue
        figure = _figure(line, max(sample, 0))
        if figure is None:
            rejects.add(line, "no 'Name: 1234 kB'")
            continue
        if figure.name == _FIRST:
            sample += 1
            figure = MemoryFigure(offset=line.offset, sample=sample, name=_FIRST, size_kb=figure.size_kb)
        yield figure


def _figure(line: Line, sample: int) -> MemoryFigure | None:
    match = _LINE.fullmatch(line.text)
    if match is None:
        return None
    name, value = match[1], match[2].rstrip(" \t")
    size = size_kb(value)
    count = whole(value) if size is None and name != _FIRST else None
    if size is None and (count is None or count < 0):
        return None
    return MemoryFigure(offset=line.offset, sample=sample, name=name, size_kb=size, count=count)


def _looks_like(head: bytes, _name: str) -> bool:
    lines = first_lines(head, 1)
    return bool(lines) and re.fullmatch(r"MemTotal:[ \t]+[0-9]{1,18} kB", lines[0]) is not None


KIND = Kind(
    name="meminfo",
    meaning="/proc/meminfo of Linux: the whole machine's memory",
    looks_like=_looks_like,
    read=read_meminfo,
)
