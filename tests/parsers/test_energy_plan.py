from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from parsers.battery import PowerTrace, Windows
from parsers.energy import estimate_energy
from parsers.energy_plan import LEAST_LOOP_S, LONGEST_LOOP_S, LoopPlan, Sensor, plan_loop
from parsers.errors import EnergyRefusedError

SENSOR = Sensor(update_period_s=1.0, noise_mw=40.0, quantum_mw=4.0, settling_s=4.0)
IDLE_MW = 800.0


def relative_bar(sensor: Sensor, plan: LoopPlan, net_mw: float, seed: int, correlation: float) -> float:
    """Record one loop in simulated time, with a register that lags, steps and has correlated noise, and evaluate it."""
    random = np.random.default_rng(seed)
    period_s = sensor.update_period_s
    time_s = np.arange(-plan.idle_s, plan.loop_s + plan.idle_s, period_s / 2)
    update = np.floor((time_s + plan.idle_s) / period_s + 1e-9).astype(int)
    shown_s = update * period_s - plan.idle_s
    shocks = random.normal(0, sensor.noise_mw, update.max() + 1)
    noise = shocks.copy()
    for index in range(1, len(noise)):
        noise[index] = correlation * noise[index - 1] + math.sqrt(1 - correlation**2) * shocks[index]
    constant_s = sensor.settling_s / math.log(100)
    rise, fall = (-np.expm1(-np.maximum(shown_s - edge_s, 0) / constant_s) for edge_s in (0.0, plan.loop_s))
    power_mw = IDLE_MW + net_mw * (rise - fall) + noise[update]
    trace = PowerTrace(
        source="battery",
        time_s=time_s,
        power_mw=np.round(power_mw / sensor.quantum_mw) * sensor.quantum_mw,
        update_period_s=period_s,
        quantum_mw=sensor.quantum_mw,
        gain_error=sensor.gain_error,
        evidence="",
    )
    borders_s = (0.0, plan.idle_s, plan.idle_s + plan.loop_s, 2 * plan.idle_s + plan.loop_s)
    idle_from, loop_from, loop_to, idle_to = (round(border_s * 1e9) for border_s in borders_s)
    windows = Windows(
        idle_from_ns=idle_from, loop_from_ns=loop_from, loop_to_ns=loop_to, idle_to_ns=idle_to, iterations=9
    )
    try:
        energy = estimate_energy(trace, windows)
    except EnergyRefusedError:
        return math.inf
    return energy.energy_error_mj / energy.energy_mj


@pytest.mark.parametrize(
    ("period_s", "net_mw", "wanted", "correlation"),
    [
        (0.25, 100.0, 0.1, 0.33),
        (0.25, 400.0, 0.05, 0.33),
        (1.0, 400.0, 0.1, 0.0),
        (1.0, 300.0, 0.1, 0.33),
        (10.0, 900.0, 0.1, 0.33),
    ],
)
def test_a_planned_loop_reaches_the_wanted_bar_in_ninety_of_a_hundred_recordings(
    period_s, net_mw, wanted, correlation
) -> None:
    sensor = replace(SENSOR, update_period_s=period_s, settling_s=max(4.0, 1.2 * period_s))
    plan = plan_loop(sensor, net_power_mw=net_mw, wanted_relative_error=wanted)

    bars = [relative_bar(sensor, plan, net_mw, seed, correlation) for seed in range(100)]

    assert plan.reached
    assert sum(bar <= wanted for bar in bars) >= 90


def test_a_loop_of_a_third_misses_the_bar_so_the_plan_is_not_wasteful() -> None:
    plan = plan_loop(SENSOR, net_power_mw=200.0, wanted_relative_error=0.1)
    third = replace(plan, loop_s=plan.loop_s / 3, idle_s=plan.idle_s / 3)

    bars = [relative_bar(SENSOR, third, 200.0, seed, 0.33) for seed in range(40)]

    assert sum(bar <= 0.1 for bar in bars) <= 20


