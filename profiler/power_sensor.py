"""Ask a phone which power sensor it has, and what that can do: one shell command of a minute.

The phone may hang on its cable meanwhile: pace and steps of a register are the same while it charges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from parsers import odpm
from parsers.battery import pace_of
from parsers.errors import EnergyRefusedError, PowerSamplesError
from parsers.power_samples import BatterySamples, RailSamples, read_battery_csv, read_battery_text, read_rails
from profiler.errors import ProfilerError
from profiler.power import PowerOption, PowerSource, SensorFacts

Shell = Callable[[Sequence[str]], str]
"""Runs a command on the phone and returns what it prints."""

LEAST_NOISE_MW = 25.0
"""What a phone's own unrest is taken for at least: forty quiet seconds promise nothing for an hour."""
UNKNOWN_PERIOD_S = 10.0
"""Taken for a register that was not seen changing three times: the slowest that drivers are known for."""

_PART = re.compile(r"^=== (sysfs|cmd|odpm)\n", re.MULTILINE)
_LEAST_MICRO = 20_000
"""A current above it is in µA: 20 A is no phone's."""

_SCRIPT = """
node() { for s in battery bms maxfg; do cat /sys/class/power_supply/$s/$1 2>/dev/null && return; done; echo; }
now() { read up rest </proc/uptime; echo "${up%.*}${up#*.}0000000"; }
if [ -n "$(node current_now)" ]; then
  echo "=== sysfs"; echo boottime_ns,current_now,voltage_now,charge_counter,status
  i=0; while [ $i -lt 80 ]; do
    echo "$(now),$(node current_now),$(node voltage_now),$(node charge_counter),$(node status)"; sleep 0.5; i=$((i+1))
  done
else
  echo "=== cmd"
  i=0; while [ $i -lt 40 ]; do
    echo "@ $(now)"; dumpsys battery; echo "current now: $(cmd battery get -f current_now 2>/dev/null)"; sleep 1; i=$((i+1))
  done
fi
meter() { dumpsys android.hardware.power.stats.IPowerStats/default 2>/dev/null | grep -e mWs -e ====; }
if [ -n "$(meter)" ]; then
  echo "=== odpm"; i=0; while [ $i -lt 15 ]; do echo "@ $(now)"; meter; sleep 1; i=$((i+1)); done
fi
"""


def choose_sensor(option: PowerOption, shell: Shell) -> SensorFacts | None:
    """Choose what tells a phone's power; ``None`` where power is not to be measured, or ``auto`` finds nothing.

    Args:
        option: from ``profiler.power.parse_power_option``.
        shell: runs a command on the phone.

    Raises:
        ProfilerError: the sensor that was asked for is not there.
    """
    if option.kind == "none":
        return None
    if option.kind == "monsoon":
        return SensorFacts(
            source=PowerSource.NONE, update_period_s=0.1, noise_mw=LEAST_NOISE_MW, quantum_mw=0.0, settling_s=1.0
        )
    found = read_probe(shell(["sh", "-c", _SCRIPT]))
    wanted = {
        "battery": (PowerSource.SYSFS, PowerSource.CMD),
        "odpm": (PowerSource.ODPM,),
        "auto": (PowerSource.SYSFS, PowerSource.CMD, PowerSource.ODPM),
    }[option.kind]
    sensor = next((facts for source in wanted for facts in found if facts.source is source), None)
    if sensor is None and option.kind != "auto":
        has = ", ".join(facts.source for facts in found) or "none that a shell may read"
        raise ProfilerError(
            f"--power {option.kind}: this phone's power sensors are: {has}. Try --power auto or monsoon:FILE."
        )
    return sensor


def read_probe(text: str) -> tuple[SensorFacts, ...]:
    """Read what the probe printed: one entry per sensor that answered with numbers."""
    found = []
    parts = _PART.split(text)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        try:
            found.append(_facts(PowerSource(name), body.encode()))
        except (PowerSamplesError, EnergyRefusedError):
            continue  # a sensor that tells nothing is none
    return tuple(found)


def _facts(source: PowerSource, data: bytes) -> SensorFacts:
    if source is PowerSource.ODPM:
        return meter_facts(read_rails(data))
    return battery_facts(source, read_battery_csv(data) if source is PowerSource.SYSFS else read_battery_text(data))


def meter_facts(samples: RailSamples) -> SensorFacts:
    """Say what a board's own meter can do; its energies are counted, so nothing of it lags but its pace."""
    energy_mj = np.nansum([rail.energy_mj for rail in samples.rails], axis=0)
    try:
        period_s, _ = pace_of((samples.boottime_ns - samples.boottime_ns[0]) / 1e9, energy_mj)
    except EnergyRefusedError:
        period_s = UNKNOWN_PERIOD_S
    return SensorFacts(
        source=PowerSource.ODPM,
        update_period_s=period_s,
        noise_mw=LEAST_NOISE_MW,
        quantum_mw=0.1,
        settling_s=2 * period_s,
        gain_error=odpm.GAIN_ERROR,
    )


def battery_facts(source: PowerSource, samples: BatterySamples) -> SensorFacts:
    """Say what a gauge can do, from a while of its readings.

    Raises:
        EnergyRefusedError: there is no current or no voltage in them.
    """
    good = np.isfinite(samples.current) & np.isfinite(samples.voltage) & (samples.current != 0)
    if good.sum() < 5:
        raise EnergyRefusedError("no current or no voltage to read")
    raw, middle_voltage = samples.current[good], float(np.median(samples.voltage[good]))
    voltage_v = middle_voltage * (1e-6 if middle_voltage > 1e5 else 1e-3)
    scale_mw = voltage_v * (1e-3 if np.median(np.abs(raw)) > _LEAST_MICRO else 1.0)
    try:
        period_s, quantum = pace_of((samples.boottime_ns[good] - samples.boottime_ns[good][0]) / 1e9, raw)
    except EnergyRefusedError:
        period_s, quantum = UNKNOWN_PERIOD_S, 0.0
    noise_mw = float(np.std(np.diff(raw))) / np.sqrt(2) * scale_mw
    return SensorFacts(
        source=source,
        update_period_s=period_s,
        noise_mw=max(LEAST_NOISE_MW, noise_mw),
        quantum_mw=quantum * scale_mw,
    )
