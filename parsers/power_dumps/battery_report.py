"""A battery at one moment, as ``dumpsys battery`` and ``dumpsys batteryproperties`` both tell of it.

Blocks are read twice: once for the readings that tell the current's unit and sign, and once to give the reports as they are
asked for, so that a recording of a day needs no more memory than one of a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from parsers.dump import Buffer, Dump
from parsers.dump_lines import Rejects
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
from parsers.power_samples import ChargeStatus

CHARGERS = ("ac", "usb", "wireless", "dock")

STATUSES = dict(zip(range(1, 6), ChargeStatus, strict=True))
"""``android.os.BatteryManager.BATTERY_STATUS_*``."""

_HEALTHS = ("unknown", "good", "overheat", "dead", "over_voltage", "unspecified_failure", "cold")
"""``android.os.BatteryManager.BATTERY_HEALTH_*``, from 1 on."""

HEALTHS = dict(enumerate(_HEALTHS, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryReport:
    """One block of a dump. What it does not tell, or cannot be told from it, is ``None``."""

    offset: int
    boottime_ns: int | None
    """From the line ``@ NANOSECONDS`` above the block, where a recording has one."""
    updates_stopped: bool
    """Somebody made Android believe in another battery (``dumpsys battery set``, ``unplug``): state and plug may be made up."""
    status: ChargeStatus | None
    plugged: tuple[str, ...] | None
    """The chargers that give power; empty where none does."""
    health: str | None
    present: bool | None
    level_percent: float | None
    voltage_raw: int | None
    voltage_mv: float | None
    temperature_raw: int | None
    temperature_c: float | None
    current_raw: int | None
    current_unit: str | None
    current_ma: float | None
    """Drawn from the battery; negative where it is charged."""
    current_average_raw: int | None
    current_cached_raw: int | None
    """What the health service kept beside what it read anew."""
    charge_counter_raw: int | None
    charge_counter_mah: float | None
    full_charge_raw: int | None
    cycle_count: int | None
    technology: str | None
    max_charging_current_ua: int | None
    max_charging_voltage_uv: int | None
    evidence: tuple[str, ...]
    """How each unit and sign were told, or why they were not, a sentence each."""
    extras: tuple[tuple[str, str], ...]
    """Names and values that Android itself does not print, as they stand."""


@dataclass(slots=True, kw_only=True)
class Block:
    """What one block holds, gathered line by line: numbers by the name that both dumps share."""

    offset: int
    boottime_ns: int | None = None
    stopped: bool = False
    technology: str | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    extras: list[tuple[str, str]] = field(default_factory=list)

    @property
    def voltage_v(self) -> float | None:
        """The battery's voltage; ``None`` where there is none, or none that a battery has."""
        return voltage_v_of(self.numbers.get("voltage"))

    @property
    def status(self) -> ChargeStatus | None:
        """The state of charge that is printed, made up or not."""
        return STATUSES.get(self.numbers.get("status", 0))


Blocks = Callable[[Buffer, Rejects], Iterable[Block]]
"""Reads a dump's blocks, and adds to the rejects what could not be read."""


def dump_of(data: Buffer, blocks: Blocks, what: str) -> Dump:
    """Read blocks into reports.

    Args:
        data: the dump.
        blocks: its reader.
        what: the dump's name in an error.

    Raises:
        DumpError: there is no block.
    """
    currents: list[tuple[float | None, float | None, bool]] = []
    told = False
    for block in blocks(data, Rejects(data)):
        discharging = block.status is ChargeStatus.DISCHARGING and not block.stopped
        currents.append((block.numbers.get("current_now"), block.voltage_v, discharging))
        told = told or bool(block.numbers)
    if not told:
        raise DumpError(f"There is no block of {what} in it. Write the command's whole output into a file.")
    rule = current_rule(
        CurrentReadings(
            raw=floats([raw for raw, _, _ in currents]),
            voltage_v=floats([voltage_v for _, voltage_v, _ in currents]),
            discharging=np.array([discharging for _, _, discharging in currents], dtype=np.bool_),
        )
    )
    rejects = Rejects(data)
    has_current = any(raw is not None for raw, _, _ in currents)
    notes = (f"current: {rule.evidence}",) if has_current else ("current: none in the dump",)
    return Dump(records=_reports(blocks(data, rejects), rule), rejects=rejects, notes=notes)


def _reports(blocks: Iterable[Block], rule: CurrentRule) -> Iterator[BatteryReport]:
    for block in blocks:
        yield _report(block, rule)


def _report(block: Block, rule: CurrentRule) -> BatteryReport:
    numbers = block.numbers
    level_percent = _level_percent(numbers)
    current = current_of(numbers.get("current_now"), block.voltage_v, rule)
    charge_mah, charge_evidence = charge_of(numbers.get("charge_counter"), level_percent)
    temperature_c, temperature_evidence = temperature_of(numbers.get("temperature"))
    voltage_mv, voltage_evidence = _voltage(block)
    sentences = (current.evidence, charge_evidence, voltage_evidence, temperature_evidence, _fake(block))
    return BatteryReport(
        offset=block.offset,
        boottime_ns=block.boottime_ns,
        updates_stopped=block.stopped,
        status=block.status,
        plugged=_plugged(numbers),
        health=HEALTHS.get(numbers.get("health", 0)),
        present=bool(numbers["present"]) if "present" in numbers else None,
        level_percent=level_percent,
        voltage_raw=numbers.get("voltage"),
        voltage_mv=voltage_mv,
        temperature_raw=numbers.get("temperature"),
        temperature_c=temperature_c,
        current_raw=numbers.get("current_now"),
        current_unit=current.unit,
        current_ma=current.current_ma,
        current_average_raw=numbers.get("current_average"),
        current_cached_raw=numbers.get("current_cached"),
        charge_counter_raw=numbers.get("charge_counter"),
        charge_counter_mah=charge_mah,
        full_charge_raw=numbers.get("full_charge"),
        cycle_count=numbers.get("cycle_count"),
        technology=block.technology,
        max_charging_current_ua=numbers.get("max_current"),
        max_charging_voltage_uv=numbers.get("max_voltage"),
        evidence=tuple(sentence for sentence in sentences if sentence),
        extras=tuple(block.extras),
    )


def _plugged(numbers: dict[str, int]) -> tuple[str, ...] | None:
    if not any(charger in numbers for charger in CHARGERS):
        return None
    return tuple(charger for charger in CHARGERS if numbers.get(charger))


def _level_percent(numbers: dict[str, int]) -> float | None:
    level, scale = numbers.get("level"), numbers.get("scale", 100)
    return None if level is None or not 0 <= level <= scale or scale == 0 else 100 * level / scale


def _voltage(block: Block) -> tuple[float | None, str]:
    raw = block.numbers.get("voltage")
    if raw is None:
        return None, ""
    if block.voltage_v is None:
        return None, f"refused: voltage {raw} is no battery's in µV or mV"
    evidence = "" if raw < 1e5 else f"voltage in µV: {raw} mV is no battery's"
    return round(block.voltage_v * 1000, 3), evidence


def _fake(block: Block) -> str:
    return "updates are stopped: level, status and chargers may be made up" if block.stopped else ""
