from __future__ import annotations

import numpy as np
import pytest

from parsers.errors import PowerSamplesError
from parsers.power_samples import ChargeStatus, Rail, read_battery_csv, read_battery_text, read_rails

HEADER = "boottime_ns,current_now,voltage_now,charge_counter,status\n"

DUMPSYS = """@ 1000
Current Battery Service state:
  AC powered: false
  USB powered: false
  Max charging voltage: 5000000
  Charge counter: 2512000
  status: 3
  level: 63
  voltage: 4012
  temperature: 287
current now: -350000
@ 2000
  status: 2
  voltage: 4020
current now:
"""

METER = """@ 5000000000

============= PowerStats HAL 2.0 energy consumers ==============
                       CPUCL0   111.00 mWs
============= PowerStats HAL 2.0 energy meter ==============
                         Channel   Cumulative Energy
      [S4M_VDD_CPUCL0]:CPU(LITTLE)       1234.56 mWs
                       [VDD_DDR]          78.00 mWs
========== End of PowerStats HAL 2.0 energy meter ==========
@ 6000000000
============= PowerStats HAL 2.0 energy meter ==============
      [S4M_VDD_CPUCL0]:CPU(LITTLE)       1334.56 mWs
"""


def test_rows_of_the_battery_s_nodes_keep_their_raw_values_and_gaps() -> None:
    data = HEADER + "10,-350000,4012000,2512000,Discharging\n20,,4011000,,Not charging\n30,-22,x,1,weird\n"

    samples = read_battery_csv(data.encode())

    np.testing.assert_array_equal(samples.boottime_ns, [10, 20, 30])
    np.testing.assert_array_equal(samples.current, [-350000, np.nan, -22])
    np.testing.assert_array_equal(samples.voltage, [4012000, 4011000, np.nan])
    np.testing.assert_array_equal(samples.charge, [2512000, np.nan, 1])
    assert samples.status == (ChargeStatus.DISCHARGING, ChargeStatus.NOT_CHARGING, ChargeStatus.UNKNOWN)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("", "begins with ''"),
        ("time,current\n1,2\n", "begins with 'time,current'"),
        (HEADER + "10,1,2,3,Discharging\n20,1,2\n", "line 3: '20,1,2' is cut"),
        (HEADER + "10,1,2,3,Full\n10,1,2,3,Full\n", "times do not rise"),
        (HEADER + "x,1,2,3,Full\n", "time is no whole number"),
        (HEADER + "9" * 30 + ",1,2,3,Full\n", "time is no whole number"),
        (HEADER + "9" * 5000 + ",1,2,3,Full\n", "time is no whole number"),
    ],
)
def test_a_table_that_is_not_the_runner_s_is_refused(data: str, complaint: str) -> None:
    with pytest.raises(PowerSamplesError, match=complaint):
        read_battery_csv(data.encode())


def test_dumpsys_battery_is_read_by_names_and_an_unanswered_current_is_a_gap() -> None:
    samples = read_battery_text(DUMPSYS.encode())

    np.testing.assert_array_equal(samples.boottime_ns, [1000, 2000])
    np.testing.assert_array_equal(samples.current, [-350000, np.nan])
    np.testing.assert_array_equal(samples.voltage, [4012, 4020])
    np.testing.assert_array_equal(samples.charge, [2512000, np.nan])
    assert samples.status == (ChargeStatus.DISCHARGING, ChargeStatus.CHARGING)


def test_a_battery_that_android_was_told_to_pretend_has_no_known_status() -> None:
    pretended = DUMPSYS.replace("state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n")

    assert read_battery_text(pretended.encode()).status == (ChargeStatus.UNKNOWN, ChargeStatus.CHARGING)


def test_rails_are_the_meter_s_alone_and_one_that_is_missing_has_a_gap() -> None:
    samples = read_rails(METER.encode())

    np.testing.assert_array_equal(samples.boottime_ns, [5_000_000_000, 6_000_000_000])
    assert [(rail.name, rail.subsystem) for rail in samples.rails] == [
        ("S4M_VDD_CPUCL0", "CPU(LITTLE)"),
        ("VDD_DDR", ""),
    ]
    energies = [rail.energy_mj for rail in samples.rails if isinstance(rail, Rail)]
    np.testing.assert_array_equal(energies, [[1234.56, 1334.56], [78.0, np.nan]])


def test_a_phone_without_a_meter_is_told_what_to_use() -> None:
    with pytest.raises(PowerSamplesError, match="--power battery"):
        read_rails(b"@ 1\nCan't find service: android.hardware.power.stats.IPowerStats/default\n")


@pytest.mark.parametrize("digits", [30, 5000])
def test_a_block_s_time_that_no_clock_shows_is_refused(digits: int) -> None:
    with pytest.raises(PowerSamplesError, match="time is no whole number"):
        read_rails(METER.replace("6000000000", "6" * digits).encode())
