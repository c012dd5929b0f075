from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.dump import DumpSettings, Reject
from parsers.dump_lines import LONGEST_LINE
from parsers.errors import DumpError
from parsers.power_dumps.battery_report import BatteryReport
from parsers.power_dumps.battery_service import KIND
from parsers.power_samples import ChargeStatus

HEADER = "Current Battery Service state:\n"
BLOCK = """Current Battery Service state:
  AC powered: false
  USB powered: {usb}
  Wireless powered: false
  Max charging current: 0
  Max charging voltage: 0
  Charge counter: 2512000
  status: {status}
  health: 2
  present: true
  level: 63
  scale: 100
  voltage: {voltage}
  temperature: 287
  technology: Li-ion
  current now: {current}
"""


def block(current: int | str, *, status: int = 3, usb: str = "false", voltage: int = 4000) -> str:
    return BLOCK.format(current=current, status=status, usb=usb, voltage=voltage)


def reports(text: str | bytes) -> list[BatteryReport]:
    return list(KIND.read(text if isinstance(text, bytes) else text.encode(), DumpSettings()).records)


def test_a_block_is_a_report_with_raw_values_units_and_how_they_were_told() -> None:
    data = (block(-350000) + "  LED Charging: on\n").encode()

    dump = KIND.read(data, DumpSettings())

    assert list(dump.records) == [
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
            current_average_raw=None,
            current_cached_raw=None,
            charge_counter_raw=2512000,
            charge_counter_mah=2512.0,
            full_charge_raw=None,
            cycle_count=None,
            technology="Li-ion",
            max_charging_current_ua=0,
            max_charging_voltage_uv=0,
            evidence=(
                "µA: -350000 at 4.00 V would be 1400 W in mA, more than 40 W; - is discharge",
                "charge counter in µAh: 2512000 mAh is more than a phone holds",
            ),
            extras=(("LED Charging", "on"),),
        )
    ]
    assert list(dump.rejects) == []
    assert dump.notes == ("current: µA: -350000 at 4.00 V would be 1400 W in mA, more than 40 W; - is discharge",)


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (-450, "-450 at 4.00 V may be -0.45 mA (µA) or -450 mA (mA: 1.8 W, within 40 W), or error number 450"),
        (-22, "-22 at 4.00 V may be -0.022 mA (µA) or -22 mA (mA: 0.088 W, within 40 W), or error number 22"),
        (-564, "or error number 564"),
        (450, "450 at 4.00 V may be 0.45 mA (µA) or 450 mA (mA: 1.8 W, within 40 W); it takes 10 readings"),
        (0, "no reading of the current other than 0"),
        (99_000_000_000, "is no phone's current in µA or mA"),
    ],
)
def test_one_current_that_two_units_or_none_explain_is_refused_with_the_reason(current: int, reason: str) -> None:
    (report,) = reports(block(current))

    assert (report.current_raw, report.current_unit, report.current_ma) == (current, None, None)
    assert reason in report.evidence[0]
    assert report.evidence[0].startswith("refused: ")


@pytest.mark.parametrize(("current", "current_ma"), [(350_000, 350.0), (-350_000, 350.0), (15_000, 15.0)])
def test_one_current_that_only_microamperes_explain_is_told_in_either_sign(current: int, current_ma: float) -> None:
    (report,) = reports(block(current))

    assert (report.current_unit, report.current_ma) == ("µA", current_ma)


def test_while_a_charger_gives_power_the_unit_is_told_and_the_sign_is_not() -> None:
    (report,) = reports(block(350_000, status=2, usb="true"))

    assert (report.plugged, report.status) == (("usb",), ChargeStatus.CHARGING)
    assert (report.current_unit, report.current_ma) == ("µA", None)
    assert "the sign cannot be told" in report.evidence[0]


def test_a_fast_charger_s_amperes_are_not_taken_for_microamperes() -> None:
    (report,) = reports(block(12_000, status=2, usb="true"))

    assert report.current_unit is None
    assert "12000 mA (mA: 48 W, within 300 W)" in report.evidence[0]


