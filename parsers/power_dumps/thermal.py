"""``dumpsys thermalservice``: temperatures, cooling devices and thresholds, as ``ThermalManagerService`` of Android 10 to 16 prints.

Two lists of temperatures stand there. The *cached* ones are of the last event each, which may be hours ago; only those under
``Current temperatures from HAL`` are of now, and only they are read. Of the cached ones a note says how many there are. Where the
HAL is not ready, there are no others, and the report has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, first_lines, holds, read_lines
from parsers.dump_numbers import decimal
from parsers.errors import DumpError

STATUSES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
"""``android.os.Temperature.THROTTLING_*``, from 0 on."""

TYPES = (
    "cpu",
    "gpu",
    "battery",
    "skin",
    "usb_port",
    "power_amplifier",
    "bcl_voltage",
    "bcl_current",
    "bcl_percentage",
    "npu",
    "tpu",
    "display",
    "modem",
    "soc",
    "wifi",
    "camera",
    "flashlight",
    "speaker",
    "ambient",
    "pogo",
)
"""``android.os.Temperature.TYPE_*``, from 0 on; -1 is unknown."""

_BATTERY_LIMITS = frozenset({"bcl_voltage", "bcl_current", "bcl_percentage"})
"""Types whose value is mV, mA or a percentage, and no temperature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """One sensor's value now."""

    name: str
    type: str
    """A word of TYPES, or the number as it stands."""
    value: float | None
    """As it stands; ``None`` where the HAL has none (NaN)."""
    temperature_c: float | None
    """The value, where the type is a temperature's."""
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingDevice:
    """What slows a part down, and how far it does now: 0 is not at all."""

    name: str
    type: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """At which temperatures a sensor's status changes, from none to shutdown; ``None`` where it never does."""

    name: str
    type: str
    hot_c: tuple[float | None, ...]
    cold_c: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalReport:
    """One dump."""

    offset: int
    status: str | None
    """The phone's thermal status, a word of STATUSES."""
    status_number: int | None
    status_overridden: bool | None
    """Somebody set the status by hand (``cmd thermalservice override-status``)."""
    hal_ready: bool | None
    temperatures: tuple[Temperature, ...]
    """Current ones only."""
    cooling_devices: tuple[CoolingDevice, ...]
    thresholds: tuple[Threshold, ...]
    headroom_thresholds: tuple[float | None, ...]
    """Headroom at which each status begins; 1 is where throttling is severe."""


_Item = TypeVar("_Item")

_TEMPERATURE = re.compile(
    r"Temperature\{mValue=([^,]{1,30}), mType=(-?[0-9]{1,4}), mName=(.{0,200}), mStatus=([0-9]{1,2})\}"
)
_COOLING = re.compile(r"CoolingDevice\{mValue=(-?[0-9]{1,18}), mType=(-?[0-9]{1,4}), mName=(.{0,200})\}")
_THRESHOLD = re.compile(
    r"TemperatureThreshold\{mType=(-?[0-9]{1,4}), mName=(.{0,200}), mHotThrottlingThresholds=\[([^\]]{0,400})\],"
    r" mColdThrottlingThresholds=\[([^\]]{0,400})\]\}"
)
_LIST = re.compile(r"\[([^\]]{0,400})\]")
_STATUS = re.compile(r"Thermal Status: ([0-9]{1,2})")
_FLAG = re.compile(r"(IsStatusOverride|HAL Ready): (true|false)")
_SERVICE = re.compile(r"DUMP OF SERVICE (?:HIGH |CRITICAL |NORMAL )?thermalservice:|-{9,}.*")
_SECTIONS = {
    "ThermalEventListeners:": "listeners",
    "ThermalStatusListeners:": "listeners",
    "ThermalHeadroomListeners:": "listeners",
    "HAL connection:": "listeners",
    "Cached temperatures:": "cached",
    "Current temperatures from HAL:": "temperatures",
    "Current cooling devices from HAL:": "cooling",
    "Temperature static thresholds from HAL:": "thresholds",
    "Temperature headroom thresholds:": "headroom",
}


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """One dump, gathered line by line."""

    offset: int
    section: str = ""
    status: int | None = None
    overridden: bool | None = None
    hal_ready: bool | None = None
    cached: int = 0
    temperatures: list[Temperature] = field(default_factory=list)
    cooling: list[CoolingDevice] = field(default_factory=list)
    thresholds: list[Threshold] = field(default_factory=list)
    headroom: tuple[float | None, ...] = ()

    def take(self, text: str, *, indented: bool) -> bool:
        """Take one line; false where it cannot be read."""
        if self._take_head(text):
            return True
        if self.section == "listeners":  # who listens, and the HAL's version: nothing of the phone's state
            return indented
        if self.section == "headroom":
            values = _list(_LIST.fullmatch(text))
            self.headroom = values or self.headroom
            return values is not None
        return self._take_item(text)

    def _take_item(self, text: str) -> bool:
        match self.section:
            case "cached":
                self.cached += 1
                return _temperature(text) is not None
            case "temperatures":
                return _append(self.temperatures, _temperature(text))
            case "cooling":
                return _append(self.cooling, _cooling_device(text))
            case "thresholds":
                return _append(self.thresholds, _threshold(text))
        return False

    def _take_head(self, text: str) -> bool:
        flag, status = _FLAG.fullmatch(text), _STATUS.fullmatch(text)
        if text in _SECTIONS:
            self.section = _SECTIONS[text]
        elif flag:
            self.section = ""
            if flag[1] == "HAL Ready":
                self.hal_ready = flag[2] == "true"
            else:
                self.overridden = flag[2] == "true"
        elif status and int(status[1]) < len(STATUSES):
            self.section, self.status = "", int(status[1])
        else:
            return False
        return True

    def report(self) -> ThermalReport:
        """Give what was gathered."""
        return ThermalReport(
            offset=self.offset,
            status=None if self.status is None else STATUSES[self.status],
            status_number=self.status,
            status_overridden=self.overridden,
            hal_ready=self.hal_ready,
            temperatures=tuple(self.temperatures),
            cooling_devices=tuple(self.cooling),
            thresholds=tuple(self.thresholds),
            headroom_thresholds=self.headroom,
        )


