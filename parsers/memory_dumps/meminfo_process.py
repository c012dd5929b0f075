"""The sections that ``dumpsys meminfo PROCESS`` prints: the table, the summary, objects, allocations, SQL.

Android prints them in ``ActivityThread.java`` (``dumpMemInfoTable``, ``dumpMemInfo``). ``DATABASES``, ``Asset
Allocations`` and ``Unreachable memory`` are left out, with a note that says how many lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from parsers.dump_lines import Line, Rejects
from parsers.dump_numbers import whole
from parsers.memory_dumps.meminfo_records import AppSummary, ProcessCount, ProcessMemory
from parsers.memory_dumps.meminfo_table import Columns, Row, is_ruler, read_columns, read_row

ProcessRecord = ProcessMemory | AppSummary | ProcessCount

_TABLE, _DALVIK, _SUMMARY = "table", "Dalvik Details", "App Summary"
_ALLOCATIONS, _OBJECTS, _SQL = "Native Allocations", "Objects", "SQL"
_READ = frozenset({_DALVIK, _SUMMARY, _ALLOCATIONS, _OBJECTS, _SQL})
_LEFT_OUT = frozenset({"DATABASES", "Asset Allocations", "Unreachable memory"})

_COLUMNS: Mapping[str, str] = {
    "Pss Total": "pss_total_kb",
    "Pss": "pss_total_kb",
    "Pss Clean": "pss_clean_kb",
    "Shared Dirty": "shared_dirty_kb",
    "Private Dirty": "private_dirty_kb",
    "Shared Clean": "shared_clean_kb",
    "Private Clean": "private_clean_kb",
    "Swap Dirty": "swap_dirty_kb",
    "Swapped Dirty": "swap_dirty_kb",
    "SwapPss Dirty": "swap_pss_dirty_kb",
    "Rss Total": "rss_total_kb",
    "Heap Size": "heap_size_kb",
    "Heap Alloc": "heap_alloc_kb",
    "Heap Free": "heap_free_kb",
}
"""Android 4.0 has ``Pss`` in one line, 4.4 to 7 ``Swapped Dirty`` or ``Swap Dirty``, 11 and later ``Rss Total``."""
_SUMMARY_COLUMNS = {"Pss(KB)": "pss_kb", "Rss(KB)": "rss_kb"}
_TOTALS = {
    "TOTAL": "pss_kb",
    "TOTAL PSS": "pss_kb",
    "TOTAL RSS": "rss_kb",
    "TOTAL SWAP PSS": "swap_pss_kb",
    "TOTAL SWAP (KB)": "swap_kb",
}
_ALLOCATION_COLUMNS = {"Count": "count", "Total(kB)": "size_kb"}
_SIZES_AMONG_OBJECTS = frozenset({"Parcel memory"})

_PROCESS = re.compile(r"\*\* MEMINFO in pid ([0-9]{1,9}) \[(.*)\] \*\*")
_PAIR = re.compile(r"[ \t]*([^:\s][^:]{0,63}):[ \t]*(-?[0-9]{1,18})(?:[ \t]+|$)")


class ProcessSections:
    """Reads a process's sections line by line; knows which one it is in and what its columns are."""

    def __init__(self, rejects: Rejects) -> None:
        self.left_out: dict[str, int] = {}
        """Lines left out, by their section."""
        self.section = _TABLE
        self._rejects = rejects
        self._pid: int | None = None
        self._process: str | None = None
        self._header: list[Line] = []
        self._columns: dict[str, Columns | None] = {}

    def begin(self, text: str) -> bool:
        """Take the line that begins a process or a section; false where it is another."""
        title = text.strip(" \t")
        process = _PROCESS.fullmatch(title)
        if process:
            self.leave()
            self._pid, self._process = int(process[1]), process[2]
        elif title in _READ or title in _LEFT_OUT:
            self._reject_header()
            self.section = title
        else:
            return False
        return True

    def leave(self) -> None:
        """Forget the process, because something else begins, or the dump ends."""
        self._reject_header()
        self._pid = self._process = None
        self.section, self._columns = _TABLE, {}

    @property
    def is_left_out(self) -> bool:
        """Whether the section is one whose lines are only counted."""
        return self.section in _LEFT_OUT

    def read(self, line: Line) -> Iterator[ProcessRecord]:
        """Read one line of the section."""
        if self.is_left_out:
            self.left_out[self.section] = self.left_out.get(self.section, 0) + 1
            return
        if is_ruler(line.text):
            self._columns[self.section] = read_columns([one.text for one in self._header], line.text)
            if self._columns[self.section] is None:
                self._rejects.add(line, "a header that does not name every column")
            self._header = []
            return
        if self.section not in {_OBJECTS, _SQL} and not re.search(r"[0-9]", line.text):
            self._header.append(line)
            if len(self._header) > 2:
                self._rejects.add(self._header.pop(0), "no line of a process's memory")
            return
        self._reject_header()
        yield from self._read_values(line)

    def _reject_header(self) -> None:
        for line in self._header:
            self._rejects.add(line, "no line of a process's memory")
        self._header = []

    def _read_values(self, line: Line) -> Iterator[ProcessRecord]:
        is_totals = self.section == _SUMMARY and line.text.lstrip(" \t").startswith("TOTAL")
        if self.section in {_OBJECTS, _SQL} or is_totals:
            pairs = _pairs(line.text)
            if pairs is None or (is_totals and not set(pairs) <= set(_TOTALS)):
                self._rejects.add(line, "no 'Name: number'")
            elif is_totals:
                yield self._totals(line, pairs)
            else:
                yield from self._counts(line, pairs)
            return
        columns = self._columns.get(_TABLE if self.section == _DALVIK else self.section)
        row = read_row(line.text, columns) if columns else None
        if row is None:
            self._rejects.add(line, "numbers under no header" if columns is None else "not as many numbers as columns")
        else:
            yield self._row(line, row)

    def _row(self, line: Line, row: Row) -> ProcessRecord:
        about: dict[str, Any] = {"offset": line.offset, "pid": self._pid, "process": self._process}
        if self.section in {_TABLE, _DALVIK}:
            known = {_COLUMNS[name]: size for name, size in row.cells.items() if name in _COLUMNS}
            others = {name: size for name, size in row.cells.items() if name not in _COLUMNS}
            is_detail = self.section == _DALVIK
            about |= known
            return ProcessMemory(name=row.label, is_dalvik_detail=is_detail, other_columns_kb=others, **about)
        names = _SUMMARY_COLUMNS if self.section == _SUMMARY else _ALLOCATION_COLUMNS
        about |= {names[name]: number for name, number in row.cells.items() if name in names}
        label = row.label.removesuffix(":")
        if self.section == _SUMMARY:
            return AppSummary(name=label, **about)
        return ProcessCount(section=self.section, name=label, **about)

    def _totals(self, line: Line, pairs: Mapping[str, int]) -> AppSummary:
        sizes: dict[str, Any] = {_TOTALS[name]: size for name, size in pairs.items()}
        return AppSummary(offset=line.offset, pid=self._pid, process=self._process, name="TOTAL", **sizes)

    def _counts(self, line: Line, pairs: Mapping[str, int]) -> Iterator[ProcessCount]:
        for name, number in pairs.items():
            is_size = self.section == _SQL or name in _SIZES_AMONG_OBJECTS
            yield ProcessCount(
                offset=line.offset,
                pid=self._pid,
                process=self._process,
                section=self.section,
                name=name,
                count=None if is_size else number,
                size_kb=number if is_size else None,
            )


def _pairs(text: str) -> dict[str, int] | None:
    """Read ``Name: 1   Other name: 2``; ``None`` where anything else stands between, or a name twice."""
    pairs: dict[str, int] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        number = whole(match[2]) if match else None
        if match is None or number is None or match[1].strip(" \t") in pairs:
            return None
        pairs[match[1].strip(" \t")] = number
        position = match.end()
    return pairs or None
