from __future__ import annotations

import pytest

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.power_dumps.battery_properties import KIND
from parsers.power_dumps.battery_report import BatteryReport
from parsers.power_samples import ChargeStatus

OLD = """ac: 0 usb: 0 wireless: 0 current_max: 0 voltage_max: 0
status: 3 health: 2 present: 1
level: 63 voltage: 4000 temp: 287
current now: -350000
current avg: -320000
charge counter: 2512000
current now: -351000
cycle count: 118
Full charge: 3900000
"""
NEW = """Cached HealthInfo:
  ac: 0 usb: 1 wireless: 0 dock: 0 current_max: 500000 voltage_max: 5000000
  status: 2 health: 2 present: 1
  level: 63 voltage: 4000 temp: 287
  current now: 351000
Real-time Values:
  current now: 350000
"""


def reports(text: str) -> list[BatteryReport]:
    return list(KIND.read(text.encode(), DumpSettings()).records)


def test_a_block_is_a_report_of_what_was_read_anew_and_what_was_kept() -> None:
    assert reports(OLD) == [
        BatteryReport(
            offset=0,
            boottime_ns=None,
            updates_stopped=False,
            status=ChargeStatus.DISCHARGING,
            plugged=(),
            health="good",
            present=True,
            level_percent=63.0,
            voltage_raw=4000,
            voltage_mv=4000.0,
            temperature_raw=287,
            temperature_c=28.7,
            current_raw=-350000,
            current_unit="µA",
            current_ma=350.0,
            current_average_raw=-320000,
            current_cached_raw=-351000,
            charge_counter_raw=2512000,
            charge_counter_mah=2512.0,
            full_charge_raw=3900000,
            cycle_count=118,
            technology=None,
            max_charging_current_ua=0,
            max_charging_voltage_uv=0,
            evidence=(
                "µA: -350000 at 4.00 V would be 1400 W in mA, more than 40 W; - is discharge",
                "charge counter in µAh: 2512000 mAh is more than a phone holds",
            ),
            extras=(),
        )
    ]


def test_the_newer_form_names_which_current_is_which() -> None:
    (report,) = reports(NEW)

    assert (report.current_raw, report.current_cached_raw) == (350_000, 351_000)
    assert (report.plugged, report.status, report.offset) == (("usb",), ChargeStatus.CHARGING, NEW.index("  ac:"))


def test_several_dumps_in_one_file_are_several_reports() -> None:
    assert [report.current_raw for report in reports(OLD + NEW + OLD)] == [-350_000, 350_000, -350_000]


def test_a_line_of_another_form_or_with_a_value_that_is_none_is_a_reject() -> None:
    dump = KIND.read((OLD + "vendor says hello\ncharge counter: many\n").encode(), DumpSettings())

    assert len(list(dump.records)) == 1
    assert list(dump.rejects) == [
        Reject(offset=len(OLD), reason="no entry of dumpsys batteryproperties", text=b"vendor says hello")
    ]


def test_names_that_makers_add_are_kept_as_they_stand() -> None:
    (report,) = reports(OLD + "charge counter: many\nsoh: 97 input_suspend: 0\n")

    assert report.extras == (("charge counter", "many"), ("soh", "97"), ("input_suspend", "0"))


@pytest.mark.parametrize("text", ["", "Can't find service: batteryproperties\n", "level: x voltage: y"])
def test_what_holds_no_block_is_refused(text: str) -> None:
    with pytest.raises(DumpError, match="no block of dumpsys batteryproperties"):
        reports(text)


def test_it_is_told_by_its_line_of_chargers() -> None:
    assert KIND.looks_like(OLD.encode(), "x")
    assert KIND.looks_like(NEW.encode(), "x")
    assert not KIND.looks_like(b"ac: 0\n", "x")


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    assert read_mutations(KIND, (OLD + NEW).encode()) > 200