def test_a_discharging_block_tells_the_sign_of_a_charging_one() -> None:
    discharging, charging = reports(block(-350_000) + block(900_000, status=2, usb="true"))

    assert (discharging.current_ma, charging.current_ma) == (350.0, -900.0)


def test_ten_readings_that_change_tell_milliamperes_and_nine_do_not() -> None:
    currents = (-450, -448, -460, -455, -449, -470, -452, -451, -466, -458)

    ten = reports("".join(block(current) for current in currents))
    nine = reports("".join(block(current) for current in currents[:9]))

    assert [report.current_ma for report in ten] == [float(-current) for current in currents]
    assert ten[0].evidence[0] == "mA, - is discharge: 448 to 470 at 4.00 V, 10 readings"
    assert {report.current_ma for report in nine} == {None}


def test_a_register_that_never_changes_is_no_recording() -> None:
    stuck = reports("".join(block(-564) for _ in range(20)))

    assert {report.current_ma for report in stuck} == {None}
    assert "hardly ever changes" in stuck[0].evidence[0]


def test_error_numbers_among_readings_are_refused_one_by_one() -> None:
    read, error, zero = reports(block(-350_000) + block(-22) + block(0))

    assert (read.current_ma, error.current_ma, zero.current_ma) == (350.0, None, None)
    assert error.evidence[0].startswith("refused: -22 may be error number 22; µA: ")
    assert zero.evidence[0].startswith("refused: 0 is what drivers show without a value; ")


def test_stopped_updates_are_somebody_s_fake_and_tell_no_sign() -> None:
    text = block(-350_000).replace("  AC", "  (UPDATES STOPPED -- use 'reset' to restart)\n  AC")

    (report,) = reports(text)

    assert (report.updates_stopped, report.current_unit, report.current_ma) == (True, "µA", None)
    assert report.evidence[-1] == "updates are stopped: level, status and chargers may be made up"


def test_blocks_of_a_recording_have_its_times_and_may_lack_the_header() -> None:
    text = "@ 1000\n" + block(-1) + "@ 2000\n  status: 3\n  voltage: 4012\ncurrent now:\n"

    dump = KIND.read(text.encode(), DumpSettings())
    first, second = dump.records

    assert (first.offset, first.boottime_ns, second.boottime_ns) == (0, 1000, 2000)
    assert (second.voltage_mv, second.current_raw, second.plugged) == (4012.0, None, None)
    assert list(dump.rejects) == [
        Reject(offset=text.index("current now:\n", 200), reason="no entry of dumpsys battery", text=b"current now:")
    ]


def test_a_value_that_is_none_of_its_name_is_a_reject_and_a_repeated_name_an_extra() -> None:
    text = HEADER + "  AC powered: maybe\n  status: 9\n  level: sixty\n  noise\n  level: 5\n  level: 6\n"

    dump = KIND.read(text.encode(), DumpSettings())
    (report,) = dump.records

    assert [reject.text for reject in dump.rejects] == [
        b"  AC powered: maybe",
        b"  status: 9",
        b"  level: sixty",
        b"  noise",
    ]
    assert (report.level_percent, report.status, report.extras) == (5.0, None, (("level", "6"),))


@pytest.mark.parametrize(
    ("counter", "charge_mah", "evidence"),
    [
        (2512, 2512.0, "charge counter in mAh: 2512 at 63 % is a battery of 3987 mAh"),
        (2512000, 2512.0, "charge counter in µAh: 2512000 mAh is more than a phone holds"),
        (31, None, "refused: charge counter 31 may be in µAh, in mAh, or no value"),
        (-1, None, "refused: charge counter -1 may be in µAh, in mAh, or no value"),
    ],
)
def test_the_charge_counter_s_unit_is_told_by_what_a_battery_holds(counter, charge_mah, evidence) -> None:
    (report,) = reports(block(-350_000).replace("2512000", str(counter)))

    assert (report.charge_counter_raw, report.charge_counter_mah) == (counter, charge_mah)
    assert evidence in report.evidence


@pytest.mark.parametrize(("raw", "voltage_mv"), [(4000, 4000.0), (4_000_000, 4000.0), (4, None), (0, None)])
def test_a_voltage_is_millivolts_or_microvolts_or_refused(raw: int, voltage_mv: float | None) -> None:
    (report,) = reports(block(-350_000, voltage=raw))

    assert (report.voltage_raw, report.voltage_mv) == (raw, voltage_mv)


