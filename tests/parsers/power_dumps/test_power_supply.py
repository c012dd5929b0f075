from __future__ import annotations

import pytest

from parsers.dump import Dump, DumpSettings, Reject
from parsers.dump_lines import LONGEST_LINE
from parsers.errors import DumpError
from parsers.power_dumps.power_supply import KIND, SupplyReading
from parsers.power_samples import ChargeStatus

BATTERY = """POWER_SUPPLY_NAME=battery
POWER_SUPPLY_TYPE=Battery
POWER_SUPPLY_STATUS=Discharging
POWER_SUPPLY_HEALTH=Good
POWER_SUPPLY_TECHNOLOGY=Li-ion
POWER_SUPPLY_CAPACITY=63
POWER_SUPPLY_VOLTAGE_NOW=4000000
POWER_SUPPLY_CURRENT_NOW=-350000
POWER_SUPPLY_CHARGE_COUNTER=2512000
POWER_SUPPLY_TEMP=287
POWER_SUPPLY_CYCLE_COUNT=118
"""
USB = "DEVTYPE=power_supply\nPOWER_SUPPLY_NAME=usb\nPOWER_SUPPLY_TYPE=USB\nPOWER_SUPPLY_ONLINE=1\n"


def read(text: str) -> tuple[list[SupplyReading], Dump]:
    dump = KIND.read(text.encode(), DumpSettings())
    return list(dump.records), dump


def test_a_uevent_is_a_reading_with_raw_values_units_and_how_they_were_told() -> None:
    ((battery,), dump) = read(BATTERY)

    assert battery == SupplyReading(
        offset=0,
        boottime_ns=None,
        supply="battery",
        type="Battery",
        status=ChargeStatus.DISCHARGING,
        online=None,
        plugged=None,
        health="Good",
        technology="Li-ion",
        capacity_percent=63,
        voltage_raw=4000000,
        voltage_mv=4000.0,
        temperature_raw=287,
        temperature_c=28.7,
        current_raw=-350000,
        current_unit="µA",
        current_ma=350.0,
        current_average_raw=None,
        charge_counter_raw=2512000,
        charge_counter_mah=2512.0,
        charge_full_raw=None,
        evidence=(
            "µA: -350000 at 4.00 V would be 1400 W in mA, more than 40 W; - is discharge",
            "charge counter in µAh: 2512000 mAh is more than a phone holds",
        ),
        extras=(("cycle_count", "118"),),
    )
    assert list(dump.rejects) == []


def test_supplies_in_a_row_are_one_moment_whose_chargers_say_what_is_plugged() -> None:
    readings, dump = read(BATTERY + USB + BATTERY + USB.replace("ONLINE=1", "ONLINE=0"))

    assert [(reading.supply, reading.online, reading.plugged) for reading in readings] == [
        ("battery", None, ("usb",)),
        ("usb", True, None),
        ("battery", None, ()),
        ("usb", False, None),
    ]
    assert list(dump.rejects) == []


@pytest.mark.parametrize(
    "text",
    [
        "/sys/class/power_supply/battery/current_now:-350000\n/sys/class/power_supply/battery/voltage_now:4000000\n",
        "==> /sys/battery/current_now <==\n-350000\n\n==> /sys/battery/voltage_now <==\n4000000\n",
        "battery/current_now=-350000\nbattery/voltage_now=4000000\n",
    ],
)
def test_nodes_are_read_in_the_forms_that_shells_print(text: str) -> None:
    ((battery,), dump) = read(text)

    assert (battery.supply, battery.current_raw, battery.voltage_mv, battery.current_unit) == (
        "battery",
        -350000,
        4000.0,
        "µA",
    )
    assert list(dump.rejects) == []


def test_samples_of_milliamperes_are_told_from_ten_on() -> None:
    samples = "".join(
        f"@ {1000 * number}\nstatus: Discharging\ncurrent_now: {-450 - number % 7}\nvoltage_now: 4000000\n"
        for number in range(10)
    )

    readings, _ = read(samples)

    assert [reading.current_ma for reading in readings] == [450.0 + number % 7 for number in range(10)]
    assert [reading.boottime_ns for reading in readings] == [1000 * number for number in range(10)]


def test_a_node_that_comes_again_begins_another_record() -> None:
    readings, _ = read("current_now: -350000\ncurrent_now: -360000\n")

    assert [reading.current_raw for reading in readings] == [-350000, -360000]


def test_one_small_current_is_refused() -> None:
    ((battery,), _) = read(BATTERY.replace("-350000", "-450"))

    assert battery.current_ma is None
    assert battery.evidence[0].startswith("refused: -450 at 4.00 V may be -0.45 mA (µA) or -450 mA")


def test_a_charger_s_current_is_left_raw() -> None:
    readings, _ = read(BATTERY + USB + "POWER_SUPPLY_CURRENT_NOW=900000\n")

    assert (readings[1].current_raw, readings[1].current_unit, readings[1].current_ma) == (900000, None, None)


def test_what_is_no_node_or_has_no_value_is_a_reject() -> None:
    _, dump = read("current_now: -350000\ncat: voltage_now: Permission denied\ntemp: warm\nstatus: Asleep\n")

    assert list(dump.rejects) == [
        Reject(offset=21, reason="no node of a power supply", text=b"cat: voltage_now: Permission denied"),
        Reject(offset=57, reason="a node whose value is none", text=b"temp: warm"),
        Reject(offset=68, reason="a node whose value is none", text=b"status: Asleep"),
    ]


def test_only_the_next_line_is_the_value_of_a_head() -> None:
    too_long = "1" * (LONGEST_LINE + 1)

    ((battery,), dump) = read(f"==> /sys/battery/temp <==\n{too_long}\n-350000\n==> /sys/battery/temp <==\n287\n")

    assert battery.temperature_raw == 287
    assert [(reject.offset, reject.text[:3]) for reject in dump.rejects] == [(26, b"111"), (65564, b"-35")]


@pytest.mark.parametrize("text", ["", "noise\n", "a=1\n"])
def test_what_holds_no_node_is_refused(text: str) -> None:
    with pytest.raises(DumpError, match="no node of a power supply"):
        read(text)


def test_it_is_told_by_its_first_lines() -> None:
    assert KIND.looks_like(BATTERY.encode(), "uevent")
    assert KIND.looks_like(b"@ 5\n/sys/class/power_supply/battery/temp:287\n", "x")
    assert not KIND.looks_like(b"status: Discharging\n", "x")
    assert not KIND.looks_like(b"01-02 03:04:05.678  1  1 I healthd: /sys/class/power_supply/bms/temp: 287\n", "x")


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    assert read_mutations(KIND, (BATTERY + USB + "@ 5\n==> /sys/a/temp <==\n300\n").encode()) > 200
