from __future__ import annotations

import pytest

from parsers.dump import Dump, DumpSettings, Kind, Reject
from parsers.errors import DumpError
from parsers.power_dumps.rails import KINDS, PowerStatsReading, RailReading

ODPM, POWER_STATS = KINDS

SNAPSHOTS = """t=1000
CH0(T=900)[S1M_VDD_CPU], 5000000
CH6(T=900)[VSYS_DISPLAY], 70
t=3000
CH0(T=2900)[S1M_VDD_CPU], 6200000
CH6(T=2900)[VSYS_DISPLAY], 60
"""
STATS = """
============= PowerStats HAL 2.0 state residencies ==============
            Entity                State       Total time   Total entries   Last entry tstamp
        CPU Cluster                 C4        12345 ms              678            9012 ms
========== End of PowerStats HAL 2.0 state residencies ==========

============= PowerStats HAL 2.0 energy consumers ==============
CPUCL0       :       111.25 mWs
       10123 -         3.50 mWs
========== End of PowerStats HAL 2.0 energy consumers ==========

============= PowerStats HAL 2.0 energy meter ==============
                           Channel    Cumulative Energy
       [S4M_VDD_CPUCL0]:CPU(LITTLE)         1234.56 mWs
                          [VDD_DDR]:          78.00 mWs
========== End of PowerStats HAL 2.0 energy meter ==========
"""


def read(kind: Kind, text: str) -> tuple[list, Dump]:
    dump = kind.read(text.encode(), DumpSettings())
    return list(dump.records), dump


def rail(text: str, time_ms: int, name: str, channel: int, energy_uws: int, power_mw: float | None) -> RailReading:
    return RailReading(
        offset=SNAPSHOTS.index(text),
        time_ms=time_ms,
        channel=channel,
        rail=name,
        duration_ms=time_ms - 100,
        energy_uws=energy_uws,
        mean_power_mw=power_mw,
    )


def test_a_channel_is_a_reading_and_two_of_a_rail_tell_its_mean_power() -> None:
    readings, dump = read(ODPM, SNAPSHOTS)

    # 1.2 J in 2 s are 600 mW; a counter that falls tells no power.
    assert readings == [
        rail("CH0(T=900)", 1000, "S1M_VDD_CPU", 0, 5_000_000, None),
        rail("CH6(T=900)", 1000, "VSYS_DISPLAY", 6, 70, None),
        rail("CH0(T=2900)", 3000, "S1M_VDD_CPU", 0, 6_200_000, 600.0),
        rail("CH6(T=2900)", 3000, "VSYS_DISPLAY", 6, 60, None),
    ]
    assert list(dump.rejects) == []
    assert dump.notes == [
        "energy: µWs since the channel began to count, as the driver documents",
        "energy fell 1 times, as it does when the phone reboots: no mean power is told there",
    ]


def test_a_channel_without_a_time_above_it_has_none_and_a_strange_line_is_a_reject() -> None:
    readings, dump = read(ODPM, "CH0(T=900)[A], 5\nCH0(T=x)[A], 5\n")

    assert [(reading.time_ms, reading.mean_power_mw) for reading in readings] == [(None, None)]
    assert list(dump.rejects) == [Reject(offset=17, reason="no channel of an energy meter", text=b"CH0(T=x)[A], 5")]


def test_each_section_s_lines_are_readings_of_its_own() -> None:
    readings, dump = read(POWER_STATS, "@ 77\n" + STATS)

    def at(text: str) -> int:
        return 5 + STATS.index("\n" + text) + 1

    assert readings == [
        PowerStatsReading(
            offset=at("        CPU Cluster"),
            boottime_ns=77,
            section="state residencies",
            name="CPU Cluster C4",
            total_ms=12345,
            entries=678,
            last_entry_ms=9012,
        ),
        PowerStatsReading(
            offset=at("CPUCL0"), boottime_ns=77, section="energy consumers", name="CPUCL0", energy_mj=111.25
        ),
        PowerStatsReading(
            offset=at("       10123"),
            boottime_ns=77,
            section="energy consumers",
            name="CPUCL0",
            uid=10123,
            energy_mj=3.5,
        ),
        PowerStatsReading(
            offset=at("       [S4M"),
            boottime_ns=77,
            section="energy meter",
            name="S4M_VDD_CPUCL0",
            subsystem="CPU(LITTLE)",
            energy_mj=1234.56,
        ),
        PowerStatsReading(
            offset=at("                          [VDD"),
            boottime_ns=77,
            section="energy meter",
            name="VDD_DDR",
            energy_mj=78.0,
        ),
    ]
    assert list(dump.rejects) == []


def test_the_form_with_differences_and_the_older_one_without_brackets_are_read() -> None:
    text = "============= PowerStats HAL 2.0 energy meter ==============\nElapsed time: 5000 ms\n"
    text += "   Channel   Cumulative Energy (Delta   )\n   [A]:B   12.50 mWs (    -3.25)\n   VDD_CPU   4.00 mWs\n"

    readings, dump = read(POWER_STATS, text)

    assert [(reading.name, reading.subsystem, reading.energy_mj) for reading in readings] == [
        ("A", "B", 12.5),
        ("VDD_CPU", None, 4.0),
    ]
    assert list(dump.rejects) == []


def test_a_recording_s_battery_lines_are_counted_and_others_are_rejects() -> None:
    text = "@ 1\n" + STATS + "Current Battery Service state:\n  AC powered: false\n  status: 3\n#?\n"
    text += "============= PowerStats HAL 2.0 energy meter ==============\n  [A]:B  many mWs\n"

    readings, dump = read(POWER_STATS, text)

    assert len(readings) == 5
    assert dump.notes[-1] == "3 lines outside the sections are the battery's: --kind battery reads them"
    assert [(reject.reason, reject.text) for reject in dump.rejects] == [
        ("no line of any section", b"#?"),
        ("no line of energy meter", b"  [A]:B  many mWs"),
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_another_file_is_refused(kind: Kind) -> None:
    with pytest.raises(DumpError, match="There is no"):
        read(kind, "noise\n")


def test_each_is_told_by_its_first_lines() -> None:
    assert ODPM.looks_like(SNAPSHOTS.encode(), "energy_value")
    assert not ODPM.looks_like(b"t=1000\nand so on\n", "energy_value")
    assert POWER_STATS.looks_like(STATS.encode(), "x")
    assert POWER_STATS.looks_like(b"@ 5\n" + STATS.encode(), "power.txt")
    assert not POWER_STATS.looks_like(b"I like PowerStats HAL 2.0 energy meter\n", "x")


@pytest.mark.parametrize(("kind", "text"), [(ODPM, SNAPSHOTS), (POWER_STATS, STATS)], ids=["odpm", "power-stats"])
def test_broken_dumps_raise_nothing_but_our_errors(kind: Kind, text: str, read_mutations) -> None:
    assert read_mutations(kind, text.encode()) > 200


def test_lines_of_sections_that_nobody_knows_are_one_sort_of_reject() -> None:
    _, dump = read(POWER_STATS, "".join(f"== PowerStats HAL 2.0 {name} ==\nx\n" for name in ("odd one", "odd other")))

    assert {reject.reason for reject in dump.rejects} == {"no line of any section"}