def test_what_powershell_wrote_reads_as_the_bytes_do() -> None:
    text = block(-350_000) + block(-300_000)

    plain, utf16 = reports(text), reports(b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"))

    assert [report.current_ma for report in utf16] == [report.current_ma for report in plain] == [350.0, 300.0]
    assert utf16[1].offset == 2 + 2 * text.replace("\n", "\r\n").index("Current", 10)


@pytest.mark.parametrize(
    "data", [b"", b"noise\n", b"Current Battery Service state:\n", b"Can't find service: battery\n"]
)
def test_what_holds_no_block_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(DumpError, match="no block of dumpsys battery"):
        KIND.read(data, DumpSettings())


def test_it_is_told_by_its_header_near_the_top() -> None:
    assert KIND.looks_like(block(1).encode(), "x.txt")
    assert KIND.looks_like(b"DUMP OF SERVICE battery:\n" + block(1).encode(), "x.txt")
    assert not KIND.looks_like(b"@ 5\n====== PowerStats HAL 2.0 energy meter =====\n" + block(1).encode(), "power.txt")
    assert not KIND.looks_like(b"", "battery.txt")


REPORTED = st.fixed_dictionaries(
    {
        "chargers": st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
        "stopped": st.booleans(),
        "status": st.integers(1, 5),
        "level": st.integers(0, 100),
        "voltage": st.integers(2500, 9999),
        "temperature": st.integers(-400, 1000),
        "counter": st.integers(50_001, 10**7),
        "current": st.none() | st.integers(-(10**7), 10**7),
        "technology": st.text(alphabet="LiIonPMH- ", max_size=8).map(str.strip),
    }
)


def rendered(report: dict) -> str:
    ac, usb, wireless, dock = (str(charger).lower() for charger in report["chargers"])
    lines = [
        "Current Battery Service state:",
        *(["  (UPDATES STOPPED -- use 'reset' to restart)"] if report["stopped"] else []),
        f"  AC powered: {ac}",
        f"  USB powered: {usb}",
        f"  Wireless powered: {wireless}",
        f"  Dock powered: {dock}",
        f"  Charge counter: {report['counter']}",
        f"  status: {report['status']}",
        f"  level: {report['level']}",
        "  scale: 100",
        f"  voltage: {report['voltage']}",
        f"  temperature: {report['temperature']}",
        f"  technology: {report['technology']}",
        *([] if report["current"] is None else [f"current now: {report['current']}"]),
    ]
    return "\n".join(lines) + "\n"


@settings(max_examples=60)
@given(st.lists(REPORTED, min_size=1, max_size=14))
def test_what_is_rendered_is_read_back(blocks: list[dict]) -> None:
    dump = KIND.read("".join(map(rendered, blocks)).encode(), DumpSettings())

    read = [
        {
            "chargers": tuple(charger in report.plugged for charger in ("ac", "usb", "wireless", "dock")),
            "stopped": report.updates_stopped,
            "status": list(ChargeStatus).index(report.status) + 1,
            "level": report.level_percent,
            "voltage": report.voltage_mv,
            "temperature": round(report.temperature_c * 10),
            "counter": round(report.charge_counter_mah * 1000),
            "current": report.current_raw,
            "technology": report.technology,
        }
        for report in dump.records
    ]
    assert read == blocks
    assert list(dump.rejects) == []


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    whole = (block(-350_000) + "@ 5\n" + block(-450, status=2)).encode()

    assert read_mutations(KIND, whole) > 200


def test_a_line_that_no_program_writes_is_never_read_but_rejected() -> None:
    data = b"Current Battery Service state:\n  level: 5\n  x: " + b"9" * LONGEST_LINE + b"\n  scale: 100\n"

    dump = KIND.read(data, DumpSettings())
    (report,) = dump.records

    assert (report.level_percent, report.extras) == (5.0, ())
    assert [(reject.offset, reject.text[:6]) for reject in dump.rejects] == [(42, b"  x: 9")]