def _append(items: list[_Item], item: _Item | None) -> bool:
    if item is not None:
        items.append(item)
    return item is not None


def _type(text: str) -> str:
    number = int(text)
    return TYPES[number] if 0 <= number < len(TYPES) else "unknown" if number == -1 else text


def _number_or_nan(text: str) -> float | None:
    """Read a Java float; NaN is one, and so is infinity, which no sensor shows."""
    return math.nan if text.strip() == "NaN" else decimal(text)


def _temperature(text: str) -> Temperature | None:
    found = _TEMPERATURE.fullmatch(text)
    value = None if found is None else _number_or_nan(found[1])
    if found is None or value is None or int(found[4]) >= len(STATUSES):
        return None
    known = None if math.isnan(value) else value
    type_ = _type(found[2])
    return Temperature(
        name=found[3],
        type=type_,
        value=known,
        temperature_c=None if type_ in _BATTERY_LIMITS else known,
        status=STATUSES[int(found[4])],
    )


def _cooling_device(text: str) -> CoolingDevice | None:
    found = _COOLING.fullmatch(text)
    return None if found is None else CoolingDevice(name=found[3], type=int(found[2]), value=int(found[1]))


def _threshold(text: str) -> Threshold | None:
    found = _THRESHOLD.fullmatch(text)
    if found is None:
        return None
    hot, cold = _floats(found[3]), _floats(found[4])
    return (
        None if hot is None or cold is None else Threshold(name=found[2], type=_type(found[1]), hot_c=hot, cold_c=cold)
    )


def _list(found: re.Match[str] | None) -> tuple[float | None, ...] | None:
    return None if found is None else _floats(found[1])


def _floats(text: str) -> tuple[float | None, ...] | None:
    values = [_number_or_nan(item) for item in text.split(",")] if text.strip() else []
    known = [value for value in values if value is not None]
    return None if len(known) < len(values) else tuple(None if math.isnan(value) else value for value in known)


def _reports(data: Buffer, rejects: Rejects, notes: list[str]) -> Iterator[ThermalReport]:
    gathered: _Gathered | None = None
    cached = 0
    for line in read_lines(data, rejects):
        text = line.text.strip()
        if not text or _SERVICE.fullmatch(text):
            continue
        if gathered is None or (text.startswith("IsStatusOverride: ") and gathered.overridden is not None):
            if gathered is not None:
                cached += gathered.cached
                yield gathered.report()
            gathered = _Gathered(offset=line.offset)
        if not gathered.take(text, indented=line.text[:1].isspace()):
            rejects.add(line, "no line of dumpsys thermalservice")
    if gathered is not None:
        cached += gathered.cached
        yield gathered.report()
    notes.append(f"{cached} cached temperatures, each of its last event, were left out")


def _looks_like(head: bytes, _name: str) -> bool:
    return any(text.startswith("IsStatusOverride: ") for text in first_lines(head, 3))


def _read(data: Buffer, _settings: DumpSettings) -> Dump:
    if not any(holds(data, mark) for mark in ("Thermal Status: ", "IsStatusOverride: ", *_SECTIONS)):
        raise DumpError("There is no 'Thermal Status:' in it. Write the output of dumpsys thermalservice to a file.")
    rejects = Rejects(data)
    notes: list[str] = []
    return Dump(records=_reports(data, rejects, notes), rejects=rejects, notes=notes)


KIND = Kind(
    name="thermalservice",
    meaning="Android: dumpsys thermalservice",
    looks_like=_looks_like,
    read=_read,
)
