"""Energy of a phone's rails, counted since boot, as the kernel and the power statistics HAL print it.

``odpm``
    The file ``energy_value`` of Google's on-device power meter (kernel, ``drivers/iio/power/odpm.c``): ``t=<ms>``, then
    ``CH6(T=<ms>)[RAIL], <µWs>`` per channel; one snapshot or many in a row. T is how long the channel has counted.
``power-stats``
    ``dumpsys android.hardware.power.stats.IPowerStats/default`` (``pixel/powerstats``, HAL 2.0): the energy meter, the energy
    consumers with what each application used, and the state residencies; once, or as a recording with lines
    ``@ NANOSECONDS``. The HAL prints a 32-bit float, which has seven digits: a rail that has counted 20 J moves in steps.

Between two snapshots of one rail the mean power is told: µWs over ms are mW.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, first_lines, holds, read_lines
from parsers.dump_numbers import decimal
from parsers.errors import DumpError
from parsers.power_dumps.recording import boottime_ns_of

_TIME = re.compile(r"t=([0-9]{1,18})")
_CHANNEL = re.compile(r"CH([0-9]{1,4})\(T=([0-9]{1,18})\)\[([^\]]{1,100})\], ([0-9]{1,18})")
_NO_CHANNEL = "no channel of an energy meter"


@dataclass(frozen=True, slots=True, kw_only=True)
class RailReading:
    """One channel of a meter in one snapshot."""

    offset: int
    time_ms: int | None
    """The snapshot's ``t``: when the meter was read, since boot."""
    channel: int
    rail: str
    duration_ms: int
    """How long the channel has counted."""
    energy_uws: int
    """Since the channel began to count, in µWs, which are µJ."""
    mean_power_mw: float | None
    """Since the rail's reading before; ``None`` for the first, and where time or energy did not rise."""


def _rail_readings(data: Buffer, rejects: Rejects, notes: list[str]) -> Iterator[RailReading]:
    time_ms: int | None = None
    before: dict[tuple[int, str], tuple[int, int]] = {}
    fallen = 0
    for line in read_lines(data, rejects):
        text = line.text.strip()
        at, found = _TIME.fullmatch(text), _CHANNEL.fullmatch(text)
        if at:
            time_ms = int(at[1])
        elif found:
            channel, duration_ms, rail, energy_uws = int(found[1]), int(found[2]), found[3], int(found[4])
            last_ms, last_uws = before.get((channel, rail), (None, 0))
            fallen += last_ms is not None and energy_uws < last_uws
            power_mw = None
            if last_ms is not None and time_ms is not None and time_ms > last_ms and energy_uws >= last_uws:
                power_mw = (energy_uws - last_uws) / (time_ms - last_ms)
            if time_ms is not None:
                before[channel, rail] = time_ms, energy_uws
            yield RailReading(
                offset=line.offset,
                time_ms=time_ms,
                channel=channel,
                rail=rail,
                duration_ms=duration_ms,
                energy_uws=energy_uws,
                mean_power_mw=power_mw,
            )
        elif text:
            rejects.add(line, _NO_CHANNEL)
    if fallen:
        notes.append(f"energy fell {fallen} times, as it does when the phone reboots: no mean power is told there")


def _looks_like_odpm(head: bytes, _name: str) -> bool:
    texts = first_lines(head, 2)
    return len(texts) == 2 and bool(_TIME.fullmatch(texts[0]) and _CHANNEL.fullmatch(texts[1]))


def _read_odpm(data: Buffer, _settings: DumpSettings) -> Dump:
    if not holds(data, "(T="):
        raise DumpError("There is no channel 'CH0(T=…)[…], …' in it. Write cat energy_value to a file.")
    rejects = Rejects(data)
    notes = ["energy: µWs since the channel began to count, as the driver documents"]
    return Dump(records=_rail_readings(data, rejects, notes), rejects=rejects, notes=notes)


