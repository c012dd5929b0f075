from __future__ import annotations

from dataclasses import replace

import pytest

from profiler.virtual_phone.gauge import Gauge, GaugeParameters, GaugeReading, open_circuit_mv

PERFECT = GaugeParameters(
    gain_error=0.0, offset_ua=0.0, drift_ua_per_h=0.0, noise_ua=0.0, voltage_error_mv=0.0, current_step_ua=1.0,
    counter_step_uah=1.0, voltage_step_uv=1.0,
)  # fmt: skip


def test_a_perfect_gauge_shows_what_leaves_the_battery():
    gauge = Gauge(PERFECT, seed=1)

    gauge.advance(3600.0, 300.0)

    # 1950 mAh at the start, 300 of them gone: 55 % full, between 3830 mV at 50 % and 3890 mV at 60 %, less 0.1 ohm x 0.3 A.
    reading = gauge.read()
    assert (reading.current, reading.capacity_percent) == (-300_000, 55)
    assert reading.charge_counter_uah == pytest.approx(1_650_000, abs=100)  # the last update was up to 1 s ago
    assert reading.voltage_uv == pytest.approx(3_830_000, abs=10)


def test_the_true_energy_is_terminal_voltage_times_current_times_time():
    gauge = Gauge(PERFECT, seed=1)

    gauge.advance(1.0, 1000.0)

    # At 65 % the cell rests at 3930 mV, 100 mV are lost in 0.1 ohm: 3.83 V x 1 A x 1 s.
    assert gauge.delivered_mj == pytest.approx(3830.0, abs=0.1)


def test_between_two_updates_nothing_changes():
    gauge = Gauge(replace(PERFECT, update_s=10.0), seed=3)
    gauge.advance(25.0, 200.0)
    before = gauge.read()

    changes = []
    for step in range(1, 201):
        gauge.advance(25.0 + step / 10, 900.0)
        if gauge.read() != before:
            before = gauge.read()
            changes.append(step / 10)

    assert len(changes) == 2
    assert changes[1] - changes[0] == pytest.approx(10.0, abs=0.11)


def test_a_register_of_a_whole_period_shows_the_mean_and_one_of_a_short_window_the_last_moment():
    whole, short = Gauge(replace(PERFECT, update_s=10.0), 3), Gauge(replace(PERFECT, update_s=10.0, window_s=0.5), 3)
    for gauge in (whole, short):
        gauge.advance(0.001, 100.0)
        update_s = gauge._next_update_s + 10.0
        gauge.advance(update_s - 5.0, 100.0)
        gauge.advance(update_s, 500.0)

    assert [whole.read().current, short.read().current] == [-300_000, -500_000]


def test_a_filter_has_covered_63_percent_of_a_step_after_its_time_constant():
    gauge = Gauge(replace(PERFECT, update_s=0.25, average_s=5.0), seed=1)
    gauge.advance(1.0, 0.0)

    gauge.advance(6.0, 1000.0)

    assert gauge.read().current == pytest.approx(-632_000, abs=25_000)


def test_a_late_driver_shows_the_value_of_an_earlier_update():
    gauge = Gauge(replace(PERFECT, late_updates=2), seed=1)
    for second in range(1, 9):
        gauge.advance(float(second), 100.0 * second)

    assert gauge.read().current == pytest.approx(-600_000, abs=101_000)
    assert gauge.read().current > -700_000


@pytest.mark.parametrize(
    ("unit", "sign", "shown"), [("ua", -1, -250_000), ("ua", 1, 250_000), ("ma", -1, -250), ("ma", 1, 250)]
)
def test_unit_and_sign_are_the_drivers_own(unit, sign, shown):
    gauge = Gauge(replace(PERFECT, unit=unit, discharging_sign=sign), seed=1)

    gauge.advance(5.0, 250.0)

    assert gauge.read().current == shown


def test_charging_has_the_other_sign_and_fills_the_battery():
    gauge = Gauge(PERFECT, seed=1)

    gauge.advance(3600.0, -300.0)

    assert gauge.read().current == 300_000
    assert gauge.level == pytest.approx(0.75)
    assert gauge.delivered_mj < 0


def test_another_driver_may_be_put_in_at_any_time():
    gauge = Gauge(PERFECT, seed=1)
    gauge.advance(5.0, 250.0)

    gauge.show(unit="ma", discharging_sign=1)

    assert gauge.read().current == 250


def test_registers_are_whole_steps():
    gauge = Gauge(GaugeParameters(current_step_ua=1000.0, counter_step_uah=1000.0, voltage_step_uv=1000.0), seed=5)
    gauge.advance(100.0, 333.3)

    reading = gauge.read()

    assert reading.current % 1000 == reading.charge_counter_uah % 1000 == reading.voltage_uv % 1000 == 0


def test_a_seed_is_one_specimen_within_the_data_sheets_limits():
    def reading(seed: int) -> GaugeReading:
        gauge = Gauge(GaugeParameters(), seed)
        gauge.advance(60.0, 500.0)
        return gauge.read()

    readings = [reading(seed) for seed in range(200)]

    assert reading(7) == readings[7]
    # 1 % of 500 mA, 150 uA of offset, and five standard deviations of noise: 5.65 mA.
    assert all(abs(one.current + 500_000) <= 5_700 for one in readings)
    assert max(one.current for one in readings) - min(one.current for one in readings) > 8_000


def test_the_offset_drifts_with_time_and_the_counter_counts_the_error_too():
    drifting = replace(PERFECT, drift_ua_per_h=1000.0)
    gauge = Gauge(drifting, seed=2)

    gauge.advance(1.0, 100.0)
    early = gauge.read()
    gauge.advance(7200.0, 100.0)

    assert 0 < abs(gauge.read().current - early.current) <= 2000
    true_uah = gauge.level * drifting.capacity_mah * 1000
    assert 0 < abs(gauge.read().charge_counter_uah - true_uah) <= 2000


def test_a_battery_can_be_exchanged():
    gauge = Gauge(PERFECT, seed=1)
    gauge.advance(5.0, 100.0)

    gauge.set_level(0.15)

    assert gauge.read().capacity_percent == 15


@pytest.mark.parametrize(
    ("level", "millivolts"), [(-1.0, 3300.0), (0.0, 3300.0), (0.65, 3930.0), (1.0, 4330.0), (2.0, 4330.0)]
)
def test_the_resting_voltage_is_interpolated(level, millivolts):
    assert open_circuit_mv(level) == pytest.approx(millivolts)


def test_time_does_not_run_backwards():
    gauge = Gauge(PERFECT, seed=1)
    gauge.advance(5.0, 100.0)

    with pytest.raises(ValueError, match="time runs forward"):
        gauge.advance(4.0, 100.0)


def test_a_gauge_that_never_ran_has_nothing_to_show():
    with pytest.raises(ValueError, match="first advance"):
        Gauge(PERFECT, seed=1).read()


@pytest.mark.parametrize("wrong", [{"level": 1.5}, {"update_s": 0.0}, {"window_s": 2.0}])
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        GaugeParameters(**wrong)
