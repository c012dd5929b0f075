"""``dumpsys batterystats``: the battery history in the text, as ``BatteryStats.HistoryPrinter`` of Android 5 to 16 prints it.

An entry's time is counted from the history's first (``+1h02m03s004ms``), or, from Android 15 on, it is the wall clock without a
year (``01-31 12:03:31.123``). Entries may step back in time: services report late. The sections behind the history (per
process, per day, per application) are sums, known by their headings, and counted in a note.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, holds, read_lines
from parsers.errors import DumpError
from parsers.power_dumps.history import (
    HistoryChange,
    HistoryEntry,
    HistoryKind,
    Stamp,
    WallClock,
    mark_entry,
    update_entry,
)

_HEADER = "Battery History"
_SECTIONS = (
    "Per-PID Stats:",
    "Discharge step durations:",
    "Charge step durations:",
    "Daily stats:",
    "Statistics since last charge:",
    "Statistics since last unplugged:",
    "Total partial wakelock time",
    "Per process state tracking available",
    "Total cpu time reads",
    "Batching Duration",
    "All UID cpu time reads",
    "UIDs removed since",
    "Currently mapped isolated uids:",
    "BatteryStats constants:",
    "On-battery measured charge stats",
    "On-battery energy consumer stats",
    "On battery energy consumer stats",
    "CPU wakeup stats:",
)
_AROUND = re.compile(r"DUMP OF SERVICE |-{9,}|Error processing aggregated stats")
_ELAPSED = re.compile(
    r" {2,}(?P<stamp>0|[+-](?:([0-9]{1,6})d)?(?:([0-9]{1,3})h)?(?:([0-9]{1,3})m)?(?:([0-9]{1,3})s)?([0-9]{1,4})ms) "
    r"(?:\([0-9]{1,9}\) )?"
)
_CLOCKED = re.compile(
    r" {2}(?P<stamp>([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{3})) "
    r"(?:\[Earlier timestamp by -?[0-9]{1,18}\] )?"
)
_READ_CLOCK = re.compile(r"(RESET:)?TIME: ([0-9]{4})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})")
_MARKS = {"START": HistoryKind.START, "SHUTDOWN": HistoryKind.SHUTDOWN, "*OVERFLOW*": HistoryKind.OVERFLOW}
_LEVEL = re.compile(r"([0-9]{3})(?: [0-9a-f]{8}(?= |$))?(?: |$)")
_DETAILS = re.compile(r" {10,}(?:Details: |/proc/stat=)|  NEXT: [0-9]{1,18}$")
_STATS = re.compile(r" {10,}Stats: ")
_CONTINUED = " " * 20
"""How a verbose dump begins the further lines of an entry's statistics."""
_WORD = re.compile(r"([+-]?)([A-Za-z_][A-Za-z_0-9]{0,60})(=)?")
_OWNER = re.compile(r'([^\s":]{0,40}):"')
_VALUE = re.compile(r'[^\s"]{1,200}')
_END = re.compile(r'"(?:$| [+-]?[A-Za-z_][A-Za-z_0-9]{0,60}(?:[= ]|$))')
_PROCESS_STATE = "procstate:"
_BEHIND_EVENT = re.compile(rf'" (?:{_PROCESS_STATE} |[+-]?[A-Za-z_][A-Za-z_0-9]{{0,60}}=)')
_NOT_HISTORY = "no entry of the history, and no heading that is known"


def changes_of(text: str) -> list[HistoryChange] | None:
    """Take an entry's words apart; ``None`` where one cannot be."""
    changes: list[HistoryChange] = []
    position = 0
    while position < len(text):
        if text.startswith(_PROCESS_STATE, position):  # only in a verbose dump, and to the line's end
            rest = text[position + len(_PROCESS_STATE) :].strip()
            return [*changes, HistoryChange(name="procstate", mark="", text=rest)]
        word = _WORD.match(text, position)
        change = None if word is None else _change(text, word)
        if change is None:
            return None
        changes.append(change[0])
        position = change[1]
        if text[position : position + 1] not in {"", " "}:
            return None
        position += 1
    return changes


def _change(text: str, word: re.Match[str]) -> tuple[HistoryChange, int] | None:
    """Read a word with its value, and where it ends; ``None`` where the value is cut."""
    mark, name, has_value = word.groups()
    if not has_value:
        return HistoryChange(name=name, mark=mark), word.end()
    owner = _OWNER.match(text, word.end())
    if owner is None:
        value = _VALUE.match(text, word.end())
        return None if value is None else (HistoryChange(name=name, mark=mark, value=value[0]), value.end())
    end = _end_of_text(name, text, owner.end())
    if end < 0:
        return None
    own = text[owner.end() : end]
    own = own.replace('""', '"') if name == "wake_lock" else own
    return HistoryChange(name=name, mark=mark, uid=owner[1], text=own), end + 1


def _end_of_text(name: str, text: str, begin: int) -> int:
    """Find the quote that closes a text; -1 where there is none.

    Android doubles the quotes inside a wake lock's text and leaves those inside the others as they are: a wake reason
    ends where another word follows, and an event's text where a maker's word with a value does, else at the line's last
    quote, as Android prints nothing behind it.
    """
    if name == "wake_lock":
        found = text.find('"', begin)
        while found >= 0 and text.startswith('""', found):
            found = text.find('"', found + 2)
        return found
    if name == "wake_reason":
        end = _END.search(text, begin)
        return -1 if end is None else end.start()
    behind = _BEHIND_EVENT.search(text, begin)
    return behind.start() if behind else text.find('"', max(begin, len(text) - 1))


