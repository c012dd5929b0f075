"""``dumpsys meminfo -c`` (compact) and ``--checkin``: lines of values with commas, for programs.

Compact, version 1 (``ActivityManagerService.java``): ``oom,LABEL,KB,SWAP``, ``proc,OOM,NAME,PID,KB,SWAP,a|e`` (a: it has
activities), ``cat,LABEL,KB,SWAP``, then the machine's figures. Android 11 and later print all of them twice, Rss first,
then Pss, and do not say which is which; older ones print Pss only. So a dump that has everything up to its ``ram`` line
tells by itself; of one that is cut off before, the measure is not known.

Checkin, version 4 (``ActivityThread.java``): a line a process. Other versions have other columns and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from parsers.dump import Buffer
from parsers.dump_lines import Line, Rejects, encoding_of, read_lines
from parsers.dump_numbers import whole
from parsers.memory_dumps.meminfo_records import (
    Grouping,
    Measure,
    ProcessCount,
    ProcessMemory,
    SystemFigure,
    SystemMemory,
)

TIME = re.compile(r"time,([0-9]{1,18}),([0-9]{1,18})")

_CHECKIN_VERSION = "4"
_UNKNOWN = "N/A"
_FIGURES = {
    "ram": ("Total RAM", "Free RAM", "Used RAM"),
    "lostram": ("Lost RAM",),
    "zram": ("ZRAM", "Total swap", "Free swap"),
    "ksm": ("KSM saved", "KSM shared", "KSM unshared", "KSM volatile"),
}
_HEAPS = ("Native Heap", "Dalvik Heap", "Other", "TOTAL")
_HEAP_COLUMNS = (
    "heap_size_kb",
    "heap_alloc_kb",
    "heap_free_kb",
    "pss_total_kb",
    "pss_clean_kb",
    "shared_dirty_kb",
    "shared_clean_kb",
    "private_dirty_kb",
    "private_clean_kb",
    "swap_dirty_kb",
    "swap_pss_dirty_kb",
)
_AREA_COLUMNS = _HEAP_COLUMNS[3:]
_OBJECTS = (
    "Views",
    "ViewRootImpl",
    "AppContexts",
    "Activities",
    "Assets",
    "AssetManagers",
    "Local Binders",
    "Proxy Binders",
    "Death Recipients",
)
_SQL = ("heap", "MEMORY_USED", "PAGECACHE_OVERFLOW", "MALLOC_SIZE")
_DATABASE_FIELDS = 7

MachineRecord = SystemMemory | SystemFigure | ProcessMemory | ProcessCount


@dataclass(frozen=True, slots=True, kw_only=True)
class _CheckinFields:
    heaps: Sequence[str]
    areas: Sequence[Sequence[str]]
    """Each with its name first."""
    counts: Sequence[str]


def passes_of(data: Buffer) -> list[int]:
    """Count how often each compact list was printed: one for every ``time`` line, and one for what stands before the first.

    0 where a list was cut off before its ``ram`` line, or there is none. Empty where the dump has no compact list at all.
    """
    encoding, _ = encoding_of(data)
    if data.find("oom,".encode(encoding)) < 0:
        return []
    passes: list[int] = [0]
    labels: set[str] = set()
    count = 1
    for line in read_lines(data, Rejects(data)):
        tag, _, rest = line.text.partition(",")
        if TIME.fullmatch(line.text.strip(" \t")):
            passes.append(0)
            labels, count = set(), 1
        elif tag == "oom":
            label = rest.partition(",")[0]
            if label in labels:
                labels, count = set(), count + 1
            if len(labels) < 100:  # Android has 16
                labels.add(label)
        elif tag == "ram":
            passes[-1] = count
    return passes


class CompactList:
    """Reads the lines of a compact list; knows in which pass it is."""

    def __init__(self, passes: int) -> None:
        self._passes = passes
        self._pass = 1
        self._labels: set[str] = set()

    def read(self, line: Line) -> Iterator[MachineRecord] | None:
        """Read one line; ``None`` where it is none of the list's."""
        fields = line.text.split(",")
        if fields[0] in _FIGURES:
            return _figures(line, fields)
        if fields[0] == "tuning":
            return _tuning(line, fields)
        if fields[0] == "proc":
            return self._process(line, fields)
        return self._group(line, fields)

    def _measure(self) -> Measure | None:
        if self._passes == 1:
            return Measure.PSS
        return {1: Measure.RSS, 2: Measure.PSS}.get(self._pass) if self._passes == 2 else None

    def _process(self, line: Line, fields: Sequence[str]) -> Iterator[MachineRecord] | None:
        if len(fields) != 7 or fields[6] not in {"a", "e"}:
            return None
        pid, size = whole(fields[3]), whole(fields[4])
        if pid is None or size is None or not _is_size_or_unknown(fields[5]):
            return None
        return iter(
            [
                SystemMemory(
                    offset=line.offset,
                    measure=self._measure(),
                    grouping=Grouping.OOM_ADJUSTMENT,
                    name=fields[2],
                    parent=fields[1],
                    pid=pid,
                    has_activities=fields[6] == "a",
                    size_kb=size,
                    swap_kb=whole(fields[5]),
                )
            ]
        )

    def _group(self, line: Line, fields: Sequence[str]) -> Iterator[MachineRecord] | None:
        size = whole(fields[2]) if len(fields) == 4 else None
        if size is None or not fields[0] or not _is_size_or_unknown(fields[3]):
            return None
        is_oom = fields[0] == "oom"
        if is_oom and fields[1] in self._labels:
            self._labels = set()
            self._pass += 1
        if is_oom and len(self._labels) < 100:
            self._labels.add(fields[1])
        return iter(
            [
                SystemMemory(
                    offset=line.offset,
                    measure=self._measure(),
                    grouping=Grouping.OOM_ADJUSTMENT if is_oom else Grouping.CATEGORY,
                    name=fields[1],
                    parent=None if fields[0] in {"oom", "cat"} else fields[0],
                    size_kb=size,
                    swap_kb=whole(fields[3]),
                )
            ]
        )