_SECTION = re.compile(r"=+ (?P<end>End of )?PowerStats HAL [0-9.]{1,10} (?P<name>[a-z ]{1,30}?) =+")
_SECTIONS = frozenset({"energy meter", "energy consumers", "state residencies"})
_ELAPSED = re.compile(r"Elapsed time: ([0-9]{1,18}) ms")
_METER = re.compile(r"(.{1,120}?) ++([0-9]{1,18}\.[0-9]{1,6}) mWs(?: ++\( *+-?[0-9.]{1,25}\))?")
_METER_NAME = re.compile(r"\[(.{1,100})\](?::(.*))?")
_CONSUMER = re.compile(r"(.{1,100}?) ++: ++([0-9]{1,18}\.[0-9]{1,6}) mWs")
_USER = re.compile(r"([0-9]{1,10}) - ++([0-9]{1,18}\.[0-9]{1,6}) mWs")
_DELTA = r"(?: \( *+-?[0-9]{1,20}\))?"
_RESIDENCY = re.compile(
    rf"(.{{1,200}}?) ++([0-9]{{1,18}}) ms{_DELTA} ++([0-9]{{1,18}}){_DELTA} ++([0-9]{{1,18}}) ms{_DELTA}"
)
_COLUMN_HEADS = ("Channel ", "Entity ")
_BATTERY = re.compile(r"(?:Current Battery Service state:|\(UPDATES STOPPED|[A-Za-z][A-Za-z ]{0,40}: ?\S{0,40}$)")
"""What a recording of the runner has beside the meter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerStatsReading:
    """One line of the power statistics HAL's dump; which fields there are depends on the section."""

    offset: int
    boottime_ns: int | None
    section: str
    """``energy meter``, ``energy consumers`` or ``state residencies``."""
    name: str
    """A rail, a consumer, or an entity with its state as they stand."""
    subsystem: str | None = None
    uid: int | None = None
    """Whose part of a consumer's energy it is; ``None`` for all of it."""
    energy_mj: float | None = None
    """Since boot, in mWs, which are mJ."""
    total_ms: int | None = None
    entries: int | None = None
    last_entry_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class _Place:
    """Where in the dump the reader is."""

    boottime_ns: int | None = None
    section: str = ""
    consumer: str = ""

    def reading(self, offset: int, text: str) -> PowerStatsReading | None:
        """Read a line of the section; ``None`` where it is none."""
        match self.section:
            case "energy meter":
                return self._meter(offset, text)
            case "energy consumers":
                return self._consumer(offset, text)
            case "state residencies":
                return self._residency(offset, text)
        return None

    def _meter(self, offset: int, text: str) -> PowerStatsReading | None:
        found = _METER.fullmatch(text)
        energy_mj = None if found is None else decimal(found[2])
        if found is None or energy_mj is None:
            return None
        named = _METER_NAME.fullmatch(found[1])
        return PowerStatsReading(
            offset=offset,
            boottime_ns=self.boottime_ns,
            section=self.section,
            name=named[1] if named else found[1],
            subsystem=(named[2] or None) if named else None,
            energy_mj=energy_mj,
        )

    def _consumer(self, offset: int, text: str) -> PowerStatsReading | None:
        part, whole = _USER.fullmatch(text), _CONSUMER.fullmatch(text)
        if whole:
            self.consumer = whole[1]
        found = part or whole
        if found is None or not self.consumer:
            return None
        return PowerStatsReading(
            offset=offset,
            boottime_ns=self.boottime_ns,
            section=self.section,
            name=self.consumer,
            uid=int(part[1]) if part else None,
            energy_mj=decimal(found[2]),
        )

    def _residency(self, offset: int, text: str) -> PowerStatsReading | None:
        found = _RESIDENCY.fullmatch(text)
        if found is None:
            return None
        return PowerStatsReading(
            offset=offset,
            boottime_ns=self.boottime_ns,
            section=self.section,
            name=" ".join(found[1].split()),
            total_ms=int(found[2]),
            entries=int(found[3]),
            last_entry_ms=int(found[4]),
        )


def _power_stats(data: Buffer, rejects: Rejects, notes: list[str]) -> Iterator[PowerStatsReading]:
    place = _Place()
    of_battery = 0
    for line in read_lines(data, rejects):
        text = line.text.strip()
        boottime_ns, border = boottime_ns_of(text), _SECTION.fullmatch(text)
        if boottime_ns is not None:
            place = _Place(boottime_ns=boottime_ns)
        elif border:
            place = _Place(boottime_ns=place.boottime_ns, section="" if border["end"] else border["name"])
        elif not text or text.startswith(_COLUMN_HEADS) or _ELAPSED.fullmatch(text):
            continue
        elif not place.section and _BATTERY.match(text):
            of_battery += 1
        else:
            reading = place.reading(line.offset, text)
            if reading is None:
                rejects.add(line, f"no line of {place.section if place.section in _SECTIONS else 'any section'}")
            else:
                yield reading
    if of_battery:
        notes.append(f"{of_battery} lines outside the sections are the battery's: --kind battery reads them")


def _looks_like_power_stats(head: bytes, _name: str) -> bool:
    return any(_SECTION.fullmatch(text) for text in first_lines(head, 3))


def _read_power_stats(data: Buffer, _settings: DumpSettings) -> Dump:
    if not holds(data, "PowerStats HAL"):
        raise DumpError(
            "There is no 'PowerStats HAL' in it. Write the output of dumpsys …IPowerStats/default to a file."
        )
    rejects = Rejects(data)
    notes = ["energy: mWs since boot, as the HAL prints it; of its digits the first seven are the meter's"]
    return Dump(records=_power_stats(data, rejects, notes), rejects=rejects, notes=notes)


KINDS = (
    Kind(
        name="odpm",
        meaning="Linux: energy_value of an on-device power meter",
        looks_like=_looks_like_odpm,
        read=_read_odpm,
    ),
    Kind(
        name="power-stats",
        meaning="Android: dumpsys android.hardware.power.stats.IPowerStats/default",
        looks_like=_looks_like_power_stats,
        read=_read_power_stats,
    ),
)
