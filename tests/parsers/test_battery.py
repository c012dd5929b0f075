from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parsers.battery import GAIN_ERROR, battery_trace
from parsers.errors import EnergyRefusedError
from parsers.power_samples import BatterySamples, ChargeStatus


def changed(samples: BatterySamples, where: slice, value: float) -> BatterySamples:
    current = samples.current.copy()
    current[where] = value
    return replace(samples, current=current)


@pytest.mark.parametrize("raw_per_ma", [1000.0, 1.0])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("voltage_unit", [1.0, 1e-3])
def test_the_same_power_comes_from_either_unit_and_either_sign(phone, raw_per_ma, sign, voltage_unit) -> None:
    samples = phone.recording(raw_per_ma=raw_per_ma, sign=sign)
    samples = replace(samples, voltage=samples.voltage * voltage_unit)

    trace = battery_trace(samples, phone.windows)

    expected_mw = np.abs(samples.current) / raw_per_ma * phone.voltage_v
    np.testing.assert_allclose(trace.power_mw, expected_mw)
    assert trace.quantum_mw == pytest.approx(phone.voltage_v / raw_per_ma, abs=0.1)
    assert trace.evidence.startswith("µA" if raw_per_ma == 1000 else "mA")
    assert (f"{'+' if sign > 0 else '-'} is discharge") in trace.evidence


def test_time_is_zero_where_the_loop_begins_and_readings_outside_the_windows_are_left_out(phone) -> None:
    windows = replace(phone.windows, idle_from_ns=phone.windows.idle_from_ns + 5_000_000_000)

    trace = battery_trace(phone.recording(), windows)

    assert trace.time_s[0] == pytest.approx(-15)
    assert trace.time_s[-1] == pytest.approx(59.9)


@pytest.mark.parametrize("update_s", [0.25, 1.0, 10.0])
def test_the_register_s_own_pace_is_seen_through_faster_sampling(phone, update_s: float) -> None:
    trace = battery_trace(replace(phone, update_s=update_s).recording(), phone.windows)

    assert trace.update_period_s == pytest.approx(update_s, rel=0.1)


@pytest.mark.parametrize("status", [ChargeStatus.CHARGING, ChargeStatus.FULL, ChargeStatus.NOT_CHARGING, "Unknown"])
def test_charging_for_a_single_reading_refuses_the_energy(phone, status: str) -> None:
    samples = phone.recording()
    states = list(samples.status)
    states[300] = ChargeStatus(status)

    with pytest.raises(EnergyRefusedError, match=f"the battery was '{ChargeStatus(status)}'.* 30.0 s into"):
        battery_trace(replace(samples, status=tuple(states)), phone.windows)


def test_charging_outside_the_windows_does_not_matter(phone) -> None:
    samples = phone.recording()
    windows = replace(phone.windows, idle_from_ns=phone.windows.idle_from_ns + 1_000_000_000)

    trace = battery_trace(replace(samples, status=(ChargeStatus.CHARGING, *samples.status[1:])), windows)

    assert len(trace.power_mw) == len(samples.current) - 10


@pytest.mark.parametrize("raw_per_ma", [1000.0, 1.0])
@pytest.mark.parametrize("error", [-22.0, -61.0, 0.0, np.nan])
def test_error_numbers_in_a_reading_s_place_are_dropped(phone, raw_per_ma: float, error: float) -> None:
    samples = phone.recording(raw_per_ma=raw_per_ma)

    trace = battery_trace(changed(samples, slice(0, None, 20), error), phone.windows)

    assert len(trace.power_mw) == 0.95 * len(samples.current)
    assert trace.power_mw.min() > 700


@pytest.mark.parametrize(
    ("where", "value", "reason"),
    [
        (slice(0, None, 3), np.nan, "33% of the current's readings are errors"),
        (slice(None), np.nan, "only 0 readings"),
        (slice(None), -564.0, "hardly ever changes"),
        (slice(None), 0.0, "neither as µA nor as mA"),
        (slice(400, None), 350_000.0, "sign changes"),
        (slice(400, None), -9_000.0, "neither as µA nor as mA"),
    ],
)
def test_a_current_that_cannot_be_told_is_refused_with_what_was_seen(phone, where, value, reason) -> None:
    with pytest.raises(EnergyRefusedError, match=reason):
        battery_trace(changed(phone.recording(), where, value), phone.windows)


def test_a_unit_that_changes_in_the_middle_is_refused(phone) -> None:
    micro, milli = phone.recording(), phone.recording(raw_per_ma=1.0)
    half = len(micro.current) // 2
    mixed = replace(micro, current=np.concatenate([micro.current[:half], milli.current[half:]]))

    with pytest.raises(EnergyRefusedError, match="neither as µA nor as mA"):
        battery_trace(mixed, phone.windows)


def test_a_voltage_that_is_no_battery_s_is_refused(phone) -> None:
    samples = phone.recording()

    with pytest.raises(EnergyRefusedError, match="voltage_now is 42"):
        battery_trace(replace(samples, voltage=np.full(len(samples.voltage), 42.0)), phone.windows)


def test_a_rising_charge_counter_refuses_what_the_status_calls_discharging(phone) -> None:
    samples = phone.recording()

    with pytest.raises(EnergyRefusedError, match="the charge counter rose"):
        battery_trace(replace(samples, charge=samples.charge[::-1]), phone.windows)


def test_a_charge_counter_that_fell_four_times_as_far_refuses_the_current_s_unit(phone) -> None:
    samples = phone.recording()
    charge = samples.charge[0] - 4 * (samples.charge[0] - samples.charge)

    with pytest.raises(EnergyRefusedError, match=r"unit cannot be told.*charge counter"):
        battery_trace(replace(samples, charge=charge), phone.windows)


def test_a_charge_counter_that_disagrees_by_a_third_widens_the_gain_s_error_and_one_that_agrees_does_not(phone) -> None:
    samples = phone.recording()
    fallen = samples.charge[0] - samples.charge

    agreed = battery_trace(samples, phone.windows)
    disagreed = battery_trace(replace(samples, charge=samples.charge[0] - 1.5 * fallen), phone.windows)

    assert agreed.gain_error == GAIN_ERROR
    assert disagreed.gain_error == pytest.approx(1 / 3, abs=0.05)
    assert "by the charge counter" in disagreed.evidence
