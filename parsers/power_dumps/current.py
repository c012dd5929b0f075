"""What a dump's own readings of a battery mean: the current's unit and sign, by the rule of ``parsers.battery``, and the rest.

A recording of ten readings and more of a discharging battery is held against what an awake phone draws at least and at
most, as any recording. Of fewer readings the least tells nothing: a single small value may be a lull, a register that averages
over a sleep, or an error number. So there only the most speaks: a value that in milliamperes would be more than a phone can
draw, or its charger can give, is in microamperes. All readings of one dump share one register, so one unit and one sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parsers.battery import (
    LARGEST_ERRNO,
    LEAST_POWER_MW,
    LEAST_SAMPLES,
    MOST_MILLI_AH,
    MOST_POWER_MW,
    UNITS_MA,
    USUAL_ERRNOS,
    VOLTAGE_V,
    are_readings,
    pace_of,
    scale_and_sign,
    voltage_scale,
)
from parsers.errors import EnergyRefusedError
from parsers.power_samples import FloatArray

MOST_CHARGE_MW = 300_000.0
"""More than any phone's charger gives; the fastest are sold with 240 W."""

_FULL_MAH = (500.0, 30_000.0)
"""What the batteries of phones and tablets hold."""
_TEMPERATURE_C = (-40.0, 100.0)
_UNITS = dict(UNITS_MA)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentReadings:
    """All readings of the current in one dump; arrays have shape (n,)."""

    raw: FloatArray
    """NaN where there is none."""
    voltage_v: FloatArray
    """NaN where there is none, or none that a battery has."""
    discharging: NDArray[np.bool_]
    """The dump says that the battery discharged, and nobody made Android believe it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRule:
    """What turns a dump's register into mA drawn from the battery."""

    unit: str | None
    sign: int | None
    """Of a reading while the battery discharges."""
    evidence: str
    """How unit and sign were told, with the figures, or why they were not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """One reading, as far as it can be told."""

    unit: str | None
    current_ma: float | None
    """Drawn from the battery; negative where it is charged."""
    evidence: str


def current_rule(readings: CurrentReadings) -> CurrentRule:
    """Tell the unit and the sign of a dump's register."""
    known = np.isfinite(readings.raw)
    good = known & readings.discharging & np.isfinite(readings.voltage_v)
    good &= are_readings(readings.raw, good)
    if good.sum() >= LEAST_SAMPLES:
        return _rule_of_recording(readings.raw[good], readings.voltage_v[good])
    return _rule_of_few(readings, known & (readings.raw != 0))


def _rule_of_recording(raw: FloatArray, voltage_v: FloatArray) -> CurrentRule:
    try:
        pace_of(np.arange(len(raw), dtype=np.float64), raw)
        scale, evidence = scale_and_sign(raw, voltage_v)
    except EnergyRefusedError as error:
        return CurrentRule(unit=None, sign=None, evidence=f"refused: {error}")
    unit = next(unit for unit, factor in UNITS_MA if factor == abs(scale))
    return CurrentRule(unit=unit, sign=1 if scale > 0 else -1, evidence=f"{evidence}, {len(raw)} readings")


def _rule_of_few(readings: CurrentReadings, known: NDArray[np.bool_]) -> CurrentRule:
    if not known.any():
        return CurrentRule(unit=None, sign=None, evidence="refused: no reading of the current other than 0")
    raw = readings.raw[known]
    voltage_v = np.where(np.isfinite(readings.voltage_v), readings.voltage_v, VOLTAGE_V[0])[known]
    most_mw = np.where(readings.discharging[known], MOST_POWER_MW, MOST_CHARGE_MW)
    fits = [unit for unit, scale in UNITS_MA if np.all(np.abs(raw) * scale * voltage_v <= most_mw)]
    telling = int(np.argmax(np.abs(raw) * voltage_v / most_mw))
    figures = f"{raw[telling]:g} at {voltage_v[telling]:.2f} V"
    power_w = f"{abs(raw[telling]) * voltage_v[telling] / 1000:.4g} W"
    bound_w = f"{most_mw[telling] / 1000:g} W"
    if not fits:
        return CurrentRule(unit=None, sign=None, evidence=f"refused: {figures} is no phone's current in µA or mA")
    if len(fits) > 1:
        return CurrentRule(unit=None, sign=None, evidence=_ambiguous(raw[telling], figures, power_w, bound_w))
    sign, sign_evidence = _sign_of_few(readings, known)
    return CurrentRule(
        unit=fits[0],
        sign=sign,
        evidence=f"{fits[0]}: {figures} would be {power_w} in mA, more than {bound_w}; {sign_evidence}",
    )


