"""``dumpsys meminfo`` of Android: one process's memory, or that of all and of the machine.

Read as Android 4 to 15 print it (``ActivityThread.java`` and ``ActivityManagerService.java`` of AOSP): with a process's
name or number, a table, a summary, its objects and its SQL; without one, all processes by size, by how soon Android would
kill them and by category, then the machine's figures; each also with ``-a``, ``-d``, ``-s``, ``-S``, ``-p``, ``-c`` and
``--checkin``. Several dumps may follow each other. The sizes of one dump are not of one moment: a process after the other
is asked. Not read: ``--proto``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, at_least_one, first_lines, read_lines
from parsers.memory_dumps.meminfo_machine import TIME, CompactList, MachineRecord, passes_of, read_checkin
from parsers.memory_dumps.meminfo_process import ProcessRecord, ProcessSections
from parsers.memory_dumps.meminfo_records import DumpTime
from parsers.memory_dumps.meminfo_system import GROUP_TITLE, SystemSections, read_figures

MeminfoRecord = DumpTime | ProcessRecord | MachineRecord

_BEGIN = re.compile(r"Applications Memory Usage \((?:in Kilobytes|kB)\):")
_TIMES = re.compile(r"Uptime: ([0-9]{1,18}) Realtime: ([0-9]{1,18})")
_VERSION = re.compile(r"version,([0-9]{1,9})")
_COMPACT_VERSION = "1"
_CHECKIN = re.compile(r"[0-9]{1,9},[0-9]{1,9},[^,]")


class _Reader:
    """Gives every line to the section that it belongs to."""

    def __init__(self, data: Buffer, rejects: Rejects) -> None:
        self.process = ProcessSections(rejects)
        self._system = SystemSections(rejects)
        self._rejects = rejects
        self._passes = iter(passes_of(data))
        self._compact = CompactList(next(self._passes, 0))
        self._is_for_programs = False
        self._is_refused = False

    def read(self, line: Line) -> Iterator[MeminfoRecord]:
        """Read one line."""
        text = line.text.strip(" \t")
        if not text:
            return
        if times := _TIMES.fullmatch(text) or TIME.fullmatch(text):
            yield from self._begin_dump(line, times)
        elif _BEGIN.fullmatch(text):
            yield from self.end()
        elif version := _VERSION.fullmatch(text):
            self._is_refused = version[1] != _COMPACT_VERSION
            if self._is_refused:
                self._rejects.add(line, "a compact dump of another version than 1")
        elif self._is_for_programs:
            yield from self._read_fields(line)
        else:
            yield from self._read_words(line)

    def end(self) -> Iterator[MeminfoRecord]:
        """End what is open."""
        self.process.leave()
        yield from self._system.leave()

    def _begin_dump(self, line: Line, times: re.Match[str]) -> Iterator[MeminfoRecord]:
        yield from self.end()
        self._is_for_programs = times.re is TIME
        if self._is_for_programs:
            self._compact = CompactList(next(self._passes, 0))
        yield DumpTime(offset=line.offset, uptime_ms=int(times[1]), realtime_ms=int(times[2]))

    def _read_fields(self, line: Line) -> Iterator[MeminfoRecord]:
        if _CHECKIN.match(line.text):
            yield from read_checkin(line, self._rejects)
            return
        records = None if self._is_refused else (self._compact.read(line) or read_figures(line, self._rejects))
        if records is None:
            self._rejects.add(line, "no line of a compact or checkin dump")
        else:
            yield from records

    def _read_words(self, line: Line) -> Iterator[MeminfoRecord]:
        if self.process.begin(line.text):
            yield from self._system.leave()
        elif self._system.begin(line.text):
            self.process.leave()
            yield from self._system.release()
        elif self.process.is_left_out and not line.text.lstrip(" \t").startswith("Total RAM:"):
            yield from self.process.read(line)
        elif (figures := read_figures(line, self._rejects)) is not None:
            self.process.leave()
            yield from self._system.leave()
            yield from figures
        elif self._system.is_open:
            yield from self._system.read(line)
        else:
            yield from self.process.read(line)


def read_dumpsys_meminfo(data: Buffer, settings: DumpSettings) -> Dump:
    """Read what ``dumpsys meminfo`` printed.

    Raises:
        DumpError: nothing in it is of that form.
    """
    rejects = Rejects(data)
    notes: list[str] = []
    complaint = f"Nothing in {settings.name or 'the file'} is of the form that dumpsys meminfo prints. Try --kind."
    return Dump(records=at_least_one(_records(data, rejects, notes), complaint), rejects=rejects, notes=notes)


def _records(data: Buffer, rejects: Rejects, notes: list[str]) -> Iterator[MeminfoRecord]:
    reader = _Reader(data, rejects)
    for line in read_lines(data, rejects):
        yield from reader.read(line)
    yield from reader.end()
    notes += [f"{count} lines of the section {name} are left out." for name, count in reader.process.left_out.items()]


def _looks_like(head: bytes, _name: str) -> bool:
    lines = first_lines(head, 2)
    if not lines:
        return False
    is_compact = lines[0] == f"version,{_COMPACT_VERSION}" and TIME.fullmatch(lines[-1])
    is_checkin = TIME.fullmatch(lines[0]) and _CHECKIN.match(lines[-1])
    is_process = lines[0].startswith("** MEMINFO in pid ") or lines[0] == "App Summary"
    return bool(_BEGIN.fullmatch(lines[0]) or GROUP_TITLE.fullmatch(lines[0]) or is_compact or is_checkin or is_process)


KIND = Kind(
    name="dumpsys-meminfo",
    meaning="dumpsys meminfo of Android: the memory of a process, or of all and of the machine",
    looks_like=_looks_like,
    read=read_dumpsys_meminfo,
)
