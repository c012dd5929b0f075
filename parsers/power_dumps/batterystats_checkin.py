"""``dumpsys batterystats --checkin``: the battery history in the form for programs, Android 5 to 16 (version 9).

``9,hsp,INDEX,UID,"STRING"`` fills a pool of strings; ``9,h,MILLISECONDS[:MARK|,WORD…]`` is an entry, its time counted from the
entry before, its words abbreviated, its strings by their number in the pool. The same entry as in the text: words and values are
written out here (:mod:`parsers.power_dumps.history_words`). All other lines are sums, ``9,UID,CATEGORY,SECTION,…``, counted in a note.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, first_lines, holds, read_lines
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
from parsers.power_dumps.history_words import NAMES, POOLED, VALUES

_POOL = re.compile(r'9,hsp,([0-9]{1,9}),(-?[0-9]{1,10}),"(.*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ENTRY = re.compile(r"9,h,(-?[0-9]{1,15})(?::(.*)|((?:,.*)?))", re.DOTALL)
_SUM = re.compile(r"9,[0-9]{1,10},[a-z]{1,2},([a-z0-9_-]{1,20})(?:,|$)")
_NEXT = re.compile(r"NEXT: [0-9]{1,18}")
_READ_CLOCK = re.compile(r"(RESET:)?TIME:([0-9]{1,15})")
_MARKS = {"START": HistoryKind.START, "SHUTDOWN": HistoryKind.SHUTDOWN, "*OVERFLOW*": HistoryKind.OVERFLOW}
_WORD = re.compile(r"([+-]?)([A-Za-z][A-Za-z0-9]{0,20})(=)?")
_OWNED = re.compile(r'([^\s":,]{0,40}):"((?:[^"]++|"")*+)"')
_INDEX = re.compile(r"[0-9]{1,9}")
_PLAIN_UIDS = {"pkginst", "state", "wake_reason"}
"""Words whose number Android writes as it is, not as a user id."""
_VALUE = re.compile(r"[^,\"]{1,200}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pooled:
    """A string of the pool, and whose it is."""

    uid: int
    text: str


@dataclass(slots=True)
class _Reader:
    """Where the reader is in the dump, and what it counts."""

    clock: WallClock = field(default_factory=WallClock)
    pool: dict[int, _Pooled] = field(default_factory=dict)
    time_ms: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    not_in_pool: int = 0

    def entry(self, offset: int, found: re.Match[str]) -> HistoryEntry | None:
        """Read an entry, or count the details of one; ``None`` where it is none."""
        time_ms = self.time_ms + int(found[1])
        if abs(time_ms) > 10**16:
            return None
        stamp = Stamp(offset=offset, text=found[1], time_ms=time_ms, clock=self.clock.at(time_ms))
        if found[2] is not None:
            entry = self._mark(found[2], stamp)
        else:
            changes = self._changes(found[3])
            entry = None if changes is None else update_entry(changes, stamp)
        if entry is not None:
            self.time_ms = time_ms
        return entry

    def _mark(self, text: str, stamp: Stamp) -> HistoryEntry | None:
        if text in _MARKS:
            return mark_entry(_MARKS[text], stamp)
        read = _READ_CLOCK.fullmatch(text)
        if read is None:
            return None
        try:
            reading = _EPOCH + timedelta(milliseconds=int(read[2]))
        except OverflowError:
            return None
        kind = HistoryKind.RESET if read[1] else HistoryKind.TIME
        clock = self.clock.read(reading, stamp.time_ms)
        return HistoryEntry(offset=stamp.offset, kind=kind, stamp=stamp.text, time_ms=stamp.time_ms, clock=clock)

    def _changes(self, text: str) -> list[HistoryChange] | None:
        """Take an entry's words apart, each behind a comma; ``None`` where one cannot be."""
        changes: list[HistoryChange] = []
        position = 0
        while position < len(text):
            word = _WORD.match(text, position + 1)
            change = None if text[position] != "," or word is None else self._change(text, word)
            if change is None:
                return None
            changes.append(change[0])
            position = change[1]
        return changes

    def _change(self, text: str, word: re.Match[str]) -> tuple[HistoryChange, int] | None:
        mark, short, has_value = word.groups()
        name = NAMES.get(short, short)
        if not has_value:
            return HistoryChange(name=name, mark=mark), word.end()
        owned = _OWNED.match(text, word.end())
        if owned:
            own = owned[2].replace('""', '"')
            return HistoryChange(name=name, mark=mark, uid=owned[1], text=own), owned.end()
        value = _VALUE.match(text, word.end())
        if value is None:
            return None
        return self._written_out(name, mark, value[0]), value.end()

    def _written_out(self, name: str, mark: str, value: str) -> HistoryChange:
        if name in POOLED and _INDEX.fullmatch(value):
            pooled = self.pool.get(int(value))
            if pooled is not None:
                uid = str(pooled.uid) if name in _PLAIN_UIDS else uid_text(pooled.uid)
                return HistoryChange(name=name, mark=mark, uid=uid, text=pooled.text)
            self.not_in_pool += 1
        return HistoryChange(name=name, mark=mark, value=VALUES.get(name, {}).get(value, value))

    def notes(self) -> list[str]:
        """Say what was left out."""
        notes = [f"section {section}: {count} lines that are no entries" for section, count in self.left_out.items()]
        if self.not_in_pool:
            notes.append(f"{self.not_in_pool} strings are not in the pool; the number stands in their place")
        return notes