def _ambiguous(raw: float, figures: str, power_w: str, bound_w: str) -> str:
    errno = f", or error number {-raw:.0f}" if -LARGEST_ERRNO <= raw < 0 else ""
    return (
        f"refused: {figures} may be {raw / 1000:g} mA (µA) or {raw:g} mA (mA: {power_w}, within {bound_w}){errno};"
        f" it takes {LEAST_SAMPLES} readings while discharging to tell"
    )


def _sign_of_few(readings: CurrentReadings, known: NDArray[np.bool_]) -> tuple[int | None, str]:
    """Take the sign of what an awake phone draws in µA, the only unit that few readings tell."""
    drawn = known & readings.discharging
    voltage_v = np.where(np.isfinite(readings.voltage_v), readings.voltage_v, VOLTAGE_V[1])
    drawn &= np.abs(readings.raw) * _UNITS["µA"] * voltage_v >= LEAST_POWER_MW
    signs = np.unique(np.sign(readings.raw[drawn]))
    if not signs.size:
        return None, f"the sign cannot be told without a reading of {LEAST_POWER_MW:g} mW and more while discharging"
    if len(signs) > 1:
        return None, "the sign changes while the battery discharges, so that it cannot be told"
    return int(signs[0]), f"{'+' if signs[0] > 0 else '-'} is discharge"


def current_of(raw: int | None, voltage_v: float | None, rule: CurrentRule) -> Current:
    """Read one value by its dump's rule.

    What could be an error number, or stands where a driver has no value (0), is no reading.
    """
    if raw is None or rule.unit is None:
        return Current(unit=None, current_ma=None, evidence="" if raw is None else rule.evidence)
    magnitude_mw = abs(raw) * _UNITS[rule.unit] * (voltage_v if voltage_v is not None else VOLTAGE_V[1])
    if raw == 0 or raw in USUAL_ERRNOS or (-LARGEST_ERRNO <= raw < 0 and magnitude_mw < LEAST_POWER_MW):
        reason = "0 is what drivers show without a value" if raw == 0 else f"{raw} may be error number {-raw}"
        return Current(unit=None, current_ma=None, evidence=f"refused: {reason}; {rule.evidence}")
    drawn_ma = None if rule.sign is None else raw * _UNITS[rule.unit] * rule.sign
    return Current(unit=rule.unit, current_ma=drawn_ma, evidence=rule.evidence)


def charge_of(raw: int | None, level_percent: float | None) -> tuple[float | None, str]:
    """Give a charge counter in mAh and how its unit was told; ``None`` where it can be µAh as well as mAh.

    A counter that is too large for mAh is in µAh; a smaller one is told by what a full battery would hold at that level.
    """
    if raw is None:
        return None, ""
    if raw > MOST_MILLI_AH:
        return raw / 1000, f"charge counter in µAh: {raw} mAh is more than a phone holds"
    if raw > 0 and level_percent:
        full_mah = {unit: raw * scale / level_percent * 100 for unit, scale in (("µAh", 1e-3), ("mAh", 1.0))}
        fits = [unit for unit, full in full_mah.items() if _FULL_MAH[0] <= full <= _FULL_MAH[1]]
        if len(fits) == 1:
            scale = 1e-3 if fits[0] == "µAh" else 1.0
            figures = f"{raw} at {level_percent:g} % is a battery of {full_mah[fits[0]]:.0f} mAh"
            return raw * scale, f"charge counter in {fits[0]}: {figures}"
    return None, f"refused: charge counter {raw} may be in µAh, in mAh, or no value"


def temperature_of(raw: int | None) -> tuple[float | None, str]:
    """Read tenths of a degree, which Android and Linux document, as °C; no phone is known to show another unit there."""
    if raw is None:
        return None, ""
    if not _TEMPERATURE_C[0] <= raw / 10 <= _TEMPERATURE_C[1]:
        return None, f"refused: temperature {raw} is no battery's in tenths of a degree Celsius"
    return raw / 10, ""


def voltage_v_of(raw: int | None) -> float | None:
    """Give a voltage in V from µV or mV; ``None`` where it is none that a battery has."""
    scale = None if raw is None else voltage_scale(raw)
    return None if raw is None or scale is None else raw * scale


def floats(values: Sequence[float | None]) -> FloatArray:
    """Put values into an array, NaN where there is none."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
