"""What was read from a phone's power sensors, as it was read: no unit, no sign, no meaning is given to it here.

Three recordings, all made by the runner (``profiler/runner/power.c``) beside its log:

- ``power.csv``: one row per sample of the battery's nodes in ``/sys/class/power_supply``.
- ``power.txt`` of source ``cmd``: what ``dumpsys battery`` printed, a block per sample.
- ``power.txt`` of source ``odpm``: what the power statistics HAL printed, a block per sample.

A block begins with ``@ <nanoseconds of CLOCK_BOOTTIME>``. What is no number, or was not there, is NaN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parsers.errors import PowerSamplesError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_COLUMNS = ("boottime_ns", "current_now", "voltage_now", "charge_counter", "status")
_BLOCK = re.compile(r"^@ ([0-9]+)\n", re.MULTILINE)
_BATTERY_LINE = re.compile(
    r"^[ \t]*(current now|voltage|charge counter|status)[ \t]*:[ \t]*(-?[0-9]+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
_RAIL_LINE = re.compile(
    r"^[ \t]*\[(?P<rail>[^]\n]+)\](?::(?P<subsystem>.*?))?[ \t]++(?P<energy>[0-9]+(?:\.[0-9]+)?) mWs", re.MULTILINE
)
_METER = re.compile(r"^=+ PowerStats HAL [0-9.]+ energy meter =+$", re.MULTILINE)


class ChargeStatus(StrEnum):
    """The battery's state as Linux's power supply class spells it."""

    UNKNOWN = "Unknown"
    CHARGING = "Charging"
    DISCHARGING = "Discharging"
    NOT_CHARGING = "Not charging"
    FULL = "Full"


_STATUS_NUMBERS = {"1": "Unknown", "2": "Charging", "3": "Discharging", "4": "Not charging", "5": "Full"}
"""``android.os.BatteryManager.BATTERY_STATUS_*``, which ``dumpsys battery`` prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySamples:
    """Registers of a fuel gauge over time; all arrays have shape (n,)."""

    boottime_ns: IntArray
    current: FloatArray
    """``current_now``: µA or mA, positive or negative when discharging, as the phone has it."""
    voltage: FloatArray
    """``voltage_now``: µV or mV."""
    charge: FloatArray
    """``charge_counter``: µAh or mAh left."""
    status: tuple[ChargeStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rail:
    """One rail of an on-device power meter and the energy that has passed through it since boot."""

    name: str
    subsystem: str
    energy_mj: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RailSamples:
    """Cumulative energy of every rail over time; the arrays have shape (n,)."""

    boottime_ns: IntArray
    rails: tuple[Rail, ...]


def read_battery_csv(data: bytes) -> BatterySamples:
    """Read ``power.csv``.

    Raises:
        PowerSamplesError: another header, a row of another width, or times that do not rise.
    """
    header, *rows = data.decode(errors="replace").splitlines() or [""]
    if tuple(header.split(",")) != _COLUMNS:
        raise PowerSamplesError(f"power.csv begins with {header[:80]!r}, not with {','.join(_COLUMNS)}. Measure again.")
    cells = [row.split(",") for row in rows]
    odd = next((number for number, row in enumerate(cells, 2) if len(row) != len(_COLUMNS)), None)
    if odd is not None:
        raise PowerSamplesError(f"power.csv, line {odd}: {rows[odd - 2][:80]!r} is cut or malformed. Measure again.")
    return _battery_samples(cells)


def read_battery_text(data: bytes) -> BatterySamples:
    """Read blocks of ``dumpsys battery``; raises PowerSamplesError as :func:`read_battery_csv`."""
    cells = []
    for boottime_ns, text in _blocks(data):
        found: dict[str, str] = {}
        for name, value in _BATTERY_LINE.findall(text):
            found.setdefault(name.lower(), value)
        frozen = "UPDATES STOPPED" in text  # somebody made Android believe in another battery
        status = "Unknown" if frozen else _STATUS_NUMBERS.get(found.get("status", ""), "Unknown")
        registers = [found.get(name, "") for name in ("current now", "voltage", "charge counter")]
        cells.append([boottime_ns, *registers, status])
    return _battery_samples(cells)


def read_rails(data: bytes) -> RailSamples:
    """Read blocks of ``dumpsys android.hardware.power.stats.IPowerStats/default``: its ``energy meter`` part.

    A rail that is missing from a block has NaN there.

    Raises:
        PowerSamplesError: no block has an energy meter, or times do not rise.
    """
    times, meters = [], []
    for boottime_ns, text in _blocks(data):
        begin = _METER.search(text)
        if begin is None:
            continue
        end = text.find("\n=", begin.end())
        times.append(boottime_ns)
        meters.append(
            {
                (m["rail"], m["subsystem"] or ""): float(m["energy"])
                for m in _RAIL_LINE.finditer(text, begin.end(), end if end >= 0 else len(text))
            }
        )
    names = list(dict.fromkeys(name for meter in meters for name in meter))
    if not names:
        raise PowerSamplesError(
            "power.txt holds no energy meter: this phone has no rails to read. Use --power battery."
        )
    rails = [
        Rail(name=rail, subsystem=subsystem, energy_mj=np.array([m.get((rail, subsystem), np.nan) for m in meters]))
        for rail, subsystem in names
    ]
    return RailSamples(boottime_ns=_rising(times), rails=tuple(rails))


def _blocks(data: bytes) -> Iterator[tuple[str, str]]:
    parts = _BLOCK.split(data.decode(errors="replace"))
    yield from zip(parts[1::2], parts[2::2], strict=True)


def _battery_samples(cells: Sequence[Sequence[str]]) -> BatterySamples:
    known = {status.value.lower(): status for status in ChargeStatus}
    return BatterySamples(
        boottime_ns=_rising([row[0] for row in cells]),
        current=_numbers(row[1] for row in cells),
        voltage=_numbers(row[2] for row in cells),
        charge=_numbers(row[3] for row in cells),
        status=tuple(known.get(row[4].strip().lower(), ChargeStatus.UNKNOWN) for row in cells),
    )


def _numbers(cells: Iterator[str] | Any) -> FloatArray:
    whole = re.compile(r"\s*-?[0-9]+\s*")
    return np.array([float(cell) if whole.fullmatch(cell) else np.nan for cell in cells], dtype=np.float64)


def _rising(times: Sequence[str]) -> IntArray:
    try:
        array = np.array([int(time) for time in times], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise PowerSamplesError(f"A sample's time is no whole number ({error}). Measure again.") from error
    if np.any(np.diff(array) <= 0):
        raise PowerSamplesError("The samples' times do not rise. Measure again.")
    return array
