from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from parsers.dump import Dump, DumpSettings, Kind, Reject
from parsers.errors import DumpError
from parsers.monsoon import read_monsoon
from parsers.power_dumps.monitor import KINDS, MonitorSample, RunEnergy

MONSOON, RUNS = KINDS
POWERTOOL = "Time (s),Main Avg Current (mA),Main Avg Voltage (V),Main Avg Power (mW)\n0,250,4,1000\n0.5,350,4,1400\n1,250,4,1000\n"
PYMONSOON = "Time(ms),Main(mA),Main Voltage(V),\n0.0,250.0,4.0,\n0.0002,np.float64(350.0),4.0,\n0.0004,250.0,4.0,\n"
TABLE = 'device,subject,version,energy_joules,duration_ms,error_flag\nphone-a,app one,7,60.5,120000.0,False\nphone-a,"x,y",7,1,0,True\n'


def read(kind: Kind, text: str) -> tuple[list, Dump]:
    dump = kind.read(text.encode(), DumpSettings())
    return list(dump.records), dump


def test_powertool_s_columns_are_found_by_name_and_the_recording_is_summed_up() -> None:
    samples, dump = read(MONSOON, POWERTOOL)

    assert samples == [
        MonitorSample(offset=72, time_s=0, current_ma=250, voltage_v=4, power_mw=1000),
        MonitorSample(offset=85, time_s=0.5, current_ma=350, voltage_v=4, power_mw=1400),
        MonitorSample(offset=100, time_s=1, current_ma=250, voltage_v=4, power_mw=1000),
    ]
    # Trapezoids: (1000 + 1400) / 2 mW for half a second, twice, are 1.2 J.
    assert dump.notes == [
        "current and voltage: as the header names their units; a monitor's current is drawn",
        "columns left out: Main Avg Power (mW)",
        "3 samples in 1 s: 1.2 J, 1200 mW in the mean",
    ]


def test_cells_in_quotes_are_the_same_cells() -> None:
    quoted = "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in POWERTOOL.splitlines())

    plain, told = read(MONSOON, quoted)[0], read(MONSOON, POWERTOOL)[0]

    assert [sample.power_mw for sample in plain] == [sample.power_mw for sample in told]
    assert MONSOON.looks_like(quoted.encode(), "")


def test_pymonsoon_s_milliseconds_that_are_seconds_are_told_by_what_a_monsoon_can_do() -> None:
    samples, dump = read(MONSOON, PYMONSOON)

    assert [(sample.time_s, sample.power_mw) for sample in samples] == [(0.0, 1000), (0.0002, 1400), (0.0004, 1000)]
    assert dump.notes[1] == "time in s: steps of 0.0002 ms are faster than a Monsoon's 0.2 ms"
    assert list(dump.rejects) == []


def test_milliseconds_that_a_monsoon_can_do_stay_milliseconds() -> None:
    samples, _ = read(MONSOON, PYMONSOON.replace("0.000", "").replace("\n2,", "\n0.2,").replace("\n4,", "\n0.4,"))

    assert [sample.time_s for sample in samples] == pytest.approx([0.0, 0.0002, 0.0004])


def test_the_samples_are_those_that_a_campaign_s_reader_takes() -> None:
    rows = [f"{number * 0.005:.3f},{200 + number % 5},4.0" for number in range(400)]
    text = "\n".join(["Time (s),Main(mA),Main Voltage(V)", *rows]) + "\n"

    samples, _ = read(MONSOON, text)

    assert np.mean([sample.power_mw for sample in samples]) == pytest.approx(
        np.mean(read_monsoon(text.encode()).power_mw), rel=1e-4
    )


@pytest.mark.parametrize("row", ["0.5,350", "0.5,350,volts,1400", "0.5,nan,4,1400", "inf,1,4,1"])
def test_a_row_that_is_cut_or_holds_no_number_is_a_reject(row: str) -> None:
    samples, dump = read(MONSOON, POWERTOOL.replace("0.5,350,4,1400", row))

    assert len(samples) == 2
    assert list(dump.rejects) == [Reject(offset=85, reason="a row that is cut or holds no number", text=row.encode())]


def test_a_time_that_steps_back_makes_the_sum_unknown() -> None:
    _, dump = read(MONSOON, POWERTOOL.replace("0.5,350", "2,350"))

    assert dump.notes[-1] == "time steps back 1 times, so that there is no sum"


def test_a_run_has_its_energy_its_labels_and_its_error() -> None:
    runs, dump = read(RUNS, TABLE)

    assert runs == [
        RunEnergy(
            offset=60,
            device="phone-a",
            subject="app one",
            energy_mj=60_500,
            duration_ms=120_000,
            mean_power_mw=pytest.approx(60_500 / 120),
            error=False,
            labels=(("version", "7"),),
        ),
        RunEnergy(
            offset=98,
            device="phone-a",
            subject="x,y",
            energy_mj=1000,
            duration_ms=0,
            mean_power_mw=None,
            error=True,
            labels=(("version", "7"),),
        ),
    ]
    assert list(dump.rejects) == []


@pytest.mark.parametrize("row", ["a,b,c,many,1,False", "a,b,c,1,1,Perhaps", "a,b", 'a,"b,c,1,1,False'])
def test_a_run_that_is_cut_or_holds_no_number_is_a_reject(row: str) -> None:
    runs, dump = read(RUNS, TABLE + row + "\n")

    assert len(runs) == 2
    assert [(reject.offset, reject.text) for reject in dump.rejects] == [(len(TABLE), row.encode())]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("text", ["", "time,power\n1,2\n", "energy_joules,duration_ms,duration_ms\n"])
def test_another_table_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(DumpError, match="Its first line"):
        read(kind, text)


def test_each_is_told_by_its_first_line() -> None:
    assert MONSOON.looks_like(POWERTOOL.encode(), "x")
    assert MONSOON.looks_like(PYMONSOON.encode(), "x")
    assert RUNS.looks_like(TABLE.encode(), "x")
    assert not MONSOON.looks_like(TABLE.encode(), "x")
    assert not RUNS.looks_like(POWERTOOL.encode(), "x")


@pytest.mark.parametrize(("kind", "text"), [(MONSOON, POWERTOOL + PYMONSOON), (RUNS, TABLE)], ids=["monsoon", "runs"])
def test_broken_dumps_raise_nothing_but_our_errors(kind: Kind, text: str, read_mutations) -> None:
    assert read_mutations(kind, text.encode()) > 30


@pytest.mark.parametrize("name", ["androidrunner_monsoon_aggregated_nexus5x.csv", "androidrunner_monsoon_one_run.csv"])
def test_android_runner_s_own_tables_are_read_whole(name: str) -> None:
    path = Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "battery", name)
    if not path.is_file():
        pytest.skip(f"AUTOCOMET_DATA names no folder with dumps/battery/{name}")
    with path.open(newline="") as handle:
        expected = [float(row["energy_joules"]) * 1000 for row in csv.DictReader(handle)]

    runs, dump = read(RUNS, path.read_text())

    assert [run.energy_mj for run in runs] == expected
    assert list(dump.rejects) == []
