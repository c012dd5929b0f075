"""A battery whose true draw is known, and the fuel gauge that a phone reads it with.

The battery is an open-circuit voltage behind a resistance. The gauge is built after the data sheets of the chips in phones
and errs as they do; nothing here knows how its readings will be evaluated, and no code is shared with the parsers. Time is
whatever the caller says it is, so that an hour can be simulated in a moment.

Sources, named below as [..]:

- [MAX17055] Maxim/Analog Devices 19-8726 and the MAX17047/MAX17050 family's data sheets: ``Current`` is converted every
  175.8 ms in steps of 1.5625 µV over the shunt, ``AvgCurrent`` is a first-order filter of 0.7 s to hours (5.6 s unless set
  otherwise), capacity counts in 5 µVh, voltage in 78.125 µV; with a 10 mΩ shunt that is 156.25 µA and 0.5 mAh.
- [BQ27441] Texas Instruments SLUSBH1 and SLUUAC9: registers in whole mA, mAh and mV, renewed every second.
- [DS2784] Maxim DS2784: ``Current`` every 3.515 s, the average over 28 s.
- [power_supply] Linux ``Documentation/ABI/testing/sysfs-class-power``: µA, µV, µAh; a positive current charges. Drivers of
  several vendors keep neither unit nor sign, and some poll their chip only every 10 s and show the old value until then.

What a chip's maker promises as a limit (gain, offset, drift) is drawn once per seed, evenly within it: one seed is one chip.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Literal

_OPEN_CIRCUIT = (
    (0.0, 3300.0), (0.05, 3560.0), (0.1, 3650.0), (0.2, 3720.0), (0.3, 3760.0), (0.4, 3790.0), (0.5, 3830.0),
    (0.6, 3890.0), (0.7, 3970.0), (0.8, 4070.0), (0.9, 4180.0), (1.0, 4330.0),
)  # fmt: skip
"""State of charge and resting voltage, mV, of a 4.35 V lithium-cobalt-oxide cell; rounded from published curves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeParameters:
    """A battery and its gauge. The defaults are a MAX17055 with a 10 mΩ shunt behind a driver that keeps to the rules."""

    capacity_mah: float = 3000.0
    level: float = 0.65
    """State of charge at time 0, from 0 to 1."""
    resistance_ohm: float = 0.1
    """Cell, protection circuit and connector together; phone cells are at 0.05 to 0.2."""
    update_s: float = 1.0
    """How often the registers, as a program sees them, change: 0.1758 [MAX17055], 1 [BQ27441], 3.515 [DS2784], 10 (drivers)."""
    window_s: float | None = None
    """The last part of each update period, whose mean current is converted; all of it unless given."""
    average_s: float = 0.0
    """Time constant of the filter behind the converter; 0 for none, 5.6 [MAX17055 AvgCurrent], 28 [DS2784]."""
    late_updates: int = 0
    """How many updates later than converted a current is shown: drivers that answer from a cache, then renew it."""
    current_step_ua: float = 156.25
    """Quantum of the current register; 1000 [BQ27441]."""
    counter_step_uah: float = 500.0
    """Quantum of the charge counter; 1000 [BQ27441]."""
    voltage_step_uv: float = 78.125
    """Quantum of the voltage register; 1000 [BQ27441]."""
    gain_error: float = 0.01
    """Limit of the current's relative error [MAX17055: ±1 % of reading], shunt included."""
    offset_ua: float = 150.0
    """Limit of the current's offset: 1.5 µV over 10 mΩ [MAX17055]."""
    drift_ua_per_h: float = 50.0
    """Limit of the offset's change with time, from warmth; a choice, as no data sheet gives it per hour."""
    noise_ua: float = 100.0
    """Standard deviation of one conversion; a choice: somewhat below a step."""
    voltage_error_mv: float = 7.5
    """Limit of the voltage's offset [MAX17055: ±7.5 mV at 25 °C]."""
    unit: Literal["ua", "ma"] = "ua"
    """Of the current as shown. µA [power_supply]; mA on many phones."""
    discharging_sign: Literal[-1, 1] = -1
    """Sign of the current as shown while the battery drains. Negative [power_supply]; positive on some."""

    def __post_init__(self) -> None:
        if not 0 <= self.level <= 1:
            raise ValueError(f"level is {self.level}, but must be from 0 to 1")
        if self.update_s <= 0 or not 0 < self.conversion_s <= self.update_s:
            raise ValueError(f"window_s {self.window_s} must be above 0 and at most update_s {self.update_s}")

    @property
    def conversion_s(self) -> float:
        """How long the converter looks, in each update period."""
        return self.update_s if self.window_s is None else self.window_s


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeReading:
    """The registers at one moment, as a driver shows them."""

    current: int
    """In the gauge's own unit and sign."""
    voltage_uv: int
    charge_counter_uah: int
    """What the gauge believes is left."""
    capacity_percent: int