def read_checkin(line: Line, rejects: Rejects) -> Iterator[MachineRecord]:
    """Read a process's line of the checkin form."""
    version, *fields = line.text.removesuffix(",").split(",")
    if version != _CHECKIN_VERSION:
        rejects.add(line, "a checkin line of another version than 4")
        return
    found = _checkin_fields(fields)
    if found is None:
        rejects.add(line, "a checkin line with other fields than version 4 has")
        return
    about: dict[str, Any] = {"offset": line.offset, "pid": whole(fields[0]), "process": fields[1]}
    for place, name in enumerate(_HEAPS):
        yield _memory(about, name, _HEAP_COLUMNS, found.heaps[place :: len(_HEAPS)])
    for name, *sizes in found.areas:
        yield _memory(about, name, _AREA_COLUMNS, sizes)
    for name, value in zip(_OBJECTS, found.counts[: len(_OBJECTS)], strict=False):
        yield ProcessCount(section="Objects", name=name, count=whole(value), **about)
    for name, value in zip(_SQL, found.counts[len(_OBJECTS) :], strict=False):
        yield ProcessCount(section="SQL", name=name, size_kb=whole(value), **about)


def _checkin_fields(fields: Sequence[str]) -> _CheckinFields | None:
    """Part a line behind its version: process, heaps column by column, areas, counts, databases; ``None`` if it does not fit.

    A native process, or one that was not asked itself, has neither counts nor databases.
    """
    heaps_end, area = 2 + len(_HEAPS) * len(_HEAP_COLUMNS), 1 + len(_AREA_COLUMNS)
    areas_end = heaps_end
    while areas_end < len(fields) and not _is_size_or_unknown(fields[areas_end]):
        areas_end += area
    heaps, counts = fields[2:heaps_end], fields[areas_end : areas_end + len(_OBJECTS) + len(_SQL)]
    areas = [fields[begin : begin + area] for begin in range(heaps_end, areas_end, area)]
    databases = len(fields) - areas_end - len(counts)
    numbers = (*fields[:1], *heaps, *(size for one in areas for size in one[1:]), *counts)
    fits = (
        areas_end <= len(fields)
        and len(heaps) == heaps_end - 2
        and len(counts) in {0, len(_OBJECTS) + len(_SQL)}
        and databases % _DATABASE_FIELDS == 0
        and all(map(_is_size_or_unknown, numbers))
    )
    return _CheckinFields(heaps=heaps, areas=areas, counts=counts) if fits else None


def _memory(about: dict[str, Any], name: str, columns: Sequence[str], values: Sequence[str]) -> ProcessMemory:
    sizes: dict[str, Any] = {column: whole(value) for column, value in zip(columns, values, strict=True)}
    return ProcessMemory(name=name, other_columns_kb={}, **about, **sizes)


def _figures(line: Line, fields: Sequence[str]) -> Iterator[SystemFigure] | None:
    names, numbers = _FIGURES[fields[0]], [whole(field) for field in fields[1:]]
    sizes = [number for number in numbers if number is not None]
    if len(sizes) != len(fields) - 1 or len(sizes) != len(names):
        return None
    return (SystemFigure(offset=line.offset, name=name, size_kb=size) for name, size in zip(names, sizes, strict=True))


def _tuning(line: Line, fields: Sequence[str]) -> Iterator[SystemFigure] | None:
    """The limits of an app's Java heap, in megabytes, the memory that Android keeps free, and words."""
    numbers = [whole(field) for field in fields[1:4]]
    sizes = [number for number in numbers if number is not None]
    if len(sizes) != 3 or not set(fields[4:]) <= {"low-ram", "high-end-gfx"}:
        return None
    return (
        SystemFigure(offset=line.offset, name="Tuning", part=part, size_kb=size)
        for part, size in zip(("heap", "large heap", "oom"), (sizes[0] * 1024, sizes[1] * 1024, sizes[2]), strict=True)
    )


def _is_size_or_unknown(text: str) -> bool:
    return text == _UNKNOWN or whole(text) is not None
