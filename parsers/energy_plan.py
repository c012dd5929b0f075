"""How long to loop a layer, and to leave the phone alone around it, for an energy with a wanted error bar.

The bar of :mod:`parsers.energy` is known only when the loop is over: it is made of the recording's own spread, correlation and
settling. What is planned here is the bar that nine recordings of ten keep, for a sensor and a phone that are as they are said to
be; the tests hold the plan to it by simulated recordings.

Notation, beside that of :mod:`parsers.energy`::

    s, q, g      standard deviation of one update, the register's step, relative error of the gain
    n, m         updates of the loop, and of each idle window, behind the settling time
    f            how many neighbouring updates tell as much as one
    z            1.8: in 93 recordings of a hundred the two idle windows differ by less than z standard deviations
    r            sqrt(f / n), by which f s^2 itself is uncertain, being estimated from the recording

    u^2 = f s^2 (1 + r) (1 / n + (1 + z^2) / 2m) + q^2 / 6
    bar = sqrt((t(n / f) u)^2 + (g P)^2) / P
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from parsers.battery import GAIN_ERROR
from parsers.energy import student_t95

LEAST_LOOP_S, LONGEST_LOOP_S = 20.0, 900.0
"""A phone's unrest has a slow part, of which a shorter loop would see nothing; a longer one drains what it measures."""
LEAST_UPDATES, LEAST_IDLE_UPDATES = 16, 8
UNKNOWN_SETTLING_S = 30.0
"""What is allowed for a sensor that was not seen settling yet: the slowest filter that gauges are delivered with."""
ASSUMED_CORRELATION = 2.0
"""How many times more updates it takes because neighbouring ones tell in part the same (f)."""
IDLE_UNREST = 0.03
"""Standard deviation of an idle phone's power over that power, at least: what a phone in flight mode was assumed to show."""

_IDLE_APART = 1.8
_SETTLING_SPARE = 1.2
"""The longest settling that a recording does not contradict is longer than the true one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """What a power sensor can do, as far as it is known."""

    update_period_s: float
    """How often its register changes."""
    noise_mw: float
    """Standard deviation of one update while nothing changes; the phone's own unrest is part of it."""
    quantum_mw: float = 0.0
    settling_s: float | None = None
    """Until it shows 99 % of a step; ``None`` where no step was seen yet."""
    gain_error: float = GAIN_ERROR
    """Relative error common to all readings, at 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPlan:
    """How long to loop, and what bar to expect."""

    loop_s: float
    idle_s: float
    """Length of each of the two idle windows."""
    relative_error: float
    """Half-width at 95 % over the energy, which nine recordings of ten keep."""
    reached: bool
    """Whether that is what was wanted; where not, the longest loop is planned, or no loop beats the sensor's gain."""


def plan_loop(
    sensor: Sensor, *, net_power_mw: float, wanted_relative_error: float, idle_power_mw: float = 0.0
) -> LoopPlan:
    """Say how long to loop for a wanted error.

    Args:
        sensor: what is known of the sensor.
        net_power_mw: what the layer is expected to add to idle; a guess that is too high gives a bar too wide.
        wanted_relative_error: half-width of the energy's 95 % interval over the energy.
        idle_power_mw: what the phone draws awake and idle; its unrest is taken into account where the sensor's noise is
            less, as after a short look at it.

    Raises:
        ValueError: a figure is negative, zero where that makes no sense, or no number.
    """
    _refuse_nonsense(sensor, net_power_mw, wanted_relative_error)
    noise_mw = max(sensor.noise_mw, IDLE_UNREST * idle_power_mw)
    period_s = sensor.update_period_s
    settling_s = max(UNKNOWN_SETTLING_S if sensor.settling_s is None else sensor.settling_s, 2 * period_s)
    spare_s = settling_s * (1.0 if sensor.settling_s is None else _SETTLING_SPARE) + 2 * period_s
    most = max(int((LONGEST_LOOP_S - spare_s) / period_s), LEAST_UPDATES)
    updates = max(LEAST_UPDATES, math.ceil((LEAST_LOOP_S - spare_s) / period_s))
    while updates < most and _bar(sensor, noise_mw, updates, net_power_mw) > wanted_relative_error:
        updates = min(updates + max(updates // 8, 1), most)
    bar = _bar(sensor, noise_mw, updates, net_power_mw)
    return LoopPlan(
        loop_s=max(spare_s + updates * period_s, 2 * settling_s),
        idle_s=max(spare_s + _idle_updates(updates) * period_s, 1.5 * settling_s, LEAST_LOOP_S / 2),
        relative_error=bar,
        reached=bar <= wanted_relative_error,
    )


def _refuse_nonsense(sensor: Sensor, net_power_mw: float, wanted_relative_error: float) -> None:
    positive = (sensor.update_period_s, net_power_mw, wanted_relative_error)
    others = (sensor.noise_mw, sensor.quantum_mw, sensor.gain_error, sensor.settling_s or 0.0)
    if not all(0 < figure < math.inf for figure in positive) or not all(0 <= figure < math.inf for figure in others):
        raise ValueError(
            f"{sensor} cannot be, or net_power_mw={net_power_mw} or wanted_relative_error={wanted_relative_error}:"
            " all must be numbers, none of them negative, and these two and the update's period above 0."
        )


def _idle_updates(updates: int) -> int:
    return max(math.ceil(updates / 2), LEAST_IDLE_UPDATES)


def _bar(sensor: Sensor, noise_mw: float, updates: int, net_power_mw: float) -> float:
    """The bar over the energy that nine recordings of ten keep."""
    correlation = ASSUMED_CORRELATION
    estimated = 1 + math.sqrt(correlation / updates)
    parts = 1 / updates + (1 + _IDLE_APART**2) / (2 * _idle_updates(updates))
    u_mw = math.sqrt(correlation * noise_mw**2 * estimated * parts + sensor.quantum_mw**2 / 6)
    return math.hypot(student_t95(updates / correlation) * u_mw / net_power_mw, sensor.gain_error)
