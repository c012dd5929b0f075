from __future__ import annotations

import pytest

from parsers.dump import Dump, DumpSettings
from parsers.errors import DumpError
from parsers.power_dumps.trepn import KIND, TrepnValue

EXPORT = """Trepn Profiler 6.2
a phone,a profile

Time  [ms],Battery Power [uW] (Raw),Battery Power [uW] (Delta),Time  [ms],CPU Load (Normalized) [%],Time  [ms],Application State
100,1250000,-50000,90,37,,
200,1300000,,,,150,in front

System Statistics:

Battery Power,1275000
"""


def read(text: str) -> tuple[list[TrepnValue], Dump]:
    dump = KIND.read(text.encode(), DumpSettings())
    return list(dump.records), dump


def value(row: str, time_ms: float, name: str, unit: str | None, value: float | None, **more) -> TrepnValue:
    fields = {"variant": None, "text": None, "power_mw": None, **more}
    return TrepnValue(
        offset=EXPORT.encode().index(row.encode()), time_ms=time_ms, name=name, unit=unit, value=value, **fields
    )


def test_data_points_side_by_side_each_have_their_own_time() -> None:
    values, dump = read(EXPORT)

    assert values == [
        value("100,125", 100, "Battery Power", "uW", 1_250_000, variant="Raw", power_mw=1250),
        value("100,125", 100, "Battery Power", "uW", -50_000, variant="Delta", power_mw=-50),
        value("100,125", 90, "CPU Load (Normalized)", "%", 37),
        value("200,130", 200, "Battery Power", "uW", 1_300_000, variant="Raw", power_mw=1300),
        value("200,130", 150, "Application State", None, None, text="in front"),
    ]
    assert list(dump.rejects) == []
    assert dump.notes == [
        "units: as the column heads name them",
        "3 lines above the column heads say which profile it is, and were left out",
        "statistics: 2 lines behind the values were left out",
    ]


@pytest.mark.parametrize(
    ("row", "left"),
    [("300,1,2", []), ("300,nan,2,,,,", [2.0]), (",5,,,,,", []), ('300,"5,,,,,', []), ("300,1e999,,,,,", [])],
)
def test_a_row_that_is_cut_or_a_cell_that_is_no_number_is_a_reject_and_the_rest_of_it_is_kept(row, left) -> None:
    head = EXPORT[: EXPORT.index("200,13")]

    values, dump = read(head + row + "\n")

    assert [each.value for each in values[3:]] == left
    assert [(reject.offset, reject.text) for reject in dump.rejects] == [(len(head), row.encode())]


def test_an_export_without_the_lines_above_is_read_the_same() -> None:
    bare = EXPORT[EXPORT.index("Time") :]

    assert [each.power_mw for each in read(bare)[0]] == [each.power_mw for each in read(EXPORT)[0]]


@pytest.mark.parametrize("text", ["", "Time [ms]\n1\n", "Battery Power [uW],Time [ms]\n1,2\n", "time,power\n1,2\n"])
def test_a_table_of_another_program_is_refused(text: str) -> None:
    assert not KIND.looks_like(text.encode(), "trepn.csv")
    with pytest.raises(DumpError, match="no line of column heads"):
        read(text)


def test_it_is_told_by_its_column_heads() -> None:
    assert KIND.looks_like(EXPORT.encode(), "x")


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    assert read_mutations(KIND, EXPORT.encode()) > 100
