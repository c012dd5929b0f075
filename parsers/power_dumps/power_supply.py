"""Linux's power supply class: ``uevent`` files and nodes of ``/sys/class/power_supply``, once or as samples.

The forms read, in any mixture::

    POWER_SUPPLY_CURRENT_NOW=-350000                              cat uevent
    /sys/class/power_supply/battery/current_now:-350000           grep . /sys/class/power_supply/battery/*
    ==> /sys/class/power_supply/battery/current_now <==           head -v, tail -v; the value is on the next line
    current_now: -350000                                          a node's name and value, with ``:`` or ``=``

A line ``@ NANOSECONDS`` (CLOCK_BOOTTIME), another supply's name, or a node that comes again begins a new record. The kernel's
documentation (``Documentation/ABI/testing/sysfs-class-power``) has µV, µA, µAh and tenths of a degree; drivers depart from it
in the current, so its unit and sign are told as elsewhere here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, first_lines, read_lines
from parsers.dump_numbers import whole
from parsers.errors import DumpError
from parsers.power_dumps.current import (
    CurrentReadings,
    CurrentRule,
    charge_of,
    current_of,
    current_rule,
    floats,
    temperature_of,
    voltage_v_of,
)
from parsers.power_dumps.recording import boottime_ns_of
from parsers.power_samples import ChargeStatus

_UEVENT = re.compile(r"([A-Z][A-Z0-9_]{1,80})=(.*)", re.DOTALL)
_PATH = r"/?(?:[A-Za-z0-9_.:+-]{1,80}/){0,20}?(?:(?P<supply>[A-Za-z0-9_.+-]{1,60})/)?(?P<node>[a-z][a-z0-9_]{0,60})"
_COMPLAINT = r"(?!(?:/system/bin/)?(?:cat|grep|head|tail|sh|ls): )"
"""A shell's own lines have the form of a node, too."""
_NODE = re.compile(_COMPLAINT + _PATH + r"\s?[:=]\s*(?P<value>.*)", re.DOTALL)
_HEAD = re.compile(r"==> " + _PATH + " <==")
_STATES = {status.value.lower(): status for status in ChargeStatus}
_NUMBERS = ("current_now", "current_avg", "voltage_now", "charge_counter", "charge_full", "capacity", "temp", "online")
_WORDS = ("type", "status", "health", "technology")


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyReading:
    """What one supply's nodes showed at one moment. What was not read, or cannot be told, is ``None``."""

    offset: int
    boottime_ns: int | None
    supply: str | None
    type: str | None
    """``Battery``, ``Mains``, ``USB``, ``Wireless``, …"""
    status: ChargeStatus | None
    online: bool | None
    """Of a charger: it gives power."""
    plugged: tuple[str, ...] | None
    """Of a battery: the chargers among the same moment's records that are online; ``None`` where there are none among them."""
    health: str | None
    technology: str | None
    capacity_percent: int | None
    voltage_raw: int | None
    voltage_mv: float | None
    temperature_raw: int | None
    temperature_c: float | None
    current_raw: int | None
    current_unit: str | None
    current_ma: float | None
    """Drawn from the battery; negative where it is charged."""
    current_average_raw: int | None
    charge_counter_raw: int | None
    charge_counter_mah: float | None
    charge_full_raw: int | None
    evidence: tuple[str, ...]
    extras: tuple[tuple[str, str], ...]
    """Further nodes, as they stand."""


@dataclass(slots=True, kw_only=True)
class _Supply:
    """One record's nodes, gathered line by line."""

    offset: int
    boottime_ns: int | None
    name: str | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    extras: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_battery(self) -> bool:
        """Whether the record is of a battery, which only a battery's nodes and its type show."""
        return self.words.get("type", "Battery") == "Battery" and "online" not in self.numbers

    def takes_in(self, supply: str | None, node: str) -> bool:
        """Tell whether a node can be of this record."""
        same = supply is None or self.name is None or self.name == supply
        return same and node not in self.seen

    @property
    def voltage_v(self) -> float | None:
        return voltage_v_of(self.numbers.get("voltage_now"))

    @property
    def status(self) -> ChargeStatus | None:
        return _STATES.get(self.words.get("status", "").lower())


class _Entry(NamedTuple):
    """One node's value, or a stamp above nodes."""

    line: Line
    supply: str | None = None
    node: str = ""
    value: str = ""
    boottime_ns: int | None = None


def _entries(data: Buffer, rejects: Rejects) -> Iterator[_Entry]:
    waits: re.Match[str] | None = None
    expected_at = 0
    for line in read_lines(data, rejects):
        text = line.text.strip()
        if not text:
            continue
        boottime_ns, head = boottime_ns_of(text), _HEAD.fullmatch(text)
        if boottime_ns is not None:
            yield _Entry(line, boottime_ns=boottime_ns)
        elif waits and not head and line.offset == expected_at:
            yield _Entry(line, waits["supply"], waits["node"], text)
        elif uevent := _UEVENT.fullmatch(text):
            yield _Entry(line, None, uevent[1].removeprefix("POWER_SUPPLY_").lower(), uevent[2])
        elif found := _NODE.fullmatch(text):
            yield _Entry(line, found["supply"], found["node"], found["value"].strip())
        elif not head:
            rejects.add(line, "no node of a power supply")
        waits, expected_at = head, line.end