@dataclass(slots=True)
class _Reader:
    """Where the reader is in the dump, and what it counts."""

    captured: date | None
    clock: WallClock = field(default_factory=WallClock)
    day: tuple[int, int] | None = None
    """Year and month of the entry before, where the year is known."""
    section: str = ""
    after_blank: bool = False
    in_stats: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    last_ms: int | None = None
    steps_back: int = 0

    def entry(self, line: Line) -> HistoryEntry | None:
        """Read a line as an entry; ``None`` where it is none."""
        found = _ELAPSED.match(line.text)
        if found:
            time_ms = _elapsed_ms(found)
            stamp = Stamp(offset=line.offset, text=found["stamp"], time_ms=time_ms, clock=self.clock.at(time_ms))
        else:
            found = _CLOCKED.match(line.text)
            if found is None:
                return None
            stamp = Stamp(offset=line.offset, text=found["stamp"], time_ms=None, clock=self._clock_of(found))
        entry = self._what(line.text[found.end() :], stamp)
        if entry is not None and stamp.time_ms is not None:
            self.steps_back += self.last_ms is not None and stamp.time_ms < self.last_ms
            self.last_ms = stamp.time_ms
        return entry

    def _what(self, text: str, stamp: Stamp) -> HistoryEntry | None:
        if text in _MARKS:
            return mark_entry(_MARKS[text], stamp)
        read = _READ_CLOCK.fullmatch(text)
        if read:
            try:
                reading = datetime(*(int(read[group]) for group in range(2, 8)))  # type: ignore[arg-type]  # noqa: DTZ001
            except ValueError:
                return None
            self.day = reading.year, reading.month
            clock = self.clock.read(reading, stamp.time_ms)
            kind = HistoryKind.RESET if read[1] else HistoryKind.TIME
            return HistoryEntry(offset=stamp.offset, kind=kind, stamp=stamp.text, time_ms=stamp.time_ms, clock=clock)
        level = _LEVEL.match(text)
        changes = None if level is None else changes_of(text[level.end() :].rstrip(" "))
        if level is None or changes is None:
            return None
        return update_entry([HistoryChange(name="level", mark="", value=level[1]), *changes], stamp)

    def _clock_of(self, found: re.Match[str]) -> str | None:
        """Give a wall clock its year: that of the clock read last, or of the capture; December and January are neighbours."""
        month, day, hour, minute, second, millisecond = (int(found[group]) for group in range(2, 8))
        if self.day is not None:
            year, last_month = self.day
            year += {(12, 1): 1, (1, 12): -1}.get((last_month, month), 0)
        elif self.captured is not None:
            year = self.captured.year - ((month, day) > (self.captured.month, self.captured.day))
        else:
            return None
        try:
            moment = datetime(year, month, day, hour, minute, second, 1000 * millisecond)  # noqa: DTZ001 - the phone's own
        except ValueError:
            return None
        self.day = year, month
        return moment.isoformat(timespec="milliseconds")

    def passes_over(self, line: Line) -> bool:
        """Count a line that is known to be no history; false where it is not known."""
        text = line.text
        if text.startswith(_HEADER):
            self.section = _HEADER
            return True
        if not text.startswith(" "):
            heading = next((section for section in _SECTIONS if text.startswith(section)), None)
            if heading is not None:
                self.section = heading
            elif _AROUND.match(text):
                heading = "lines of dumpsys itself"
            else:
                self.section = "" if self.after_blank else self.section
            if heading is not None:
                self.left_out[heading] += 1
            return heading is not None
        self.in_stats = _STATS.match(text) is not None or (self.in_stats and text.startswith(_CONTINUED))
        if self.in_stats or _DETAILS.match(text):
            self.left_out["details of entries"] += 1
            return True
        if self.section in {"", _HEADER}:
            return False
        self.left_out[self.section] += 1
        return True

    def notes(self) -> list[str]:
        """Say what was left out, and what a reader of the entries should know."""
        notes = [f"{what.rstrip(':')}: {count} lines that are no entries" for what, count in self.left_out.items()]
        if self.steps_back:
            notes.append(f"{self.steps_back} entries step back in time")
        return notes


def _elapsed_ms(found: re.Match[str]) -> int:
    days, hours, minutes, seconds, milliseconds = (int(found[group] or 0) for group in range(2, 7))
    total = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
    return -total if found["stamp"].startswith("-") else total


def _entries(data: Buffer, reader: _Reader, rejects: Rejects, notes: list[str]) -> Iterator[HistoryEntry]:
    for line in read_lines(data, rejects):
        if not line.text.strip():
            reader.after_blank = True
            continue
        in_history = reader.section in {"", _HEADER}
        entry = reader.entry(line) if in_history else None
        if entry is not None:
            yield entry
        elif not reader.passes_over(line):
            rejects.add(line, _NOT_HISTORY)
        reader.after_blank = False
    notes.extend(reader.notes())


def _looks_like(head: bytes, _name: str) -> bool:
    """Tell it by its heading, which stands at the top but for what ``dumpsys`` puts above."""
    from_top = (line.text for line in itertools.islice(read_lines(head, Rejects(head)), 8))
    return any(text.startswith((f"{_HEADER} (", f"{_HEADER} [Format: ")) for text in from_top)


def _read(data: Buffer, settings: DumpSettings) -> Dump:
    if not holds(data, _HEADER):
        raise DumpError("There is no line 'Battery History' in it. Write the whole output of dumpsys batterystats.")
    rejects = Rejects(data)
    notes: list[str] = []
    reader = _Reader(captured=settings.capture_date)
    return Dump(records=_entries(data, reader, rejects, notes), rejects=rejects, notes=notes)


KIND = Kind(
    name="batterystats",
    meaning="Android: dumpsys batterystats, the history in it",
    looks_like=_looks_like,
    read=_read,
)
