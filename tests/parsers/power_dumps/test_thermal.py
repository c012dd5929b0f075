from __future__ import annotations

import pytest

from parsers.dump import Dump, DumpSettings
from parsers.errors import DumpError
from parsers.power_dumps.thermal import KIND, CoolingDevice, Temperature, ThermalReport, Threshold

DUMP = """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 2
\tkilled: false
\tbroadcasts count: -1
ThermalStatusListeners:
\tcallbacks: 1
\tkilled: false
\tbroadcasts count: -1
Thermal Status: 1
Cached temperatures:
\tTemperature{mValue=29.0, mType=3, mName=skin, mStatus=0}
\tTemperature{mValue=28.0, mType=2, mName=battery, mStatus=0}
HAL Ready: true
HAL connection:
\tThermalHAL AIDL 2 connected: yes
Current temperatures from HAL:
\tTemperature{mValue=41.5, mType=3, mName=skin, mStatus=1}
\tTemperature{mValue=NaN, mType=0, mName=CPU, big, mStatus=0}
\tTemperature{mValue=87.0, mType=8, mName=soc, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=3, mType=2, mName=thermal-cpufreq-0}
Temperature static thresholds from HAL:
\tTemperatureThreshold{mType=3, mName=skin, mHotThrottlingThresholds=[NaN, 39.0, 43.0], mColdThrottlingThresholds=[NaN, NaN, NaN]}
Temperature headroom thresholds:
[NaN, 0.8, 1.0]
"""
REPORT = ThermalReport(
    offset=0,
    status="light",
    status_number=1,
    status_overridden=False,
    hal_ready=True,
    temperatures=(
        Temperature(name="skin", type="skin", value=41.5, temperature_c=41.5, status="light"),
        Temperature(name="CPU, big", type="cpu", value=None, temperature_c=None, status="none"),
        Temperature(name="soc", type="bcl_percentage", value=87.0, temperature_c=None, status="none"),
    ),
    cooling_devices=(CoolingDevice(name="thermal-cpufreq-0", type=2, value=3),),
    thresholds=(Threshold(name="skin", type="skin", hot_c=(None, 39.0, 43.0), cold_c=(None, None, None)),),
    headroom_thresholds=(None, 0.8, 1.0),
)


def read(text: str) -> tuple[list[ThermalReport], Dump]:
    dump = KIND.read(text.encode(), DumpSettings())
    return list(dump.records), dump


def test_the_current_temperatures_are_read_and_the_cached_ones_counted() -> None:
    reports, dump = read(DUMP)

    assert reports == [REPORT]
    assert list(dump.rejects) == []
    assert dump.notes == ["2 cached temperatures, each of its last event, were left out"]


def test_a_hal_that_is_not_ready_gives_no_temperatures_though_there_are_cached_ones() -> None:
    ((report,), dump) = read(DUMP[: DUMP.index("HAL Ready")] + "HAL Ready: false\n")

    assert (report.hal_ready, report.temperatures, report.status) == (False, (), "light")
    assert dump.notes == ["2 cached temperatures, each of its last event, were left out"]


def test_dumps_in_a_row_are_reports_in_a_row() -> None:
    reports, _ = read(DUMP + DUMP.replace("Status: 1", "Status: 3"))

    assert [(report.offset, report.status) for report in reports] == [(0, "light"), (len(DUMP), "severe")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Thermal Status: 1", "Thermal Status: 9"),
        ("mValue=41.5, mType=3", "mValue=warm, mType=3"),
        ("mValue=41.5, mType=3", "mValue=Infinity, mType=3"),
        ("mName=skin, mStatus=1", "mName=skin, mStatus=12"),
        ("CoolingDevice{mValue=3", "CoolingDevice{mValue="),
        ("[NaN, 39.0, 43.0]", "[NaN, hot, 43.0]"),
        ("[NaN, 0.8, 1.0]", "[NaN, 0.8, one]"),
        ("\tThermalHAL AIDL", "ThermalHAL AIDL"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_reject_with_its_place(before: str, after: str) -> None:
    text = DUMP.replace(before, after)

    _, dump = read(text)

    (reject,) = dump.rejects
    assert after.strip() in reject.text.decode()
    assert text.encode()[reject.offset :].startswith(reject.text)


def test_a_status_set_by_hand_is_said() -> None:
    ((report,), _) = read(DUMP.replace("IsStatusOverride: false", "IsStatusOverride: true"))

    assert report.status_overridden is True


def test_another_file_is_refused() -> None:
    with pytest.raises(DumpError, match="no 'Thermal Status:'"):
        read("Can't find service: thermalservice\n")


def test_it_is_told_by_its_first_line() -> None:
    assert KIND.looks_like(DUMP.encode(), "x")
    assert KIND.looks_like(b"DUMP OF SERVICE thermalservice:\n" + DUMP.encode(), "x")
    assert not KIND.looks_like(b"Thermal Status: of the house\n", "thermalservice.txt")


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    assert read_mutations(KIND, DUMP.encode()) > 200