def _entries(data: Buffer, reader: _Reader, rejects: Rejects, notes: list[str]) -> Iterator[HistoryEntry]:
    for line in read_lines(data, rejects):
        text = line.text
        found = _ENTRY.fullmatch(text)
        if found and found[1] == "0" and text.startswith(("9,h,0,Dcpu=", "9,h,0,Dpst=")):
            reader.left_out["h, details of entries"] += 1
        elif found:
            entry = reader.entry(line.offset, found)
            if entry is None:
                rejects.add(line, "an entry with a word that cannot be read")
            else:
                yield entry
        elif (pooled := _POOL.fullmatch(text)) is not None:
            reader.pool[int(pooled[1])] = _Pooled(uid=int(pooled[2]), text=_ESCAPED.sub(r"\1", pooled[3]))
        elif (total := _SUM.match(text)) is not None:
            reader.left_out[total[1]] += 1
        elif text.strip() and not _NEXT.fullmatch(text):
            rejects.add(line, "no line of a check-in dump")
    notes.extend(reader.notes())


def uid_text(uid: int) -> str:
    """Write a user id as Android's ``UserHandle.formatUid`` does: ``u0a275`` for application 10275 of user 0."""
    user, app = divmod(uid, 100_000)
    if uid < 10_000:
        return str(uid)
    if 99_000 <= app <= 99_999:
        return f"u{user}i{app - 99_000}"
    if 90_000 <= app < 99_000:
        return f"u{user}ai{app - 90_000}"
    return f"u{user}a{app - 10_000}" if app >= 10_000 else f"u{user}s{app}"


def _looks_like(head: bytes, _name: str) -> bool:
    return any(text.startswith(("9,hsp,", "9,h,", "9,0,i,vers,")) for text in first_lines(head, 3))


def _read(data: Buffer, _settings: DumpSettings) -> Dump:
    if not (holds(data, "9,h,") or holds(data, "9,hsp,")):
        raise DumpError("There is no line '9,h,' in it. Write the output of dumpsys batterystats --checkin --history.")
    rejects = Rejects(data)
    notes: list[str] = []
    return Dump(records=_entries(data, _Reader(), rejects, notes), rejects=rejects, notes=notes)


KIND = Kind(
    name="batterystats-checkin",
    meaning="Android: dumpsys batterystats --checkin, the history in it",
    looks_like=_looks_like,
    read=_read,
)
