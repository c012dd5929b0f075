"""One entry of Android's battery history, whichever of its two forms it was printed in.

An entry tells what has changed: what is ``None`` here was not printed, so it is as the entries before left it. Voltage is in
mV, temperature in tenths of a degree and charge in mAh, as ``BatteryStats.HistoryPrinter`` prints them; the history holds no
current.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from parsers.dump_numbers import whole


class HistoryKind(StrEnum):
    """What an entry is."""

    UPDATE = "update"
    START = "start"
    TIME = "time"
    """The clock was read, or set."""
    RESET = "reset"
    """The statistics begin anew; the clock was read."""
    SHUTDOWN = "shutdown"
    OVERFLOW = "overflow"
    """The history was full: entries are missing from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChange:
    """One word of an entry: a state, or an event."""

    name: str
    mark: str
    """``+`` begins, ``-`` ends; empty where the word has a value, or stands for a moment."""
    value: str | None = None
    uid: str | None = None
    """Whose event, or wake lock, it is, as Android writes it: ``1000``, ``u0a275``."""
    text: str | None = None
    """The event's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One entry of a battery history."""

    offset: int
    kind: HistoryKind
    stamp: str
    """The time as it stands in the dump."""
    time_ms: int | None
    """Since the history's first entry, on the clock that runs while the phone sleeps; ``None`` where only the wall clock
    is printed."""
    clock: str | None
    """The wall clock, ISO 8601: UTC in a check-in dump, else local; counted on from the last entry that read it."""
    level_percent: int | None = None
    status: str | None = None
    health: str | None = None
    plug: str | None = None
    voltage_mv: int | None = None
    temperature_c: float | None = None
    charge_mah: int | None = None
    changes: tuple[HistoryChange, ...] = ()


_NUMBERS = {"volt": "voltage_mv", "charge": "charge_mah", "level": "level_percent"}
_WORDS = ("status", "health", "plug")
_WORD = re.compile(r"-?[a-z0-9-]{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When an entry was, in all the ways that are known."""

    offset: int
    text: str
    time_ms: int | None
    clock: str | None


def mark_entry(kind: HistoryKind, stamp: Stamp) -> HistoryEntry:
    """Make an entry that only marks a moment."""
    return HistoryEntry(
        offset=stamp.offset, kind=kind, stamp=stamp.text, time_ms=stamp.time_ms, clock=stamp.clock, changes=()
    )


def update_entry(changes: Sequence[HistoryChange], stamp: Stamp) -> HistoryEntry | None:
    """Make an entry of what has changed; ``None`` where a value of the battery is none."""
    numbers: dict[str, int] = {}
    words: dict[str, str] = {}
    temperature_c: float | None = None
    rest: list[HistoryChange] = []
    for change in changes:
        number = whole(change.value or "") if change.name in _NUMBERS or change.name == "temp" else None
        if change.name in _NUMBERS and not change.mark:
            if number is None:
                return None
            numbers[_NUMBERS[change.name]] = number
        elif change.name == "temp" and not change.mark:
            if number is None:
                return None
            temperature_c = number / 10
        elif change.name in _WORDS and not change.mark:
            if change.value is None or not _WORD.fullmatch(change.value):
                return None
            words[change.name] = change.value
        else:
            rest.append(change)
    return HistoryEntry(
        offset=stamp.offset,
        kind=HistoryKind.UPDATE,
        stamp=stamp.text,
        time_ms=stamp.time_ms,
        clock=stamp.clock,
        level_percent=numbers.get("level_percent"),
        status=words.get("status"),
        health=words.get("health"),
        plug=words.get("plug"),
        voltage_mv=numbers.get("voltage_mv"),
        temperature_c=temperature_c,
        charge_mah=numbers.get("charge_mah"),
        changes=tuple(rest),
    )


@dataclass(slots=True)
class WallClock:
    """Counts the wall clock on from the last entry that read it."""

    read_at_ms: int = 0
    reading: datetime | None = None

    def read(self, reading: datetime, time_ms: int | None) -> str:
        """Take over what an entry read, and give it as ISO 8601."""
        self.reading, self.read_at_ms = reading, time_ms or 0
        return reading.isoformat(timespec="milliseconds")

    def at(self, time_ms: int) -> str | None:
        """Give the wall clock at a moment; ``None`` before the first reading, or where no calendar reaches."""
        if self.reading is None:
            return None
        try:
            moment = self.reading + timedelta(milliseconds=time_ms - self.read_at_ms)
        except OverflowError:
            return None
        return moment.isoformat(timespec="milliseconds")