class Gauge:
    """A battery and its gauge, moved through time by :meth:`advance`.

    Args:
        parameters: what is on the circuit board.
        seed: which specimen of it; also of the conversions' noise and of the moment of the first update.
    """

    def __init__(self, parameters: GaugeParameters, seed: int) -> None:
        random = Random(seed)  # noqa: S311 - a simulated chip's tolerances keep no secret
        self._parameters, self._random = parameters, random
        self._gain = 1 + random.uniform(-1, 1) * parameters.gain_error
        self._offset_ua = random.uniform(-1, 1) * parameters.offset_ua
        self._drift_ua_per_h = random.uniform(-1, 1) * parameters.drift_ua_per_h
        self._voltage_error_mv = random.uniform(-1, 1) * parameters.voltage_error_mv
        self._next_update_s = random.uniform(0, 1) * parameters.update_s
        self._now_s = 0.0
        self._left_mah = parameters.level * parameters.capacity_mah
        self._counted_mah = self._left_mah
        self._delivered_mj = 0.0
        self._window_ma_s = self._window_s = 0.0
        """Current times time, and time, within the conversion that is going on."""
        self._filtered_ua: float | None = None
        self._shown_ua: deque[float] = deque(maxlen=parameters.late_updates + 1)
        self._shown_voltage_mv = self._shown_left_mah = 0.0

    @property
    def now_s(self) -> float:
        """Where in time the gauge is."""
        return self._now_s

    @property
    def delivered_mj(self) -> float:
        """The truth: energy that left the battery's terminals since time 0, in mJ; charging takes from it."""
        return self._delivered_mj

    @property
    def level(self) -> float:
        """The truth: state of charge, from 0 to 1."""
        return self._left_mah / self._parameters.capacity_mah

    def set_level(self, level: float) -> None:
        """Exchange the battery for one at this state of charge, and tell the gauge."""
        self._left_mah = self._counted_mah = self._shown_left_mah = level * self._parameters.capacity_mah

    def show(self, *, unit: Literal["ua", "ma"] | None = None, discharging_sign: Literal[-1, 1] | None = None) -> None:
        """Exchange the driver for one that shows the current in another unit or sign."""
        self._parameters = replace(
            self._parameters,
            unit=unit or self._parameters.unit,
            discharging_sign=discharging_sign or self._parameters.discharging_sign,
        )

    def advance(self, to_s: float, draw_ma: float) -> None:
        """Let time pass while the phone draws ``draw_ma`` (negative: charges), evenly.

        Raises:
            ValueError: ``to_s`` lies before the present.
        """
        if to_s < self._now_s:
            raise ValueError(f"time runs forward: {to_s} lies before {self._now_s}")
        if self._filtered_ua is None:  # the phone was on before: its registers are not empty
            self._convert(draw_ma, draw_ma)
        while self._next_update_s <= to_s:
            self._pass(self._next_update_s, draw_ma)
            self._convert(self._window_ma_s / self._window_s if self._window_s else draw_ma, draw_ma)
            self._window_ma_s = self._window_s = 0.0
            self._next_update_s += self._parameters.update_s
        self._pass(to_s, draw_ma)

    def read(self) -> GaugeReading:
        """Read the registers, as they were at the last update.

        Raises:
            ValueError: :meth:`advance` was never called.
        """
        if not self._shown_ua:
            raise ValueError("a gauge has nothing to show before its first advance()")
        parameters = self._parameters
        shown_ua = _in_steps(self._shown_ua[0], parameters.current_step_ua) * parameters.discharging_sign
        return GaugeReading(
            current=round(shown_ua if parameters.unit == "ua" else shown_ua / 1000),
            voltage_uv=round(_in_steps(self._shown_voltage_mv * 1000, parameters.voltage_step_uv)),
            charge_counter_uah=round(_in_steps(self._shown_left_mah * 1000, parameters.counter_step_uah)),
            capacity_percent=max(0, min(100, round(100 * self._shown_left_mah / parameters.capacity_mah))),
        )

    def _pass(self, to_s: float, draw_ma: float) -> None:
        """Drain the battery, count, and convert the part of the time in which the converter looks."""
        elapsed_s = to_s - self._now_s
        hours = elapsed_s / 3600
        before_mv = self._terminal_mv(draw_ma)
        self._left_mah = max(0.0, min(self._parameters.capacity_mah, self._left_mah - draw_ma * hours))
        self._delivered_mj += (before_mv + self._terminal_mv(draw_ma)) / 2 * draw_ma / 1000 * elapsed_s
        self._counted_mah -= self._measured_ua(draw_ma) / 1000 * hours
        looks_from_s = self._next_update_s - self._parameters.conversion_s
        looked_s = max(0.0, to_s - max(self._now_s, looks_from_s))
        self._window_ma_s, self._window_s = self._window_ma_s + looked_s * draw_ma, self._window_s + looked_s
        self._now_s = to_s

    def _convert(self, mean_ma: float, draw_ma: float) -> None:
        """End a conversion: renew the registers."""
        measured_ua = self._measured_ua(mean_ma) + self._random.gauss(0, self._parameters.noise_ua)
        filtered_ua = self._filtered_ua if self._filtered_ua is not None else measured_ua
        if self._parameters.average_s > 0:
            measured_ua -= (measured_ua - filtered_ua) * math.exp(
                -self._parameters.update_s / self._parameters.average_s
            )
        self._filtered_ua = measured_ua
        self._shown_ua.append(measured_ua)
        self._shown_voltage_mv = self._terminal_mv(draw_ma) + self._voltage_error_mv
        self._shown_left_mah = self._counted_mah

    def _measured_ua(self, draw_ma: float) -> float:
        offset_ua = self._offset_ua + self._drift_ua_per_h * self._now_s / 3600
        return draw_ma * 1000 * self._gain + offset_ua

    def _terminal_mv(self, draw_ma: float) -> float:
        return open_circuit_mv(self.level) - draw_ma * self._parameters.resistance_ohm


def open_circuit_mv(level: float) -> float:
    """Return a resting cell's voltage in mV at a state of charge from 0 to 1, by linear interpolation."""
    for (low, low_mv), (high, high_mv) in pairwise(_OPEN_CIRCUIT):
        if level <= high:
            return low_mv + (max(level, 0.0) - low) / (high - low) * (high_mv - low_mv)
    return _OPEN_CIRCUIT[-1][1]


def _in_steps(value: float, step: float) -> float:
    return math.floor(value / step + 0.5) * step