def _supplies(data: Buffer, rejects: Rejects) -> Iterator[_Supply]:
    """Read the records: one ends at a stamp, at another supply's node, or where a node comes again."""
    last: _Supply | None = None
    stamp: int | None = None
    for entry in _entries(data, rejects):
        if last is not None and (not entry.node or not last.takes_in(entry.supply, entry.node)):
            yield last
            last = None
        if not entry.node:
            stamp = entry.boottime_ns
            continue
        if last is None:
            last = _Supply(offset=entry.line.offset, boottime_ns=stamp, name=entry.supply)
        if not _take(last, entry.node, entry.value):
            rejects.add(entry.line, "a node whose value is none")
    if last is not None:
        yield last


def _moments(data: Buffer, rejects: Rejects) -> Iterator[list[_Supply]]:
    """Put records of different supplies together that were read in a row, under one stamp where there are stamps."""
    moment: list[_Supply] = []
    for supply in _supplies(data, rejects):
        again = supply.name is None or any(each.name == supply.name for each in moment)
        if moment and (again or supply.boottime_ns != moment[0].boottime_ns):
            yield moment
            moment = []
        moment.append(supply)
    if moment:
        yield moment


def _take(place: _Supply, node: str, value: str) -> bool:
    """Take a node's value; false where it must be a number, or a known word, and is none."""
    place.seen.add(node)
    if node == "name":
        place.name = value
    elif node in _NUMBERS:
        number = whole(value)
        if number is None:
            return False
        place.numbers[node] = number
    elif node in _WORDS:
        if node == "status" and value.lower() not in _STATES:
            return False
        place.words[node] = value
    else:
        place.extras.append((node, value))
    return True


def _readings(moments: Iterator[list[_Supply]]) -> tuple[CurrentReadings, int]:
    """Gather the batteries' currents, and count all records that tell anything."""
    batteries: list[tuple[float | None, float | None, bool]] = []
    count = 0
    for moment in moments:
        for each in moment:
            count += bool(each.numbers or each.words)
            if each.is_battery:
                discharging = each.status is ChargeStatus.DISCHARGING
                batteries.append((each.numbers.get("current_now"), each.voltage_v, discharging))
    return (
        CurrentReadings(
            raw=floats([raw for raw, _, _ in batteries]),
            voltage_v=floats([voltage_v for _, voltage_v, _ in batteries]),
            discharging=np.array([discharging for _, _, discharging in batteries], dtype=np.bool_),
        ),
        count,
    )


def _records(moments: Iterator[list[_Supply]], rule: CurrentRule) -> Iterator[SupplyReading]:
    for moment in moments:
        chargers = [each for each in moment if "online" in each.numbers]
        plugged = tuple(each.name or "?" for each in chargers if each.numbers["online"]) if chargers else None
        for each in moment:
            yield _record(each, plugged if each.is_battery else None, rule)


def _record(supply: _Supply, plugged: tuple[str, ...] | None, rule: CurrentRule) -> SupplyReading:
    numbers = supply.numbers
    raw = numbers.get("current_now")
    current = current_of(raw if supply.is_battery else None, supply.voltage_v, rule)
    charge_mah, charge_evidence = charge_of(numbers.get("charge_counter"), numbers.get("capacity"))
    temperature_c, temperature_evidence = temperature_of(numbers.get("temp"))
    sentences = (
        current.evidence,
        charge_evidence,
        "" if supply.voltage_v or "voltage_now" not in numbers else "refused: the voltage is no battery's in µV or mV",
        temperature_evidence,
    )
    return SupplyReading(
        offset=supply.offset,
        boottime_ns=supply.boottime_ns,
        supply=supply.name,
        type=supply.words.get("type"),
        status=supply.status,
        online=bool(numbers["online"]) if "online" in numbers else None,
        plugged=plugged,
        health=supply.words.get("health"),
        technology=supply.words.get("technology"),
        capacity_percent=numbers.get("capacity"),
        voltage_raw=numbers.get("voltage_now"),
        voltage_mv=None if supply.voltage_v is None else round(supply.voltage_v * 1000, 3),
        temperature_raw=numbers.get("temp"),
        temperature_c=temperature_c,
        current_raw=raw,
        current_unit=current.unit,
        current_ma=current.current_ma,
        current_average_raw=numbers.get("current_avg"),
        charge_counter_raw=numbers.get("charge_counter"),
        charge_counter_mah=charge_mah,
        charge_full_raw=numbers.get("charge_full"),
        evidence=tuple(sentence for sentence in sentences if sentence),
        extras=tuple(supply.extras),
    )


def _looks_like(head: bytes, _name: str) -> bool:
    texts = first_lines(head, 3)
    return any(
        text.startswith("POWER_SUPPLY_")
        or ("/power_supply/" in text and (_NODE.fullmatch(text) or _HEAD.fullmatch(text)) is not None)
        for text in texts
    )


def _read(data: Buffer, _settings: DumpSettings) -> Dump:
    readings, count = _readings(_moments(data, Rejects(data)))
    if not count:
        raise DumpError(
            "There is no node of a power supply in it. Write cat uevent, or grep . over the nodes, to a file."
        )
    rule = current_rule(readings)
    rejects = Rejects(data)
    has_current = bool(np.isfinite(readings.raw).any())
    return Dump(
        records=_records(_moments(data, rejects), rule),
        rejects=rejects,
        notes=(f"current: {rule.evidence}",) if has_current else ("current: none in the dump",),
    )


KIND = Kind(
    name="power-supply",
    meaning="Linux: uevent or nodes of /sys/class/power_supply, once or as samples",
    looks_like=_looks_like,
    read=_read,
)
