from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from parsers.dump import Dump, DumpSettings, record_to_json
from parsers.errors import DumpError
from parsers.profiles.qualcomm import KINDS

SNPE, QNN = KINDS
CYCLES = "Figures in cycles are no times, since the clock is not told: records, but no rows."
NO_TYPES = "The profile does not tell operators' types: they are null in the rows."
WARM_UP = "The events do not say which runs are warm-up: a row holds the median over all runs."


def read(data: bytes, kind: int = 0) -> Dump:
    dump = KINDS[kind].read(data, DumpSettings(name="log"))
    return replace(dump, records=list(dump.records), rejects=list(dump.rejects))


def figures(dump: Dump) -> list[tuple[object, ...]]:
    return [(time.section, time.name, time.time_ms, time.cycles, time.provider) for time in dump.records]


def test_cycles_stay_cycles_and_only_times_are_rows(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["snpe"])

    whole, layers = "SNPE Execute Statistics (Averaged)", "Per-Layer Execution Times"
    assert figures(dump) == [
        (whole, "Total Inference Time", 0.328, None, "snpe"),
        (whole, "RPC Execute Time", None, None, "snpe"),
        (whole, "Num times yield occurred", None, None, "snpe"),
        (layers, "Input OpId_2 (cycles)", None, 214, "snpe-dsp"),
        (layers, "head/MatMul:OpId_18 (cycles)", None, 1250, "snpe-dsp"),
        (layers, "head/Softmax", 0.012, None, "snpe-cpu"),
    ]
    assert [(row["job"], row["type"], row["execution_time_ms"], row["provider"]) for row in dump.cells] == [
        (f"{layers}/0002-head/Softmax", None, 0.012, "snpe-cpu")
    ]
    assert (dump.rejects, dump.notes) == ([], [CYCLES, NO_TYPES])


def test_the_old_form_numbers_layers_and_does_not_name_them(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["snpe old"])

    assert figures(dump)[1:] == [
        ("Layer Times", "0", 0.067, None, "snpe-gpu"),
        ("Layer Times", "1", 1.234, None, "snpe-gpu"),
    ]
    assert [(row["execution_time_ms"], row["provider"], row["threads"]) for row in dump.cells] == [
        (0.067, "snpe-gpu", None),
        (1.234, "snpe-gpu", None),
    ]


def test_a_file_of_several_logs_keeps_them_apart(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["snpe old"] * 2)

    assert [row["job"] for row in dump.cells] == [
        "Layer Times/0000-0",
        "Layer Times/0001-1",
        "log 2: Layer Times/0000-0",
        "log 2: Layer Times/0001-1",
    ]


def test_means_are_told_from_least_times(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["qnn"], 1)

    mean, least = "Execute Stats (Average), Graph 0 (tiny)", "Execute Stats (Min), Graph 0 (tiny)"
    assert figures(dump) == [
        ("Init Stats", "NetRun", 33.115, None, "qnn"),
        (mean, "NetRun", 2.952, None, "qnn"),
        (mean, "Backend (Number of HVX threads used)", None, None, "qnn"),
        (mean, "Backend (Accelerator (execute) time (cycles))", None, 12345, "qnn"),
        (mean, "conv:OpId_21 (cycles)", None, 2345, "qnn"),
        (mean, "fc:OpId_22", 0.045, None, "qnn"),
        (least, "NetRun", 2.9, None, "qnn"),
        (least, "fc:OpId_22", 0.041, None, "qnn"),
        ("Execute Stats (Overall)", "NetRun IPS", None, None, "qnn"),
    ]
    assert [(row["job"], row["execution_time_ms"]) for row in dump.cells] == [(f"{mean}/0004-fc:OpId_22", 0.045)]
    assert (dump.rejects, dump.notes) == ([], [CYCLES, NO_TYPES])


@pytest.mark.parametrize("kind", [0, 1])
def test_events_are_read_by_the_names_of_their_columns(kind: int, profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["qnn csv"], kind)

    runtime = ("snpe", "qnn")[kind]
    assert figures(dump)[:4] == [
        ("events", "NULL", 3.1, None, runtime),
        ("operators, run 1", "conv:OpId_16 (cycles)", None, 9000, runtime),
        ("operators, run 1", "fc, the last:OpId_17", 0.09, None, runtime),
        ("events", "NULL", 3.1, None, runtime),
    ]
    assert [(row["job"], row["execution_time_ms"], row["samples"]) for row in dump.cells] == [
        ("operators/0001-fc, the last:OpId_17", 0.06, 3)
    ]
    assert (dump.rejects, dump.notes) == ([], [WARM_UP, CYCLES, NO_TYPES])


def test_a_moved_column_moves_no_figure(profiles: Mapping[str, bytes]) -> None:
    moved = b"\n".join(
        b",".join([b'"a, b"' if index else b"More", *line.split(b",", 1)])
        for index, line in enumerate(profiles["qnn csv"].splitlines())
    )

    assert figures(read(moved, 1)) == figures(read(profiles["qnn csv"], 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "reasons"),
    [
        ("snpe", b"1250 cycles", b"12*0 cycles", ["a line below a title that is no figure"]),
        (
            "snpe",
            b"  ------------------------------\n    0",
            b"  -------x-----\n    0",
            [
                "a title without dashes below it",
                *["a figure below a title that was not understood"] * 4,
            ],
        ),
        ("qnn", b"45 us", b"45 u$", ["a line below a title that is no figure"]),
        ("qnn csv", b"9000,CYCLES", b"9O00,CYCLES", ["an event that does not fit the header"]),
        ("qnn csv", b"NODE,90,US", b"NODE,90", ["an event that does not fit the header"]),
    ],
)
def test_a_line_of_a_table_that_cannot_be_read_is_counted(
    profiles: Mapping[str, bytes], name: str, old: bytes, new: bytes, reasons: list[str]
) -> None:
    damaged = profiles[name].replace(old, new, 1)

    assert damaged != profiles[name]
    assert [reject.reason for reject in read(damaged, int(name.startswith("qnn"))).rejects] == reasons


def test_an_event_without_a_message_is_a_record_and_no_operator(profiles: Mapping[str, bytes]) -> None:
    header, *events = profiles["qnn csv"].splitlines(keepends=True)
    event = next(line for line in events if b",NODE,90,US," in line).replace(b",NODE,", b",,")

    dump = read(header + event, 1)

    assert figures(dump) == [("events", "fc, the last:OpId_17", 0.09, None, "qnn")]
    assert (len(dump.cells), dump.rejects) == (0, [])


def test_a_header_in_the_middle_of_events_is_counted(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["qnn csv"] * 2, 1)

    assert [reject.reason for reject in dump.rejects] == ["the header again"]


def test_events_without_their_header_are_refused(profiles: Mapping[str, bytes]) -> None:
    with pytest.raises(DumpError, match="no figures of QNN"):
        read(profiles["qnn csv"].partition(b"\n")[2], 1)


def test_a_record_tells_its_figure_by_its_meaning(profiles: Mapping[str, bytes]) -> None:
    records = list(read(profiles["snpe"]).records)

    written = record_to_json(records[4])
    assert {name: value for name, value in written.items() if value is not None} == {
        "section": "Per-Layer Execution Times",
        "order": 1,
        "type": "",
        "name": "head/MatMul:OpId_18 (cycles)",
        "cycles": 1250,
        "value": 1250.0,
        "unit": "cycles",
        "provider": "snpe-dsp",
    }