def test_the_bar_of_a_plan_is_the_one_worked_by_hand() -> None:
    sensor = Sensor(update_period_s=1.0, noise_mw=30.0, quantum_mw=6.0, settling_s=2.0, gain_error=0.03)

    plan = plan_loop(sensor, net_power_mw=1000.0, wanted_relative_error=0.5)

    # Settling 2 s and spare 1.2 * 2 + 2 = 4.4 s: 16 updates fill 20.4 s, 8 each idle window of 12.4 s. With f = 2:
    # u^2 = 2 * 900 * (1 + sqrt(2 / 16)) * (1 / 16 + (1 + 3.24) / 16) + 36 / 6 = 803.9, u = 28.35 mW; t(8) = 2.306.
    assert (plan.loop_s, plan.idle_s) == (pytest.approx(20.4), pytest.approx(12.4))
    assert plan.relative_error == pytest.approx(math.hypot(2.306 * 28.35 / 1000, 0.03), rel=2e-3)
    assert plan.reached


def test_what_makes_the_bar_wider_makes_the_loop_longer() -> None:
    def loop_s(sensor: Sensor, **more: float) -> float:
        return plan_loop(sensor, **{"net_power_mw": 400.0, "wanted_relative_error": 0.1, **more}).loop_s

    usual = loop_s(SENSOR)

    assert loop_s(SENSOR, net_power_mw=100.0) > usual
    assert loop_s(SENSOR, wanted_relative_error=0.05) > usual
    assert loop_s(SENSOR, idle_power_mw=3000.0) > usual == loop_s(SENSOR, idle_power_mw=800.0)
    assert loop_s(replace(SENSOR, noise_mw=80.0)) > usual
    assert loop_s(replace(SENSOR, quantum_mw=60.0)) > usual
    assert loop_s(replace(SENSOR, settling_s=None)) > usual
    assert loop_s(replace(SENSOR, update_period_s=4.0)) > usual


@pytest.mark.parametrize(("period_s", "net_mw"), list(itertools.product((0.1, 1.0, 10.0), (20.0, 300.0, 5000.0))))
def test_a_loop_keeps_its_bounds_and_says_where_it_does_not_reach_what_was_wanted(
    period_s: float, net_mw: float
) -> None:
    plan = plan_loop(replace(SENSOR, update_period_s=period_s), net_power_mw=net_mw, wanted_relative_error=0.08)

    assert LEAST_LOOP_S <= plan.loop_s <= LONGEST_LOOP_S
    assert plan.reached == (plan.relative_error <= 0.08)
    assert plan.reached or plan.loop_s > 0.95 * LONGEST_LOOP_S


def test_no_loop_beats_the_sensor_s_gain() -> None:
    plan = plan_loop(SENSOR, net_power_mw=5000.0, wanted_relative_error=0.01)

    assert not plan.reached
    assert plan.relative_error > SENSOR.gain_error


@pytest.mark.parametrize(
    ("sensor", "net_mw", "wanted"),
    [
        (SENSOR, 0.0, 0.1),
        (SENSOR, 100.0, 0.0),
        (SENSOR, math.nan, 0.1),
        (SENSOR, math.inf, 0.1),
        (replace(SENSOR, update_period_s=0.0), 100.0, 0.1),
        (replace(SENSOR, noise_mw=-1.0), 100.0, 0.1),
        (replace(SENSOR, noise_mw=math.nan), 100.0, 0.1),
        (replace(SENSOR, quantum_mw=math.nan), 100.0, 0.1),
        (replace(SENSOR, settling_s=math.inf), 100.0, 0.1),
        (replace(SENSOR, gain_error=-0.1), 100.0, 0.1),
    ],
)
def test_figures_that_are_none_are_refused_with_their_values(sensor: Sensor, net_mw: float, wanted: float) -> None:
    with pytest.raises(
        ValueError,
        match=r"update_period_s=.* cannot be, or net_power_mw=.* or wanted_relative_error=.*: all must be numbers",
    ):
        plan_loop(sensor, net_power_mw=net_mw, wanted_relative_error=wanted)
