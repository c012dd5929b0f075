"""From a fuel gauge's registers to power: which unit, which sign, and when nobody can tell.

Android's documentation asks for microamperes and a negative sign when discharging; phones have both units and both
signs. An awake phone draws between :data:`LEAST_POWER_MW` and :data:`MOST_POWER_MW`, which at a battery's voltage leaves
one unit or none; the sign is the one that all readings of a discharging battery share. The charge counter is a second
witness where it moves: it must fall, and by about what the current says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from parsers.errors import EnergyRefusedError
from parsers.power_samples import BatterySamples, ChargeStatus, FloatArray, IntArray

LEAST_POWER_MW, MOST_POWER_MW = 50.0, 40_000.0
GAIN_ERROR = 0.03
"""Relative error of current times voltage that is common to all readings, at 95 %: what data sheets of fuel gauges allow
together (about 1 % for the current's gain, 1 % for the shunt, its temperature coefficient, 0.5 % for the voltage)."""

VOLTAGE_V = (2.5, 10.0)
"""One or two lithium cells."""
UNITS_MA = (("µA", 1e-3), ("mA", 1.0))
"""The units that phones have for a current, and what turns each into mA."""
LARGEST_ERRNO = 4095
USUAL_ERRNOS = (-5.0, -11.0, -16.0, -19.0, -22.0, -61.0, -110.0)
"""EIO, EAGAIN, EBUSY, ENODEV, EINVAL, ENODATA, ETIMEDOUT: what drivers return where a register cannot be read."""
LEAST_SAMPLES = 10
"""Readings of a discharging battery that it takes to tell a unit by what an awake phone draws at least."""
MOST_MILLI_AH = 50_000
"""A charge counter above it is in µAh: no phone holds 50 Ah."""

_MOST_DROPPED = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Idle, loop, idle: the borders on CLOCK_BOOTTIME, and how often the model ran in the loop."""

    idle_from_ns: int
    loop_from_ns: int
    loop_to_ns: int
    idle_to_ns: int
    iterations: int

    @property
    def loop_s(self) -> float:
        """Length of the loop."""
        return (self.loop_to_ns - self.loop_from_ns) / 1e9

    def span(self, boottime_ns: IntArray) -> NDArray[np.bool_]:
        """Which of these moments lie between the outer borders."""
        return (boottime_ns >= self.idle_from_ns) & (boottime_ns <= self.idle_to_ns)

    def since_loop_s(self, boottime_ns: IntArray) -> FloatArray:
        """Seconds since the loop began."""
        return (boottime_ns - self.loop_from_ns) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerTrace:
    """Power over time, at the sensor's own pace. Arrays have shape (n,); time is 0 where the loop begins."""

    source: str
    time_s: FloatArray
    power_mw: FloatArray
    update_period_s: float
    quantum_mw: float
    """The smallest step that the sensor shows."""
    gain_error: float
    """Relative error common to all readings, at 95 %."""
    evidence: str
    """How unit and sign were told, with the figures."""


def battery_trace(samples: BatterySamples, windows: Windows, *, source: str = "battery") -> PowerTrace:
    """Give a recording its unit and sign.

    Raises:
        EnergyRefusedError: charging, too few readings, registers that never change, or a unit or sign that cannot be
            told.
    """
    inside = windows.span(samples.boottime_ns)
    refuse_charging(samples, windows)
    good = inside & are_readings(samples.current, inside)
    if good.sum() < LEAST_SAMPLES:
        raise EnergyRefusedError(f"only {good.sum()} readings of the current between the windows' borders")
    dropped = 1 - good.sum() / inside.sum()
    if dropped > _MOST_DROPPED:
        raise EnergyRefusedError(f"{dropped:.0%} of the current's readings are errors")
    time_s = windows.since_loop_s(samples.boottime_ns[good])
    voltage_v = _voltage_v(samples.voltage[good])
    raw = samples.current[good]
    scale, evidence = scale_and_sign(raw, voltage_v)
    current_ma = raw * scale
    period_s, quantum = pace_of(time_s, raw)
    trace = PowerTrace(
        source=source,
        time_s=time_s,
        power_mw=current_ma * voltage_v,
        update_period_s=period_s,
        quantum_mw=quantum * abs(scale) * float(np.mean(voltage_v)),
        gain_error=GAIN_ERROR,
        evidence=evidence,
    )
    return _checked_by_counter(trace, time_s, current_ma, samples.charge[good])


def refuse_charging(samples: BatterySamples, windows: Windows) -> None:
    """Raise EnergyRefusedError where the battery did anything but discharge between the windows' borders."""
    for index in np.flatnonzero(windows.span(samples.boottime_ns)):
        status = samples.status[index]
        if status is not ChargeStatus.DISCHARGING:
            at_s = (samples.boottime_ns[index] - windows.idle_from_ns) / 1e9
            raise EnergyRefusedError(
                f"the battery was {status.value!r}, not 'Discharging', {at_s:.1f} s into the windows"
            )


def are_readings(raw: FloatArray, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which values are readings: not NaN, and not an error number or zero in a reading's place.

    In milliamperes an error number could be a current, so it must also lie far below what the phone draws at rest.
    """
    known = np.isfinite(raw)
    if not (known & inside).any():
        return known
    rest = float(np.percentile(np.abs(raw[known & inside]), 20))  # idle windows are longer than a fifth
    small = (np.abs(raw) < 0.2 * rest) | (np.isin(raw, USUAL_ERRNOS) & (np.abs(raw) < 0.6 * rest))
    return known & ~(small & (np.abs(raw) <= LARGEST_ERRNO))


def _voltage_v(raw: FloatArray) -> FloatArray:
    """Tell microvolts, millivolts and volts by magnitude; a battery leaves no doubt. Gaps take the median."""
    known = raw[np.isfinite(raw)]
    if not known.size:
        raise EnergyRefusedError("the battery's voltage cannot be read")
    middle = float(np.median(known))
    scale = voltage_scale(middle)
    if scale is None:
        raise EnergyRefusedError(f"voltage_now is {middle:g}, which is no battery's voltage in µV or mV")
    return np.where(np.isfinite(raw), raw, middle) * scale


def voltage_scale(raw: float) -> float | None:
    """Give what turns a battery's voltage into volts; ``None`` where it is none in µV or mV."""
    return next((scale for scale in (1e-6, 1e-3) if VOLTAGE_V[0] <= raw * scale <= VOLTAGE_V[1]), None)


def scale_and_sign(raw: FloatArray, voltage_v: FloatArray) -> tuple[float, str]:
    """Find what turns the register of a discharging battery into mA drawn, and say by which figures.

    Raises:
        EnergyRefusedError: the unit or the sign cannot be told.
    """
    signs = np.unique(np.sign(raw))
    if len(signs) != 1:
        raise EnergyRefusedError("the current's sign changes while the battery discharges, so that it cannot be told")
    fits = []
    for unit, scale in UNITS_MA:
        power_mw = np.abs(raw) * scale * voltage_v
        if power_mw.min() >= LEAST_POWER_MW and power_mw.max() <= MOST_POWER_MW:
            fits.append((unit, scale))
    low, high = np.abs(raw).min(), np.abs(raw).max()
    if len(fits) != 1:
        raise EnergyRefusedError(
            f"current_now is {low:g} to {high:g}: neither as µA nor as mA is all of it what an awake phone draws"
        )
    unit, scale = fits[0]
    sign = int(signs[0])
    evidence = f"{unit}, {'+' if sign > 0 else '-'} is discharge: {low:g} to {high:g} at {np.mean(voltage_v):.2f} V"
    return scale * sign, evidence


def pace_of(time_s: FloatArray, raw: FloatArray) -> tuple[float, float]:
    """Return how often a register changes, in seconds, and by how much at least.

    Raises:
        EnergyRefusedError: it changes less than three times.
    """
    changes = time_s[1:][np.diff(raw) != 0]
    if len(changes) < 3:
        raise EnergyRefusedError("the current's register hardly ever changes, so that it tells no difference")
    sampling_s = float(np.median(np.diff(time_s)))
    return max(float(np.median(np.diff(changes))), sampling_s), float(np.diff(np.unique(raw)).min())


def _checked_by_counter(trace: PowerTrace, time_s: FloatArray, current_ma: FloatArray, raw: FloatArray) -> PowerTrace:
    """Hold the current against the charge counter, where that moves far enough to be a witness.

    Where the two disagree by more than each may err, the gain's error is widened to cover both.
    """
    known = np.isfinite(raw)
    if known.sum() < LEAST_SAMPLES:
        return trace
    charge_mah = raw[known] * (1e-3 if np.median(np.abs(raw[known])) > MOST_MILLI_AH else 1.0)
    steps = np.abs(np.diff(charge_mah))
    fallen_mah, step_mah = float(charge_mah[0] - charge_mah[-1]), float(steps.max())
    if fallen_mah < 0 and -fallen_mah > 2 * step_mah:
        raise EnergyRefusedError(f"the charge counter rose by {-fallen_mah:.2f} mAh: the battery was charging")
    if step_mah == 0 or fallen_mah < 10 * step_mah:
        return trace
    drawn_mah = float(np.trapezoid(current_ma[known], time_s[known])) / 3600
    ratio = drawn_mah / fallen_mah
    evidence = f"{trace.evidence}; {drawn_mah:.2f} mAh drawn by the current, {fallen_mah:.2f} by the charge counter"
    if not 0.5 < ratio < 2:
        raise EnergyRefusedError(f"the current's unit cannot be told: {evidence}")
    excess = abs(ratio - 1)
    if excess > trace.gain_error + 2 * step_mah / fallen_mah:
        return replace(trace, gain_error=excess, evidence=evidence)
    return replace(trace, evidence=evidence)
