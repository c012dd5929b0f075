"""One run's power: the runner's ``power`` record and the samples beside its log in, an energy or a reason out."""

from __future__ import annotations

import statistics
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parsers.battery import PowerTrace, Windows, battery_trace, refuse_charging
from parsers.energy import Energy, estimate_energy
from parsers.errors import EnergyRefusedError, PowerSamplesError
from parsers.monsoon import monitor_trace, read_piece
from parsers.odpm import rails_trace
from parsers.power_samples import read_battery_csv, read_battery_text, read_rails
from parsers.run_records import Record, only_record, read_records
from parsers.schema import Measurement
from parsers.witnesses import hear

MONITOR_FILE = "monitor.csv"
"""What an external monitor saw of the run, on the phone's clock."""

REFUSED = "refused: "
"""Begins a row's ``power_source`` where it says why there is no energy."""

_BORDERS = ("idle_from_ns", "loop_from_ns", "loop_to_ns", "idle_to_ns", "iterations")


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFinding:
    """What a power run came to: an energy, or why there is none."""

    energy: Energy | None
    refused: str = ""
    source: str = ""
    """The sensor, by the runner's name for it."""
    looped: bool = True
    """``False`` where the phone charged for as long as it was waited for, so that nothing was measured."""


def read_power(folder: Path) -> PowerFinding | None:
    """Read a run's folder, whose log is whole; ``None`` where the run was not to measure power.

    Raises:
        PowerSamplesError: the samples are not as the runner wrote them.
        RunLogError: the log contradicts itself.
    """
    record = only_record(read_records(hear(folder).data), "power")
    if record is None:
        return None
    source, looped = record.text("source"), "refused" not in record.values
    try:
        windows = windows_of(record)
        energy = estimate_energy(_trace(folder, record, windows), windows)
        return PowerFinding(energy=energy, source=source)
    except EnergyRefusedError as error:
        return PowerFinding(energy=None, refused=str(error), source=source, looped=looped)


def with_energy(measurement: Measurement, findings: Sequence[PowerFinding]) -> Measurement:
    """Add what a job's power runs found: the mean where there are several, with a bar that reaches over all of them.

    The bars are not narrowed by their number, because the sensor's gain errs in all of them alike.
    """
    found = [finding.energy for finding in findings if finding.energy is not None]
    if not found:
        return replace(measurement, power_source=f"{REFUSED}{findings[-1].refused}") if findings else measurement
    energies_mj = [energy.energy_mj for energy in found]
    bar_mj = statistics.fmean(energy.energy_error_mj for energy in found)
    return replace(
        measurement,
        power_mw=statistics.fmean(energy.power_mw for energy in found),
        power_gross_mw=statistics.fmean(energy.power_gross_mw for energy in found),
        energy_mj=statistics.fmean(energies_mj),
        energy_error_mj=max(bar_mj, (max(energies_mj) - min(energies_mj)) / 2),
        power_source=found[0].source,
    )


def windows_of(record: Record) -> Windows:
    """Read the windows of a ``power`` record; raises EnergyRefusedError where the runner refused to loop."""
    if "refused" in record.values:
        raise EnergyRefusedError(record.text("refused"))
    values = {name: record.integer(name) for name in _BORDERS}
    if list(values.values())[:4] != sorted(list(values.values())[:4]) or values["iterations"] < 1:
        record.contradict(f"windows {values}")
    return Windows(**values)


def _trace(folder: Path, record: Record, windows: Windows) -> PowerTrace:
    source = record.text("source")
    if source == "none":
        path = folder / MONITOR_FILE
        if not path.is_file():
            raise EnergyRefusedError("no recording of an external monitor was given for the run")
        return monitor_trace(read_piece(path.read_bytes()), windows)
    data = _samples(folder, record)
    if source == "odpm":
        refuse_charging(read_battery_text(data), windows)
        return rails_trace(read_rails(data), windows)
    if source not in {"sysfs", "cmd"}:
        record.contradict(f"source={source}, which this program does not read")
    return battery_trace(read_battery_csv(data) if source == "sysfs" else read_battery_text(data), windows)


def _samples(folder: Path, record: Record) -> bytes:
    """Read the file that the record names, and make sure that it is the one that was written."""
    path = folder / Path(record.text("file")).name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PowerSamplesError(f"{path}: cannot be read ({error.strerror}). Measure this run again.") from error
    if len(data) != record.integer("bytes") or f"{zlib.crc32(data):08x}" != record.text("crc"):
        raise PowerSamplesError(f"{path}: not as the runner wrote it. Measure this run again.")
    return data
