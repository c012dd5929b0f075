"""Power: which sensor, how long to loop, and the runs that measure it.

The numbers that the runs bring back are read by ``parsers.power_run``; what a loop's energy and its error bar are is
said in ``parsers.energy``, and how long a loop makes that bar as narrow as wanted in ``parsers.energy_plan``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath

from parsers.battery import GAIN_ERROR
from parsers.energy import Energy
from parsers.energy_plan import Sensor, plan_loop
from parsers.errors import PowerSamplesError
from parsers.jobs import FIRST_POWER_RUN, RUN_PREFIX
from parsers.monsoon import align, cut, piece_to_csv, read_monsoon
from parsers.power_run import MONITOR_FILE, windows_of
from parsers.run_records import only_record, read_records
from parsers.witnesses import hear
from profiler.errors import ProfilerError
from profiler.plan import RunPlan

_SPARE_S = 120
"""For loading, warming up, and writing down."""


class PowerSource(StrEnum):
    """What tells a phone's power; the values are the runner's names."""

    NONE = "none"
    SYSFS = "sysfs"
    """The battery's nodes: costs next to nothing."""
    CMD = "cmd"
    """``dumpsys battery``: a process per sample, for phones that keep the nodes from a shell."""
    ODPM = "odpm"
    """A power meter on the board, through the power statistics HAL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOption:
    """What ``--power`` asks for."""

    kind: str
    """``auto``, ``battery``, ``odpm``, ``monsoon`` or ``none``."""
    file: Path | None = None
    """The monitor's recording, with ``monsoon``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFacts:
    """What a sensor can do, as far as it is known."""

    source: PowerSource
    update_period_s: float
    """How often its register changes."""
    noise_mw: float
    """Standard deviation of one update while nothing changes; the phone's own unrest is part of it."""
    quantum_mw: float
    settling_s: float | None = None
    """Until it shows 99 % of a step; ``None`` where no step was seen yet."""
    gain_error: float = GAIN_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPlan:
    """How long to loop, and what bar to expect."""

    loop_ms: int
    idle_ms: int
    """Length of each of the two idle windows."""
    sample_ms: int
    expected_relative_error: float
    """Half-width at 95 % over the energy, which nine loops of ten keep; above what was wanted where the longest loop does not
    reach that."""

    def __str__(self) -> str:
        """Say it in one line."""
        total_s = (self.loop_ms + 2 * self.idle_ms) / 1000
        return (
            f"loop {self.loop_ms / 1000:.0f} s between two idle windows of {self.idle_ms / 1000:.0f} s, a sample every"
            f" {self.sample_ms} ms: {total_s:.0f} s per layer, energy to about ±{self.expected_relative_error:.0%}"
        )


def parse_power_option(text: str) -> PowerOption:
    """Read ``--power``.

    Raises:
        ProfilerError: it is none of ``auto``, ``battery``, ``odpm``, ``monsoon:FILE.csv`` and ``none``.
    """
    kind, colon, file = text.partition(":")
    if kind == "monsoon" and file:
        return PowerOption(kind=kind, file=Path(file))
    if kind in {"auto", "battery", "odpm", "none"} and not colon:
        return PowerOption(kind=kind)
    raise ProfilerError(f"--power {text!r} is unknown. Give auto, battery, odpm, monsoon:FILE.csv or none.")


def plan_power(sensor: SensorFacts, expected_power_mw: float, wanted_relative_error: float) -> PowerPlan:
    """Say how long to loop for a wanted error.

    Args:
        sensor: what is known of the sensor.
        expected_power_mw: what the layer is expected to add to idle; a guess that is too high gives a bar too wide.
        wanted_relative_error: half-width of the energy's 95 % interval over the energy.
    """
    plan = plan_loop(
        Sensor(
            update_period_s=sensor.update_period_s,
            noise_mw=sensor.noise_mw,
            quantum_mw=sensor.quantum_mw,
            settling_s=sensor.settling_s,
            gain_error=sensor.gain_error,
        ),
        net_power_mw=expected_power_mw,
        wanted_relative_error=wanted_relative_error,
    )
    return PowerPlan(
        loop_ms=math.ceil(plan.loop_s * 1000),
        idle_ms=math.ceil(plan.idle_s * 1000),
        sample_ms=_sample_ms(sensor),
        expected_relative_error=plan.relative_error,
    )


def learn(sensor: SensorFacts, energy: Energy) -> SensorFacts:
    """Take over what a first loop has shown of the sensor, so that the next ones need not be longer than they must."""
    return replace(sensor, update_period_s=energy.update_period_s, settling_s=energy.settling_s)


def _sample_ms(sensor: SensorFacts) -> int:
    """Five looks per update; a source that starts a process each time is asked less often."""
    least_ms = 50 if sensor.source is PowerSource.SYSFS else 1000
    return max(least_ms, min(2000, int(sensor.update_period_s * 200)))


def power_run(
    base: RunPlan, power: PowerPlan, source: PowerSource, *, wait_s: int, number: int = FIRST_POWER_RUN
) -> RunPlan:
    """Turn a job's run into one that measures power, with what it was told to measure besides cut to the least.

    The cache is left as the layer leaves it: walking over a buffer between iterations would cost more than the layer.

    Args:
        base: any run of the job, ``profiler.job_plans.run_plan``.
        power: from :func:`plan_power`.
        source: what the phone has; ``NONE`` loops for an external monitor.
        wait_s: how long a phone that charges is waited for.
        number: of the run within its job, from ``FIRST_POWER_RUN`` on.
    """
    loop_s = (power.loop_ms + 2 * power.idle_ms) / 1000
    return replace(
        base,
        run=number,
        out=str(PurePosixPath(base.out).with_name(f"{RUN_PREFIX}{number}")),
        evict_kb=0,
        profile_iterations=0,
        timeout_s=base.timeout_s + wait_s + math.ceil(loop_s) + _SPARE_S,
        power_source=source.value,
        power_loop_ms=power.loop_ms,
        power_idle_ms=power.idle_ms,
        power_sample_ms=power.sample_ms,
        power_wait_ms=wait_s * 1000,
    )


def attach_monitor(recording: Path, run_folders: Sequence[Path]) -> int:
    """Lay beside each power run what an external monitor saw of it, and return how many runs that were.

    Args:
        recording: one CSV file that covers all of these runs.
        run_folders: folders of runs; those that looped for no monitor are passed over.

    Raises:
        ProfilerError: the file cannot be read, or cannot be brought onto the phone's clock.
    """
    windows = {}
    for folder in run_folders:
        record = only_record(read_records(hear(folder).data), "power")
        if record is not None and record.values.get("source") == PowerSource.NONE:
            windows[folder] = windows_of(record)
    if not windows:
        return 0
    try:
        samples = read_monsoon(recording.read_bytes())
        began_ns = align(samples, list(windows.values()))
    except (OSError, PowerSamplesError) as error:
        raise ProfilerError(f"{recording}: {error}") from error
    for folder, borders in windows.items():
        (folder / MONITOR_FILE).write_text(piece_to_csv(cut(samples, began_ns, borders)), encoding="utf-8")
    return len(windows)
