from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from parsers import dump_files
from parsers.dump import Dump, DumpSettings, Reject
from parsers.dump_files import open_dump, write_records, write_rejects
from parsers.errors import DumpError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A record."""

    number: int | None
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A record of another kind."""

    name: str


def written(records: Iterable[object], folder: Path) -> tuple[int, list[dict[str, Any]], dict[str, str]]:
    path = folder / "made" / "records.parquet"
    rows = write_records(Dump(records=records), path)
    table = pq.read_table(path)
    return rows, table.to_pylist(), {name: str(table.schema.field(name).type) for name in table.column_names}


@pytest.mark.parametrize(
    ("values", "cells", "kind"),
    [
        ((1, 2, None), [1, 2, None], "int64"),
        ((1, 2.5, None), [1.0, 2.5, None], "double"),
        ((True, False, None), [True, False, None], "bool"),
        ((None, None, None), [None, None, None], "string"),
        ((1, "two", None), ["1", "two", None], "string"),
        (((1, 2), {"a": 1}, None), ["[1, 2]", '{"a": 1}', None], "string"),
        ((1, 2**63, -(2**70)), ["1", str(2**63), str(-(2**70))], "string"),
        (("\udcff", "a", "b"), ["\\xff", "a", "b"], "string"),
    ],
)
def test_a_column_has_the_type_that_its_values_share_else_text(values: tuple, cells: list, kind: str, tmp_path: Path):
    rows, records, kinds = written((Reading(number=1, value=value) for value in values), tmp_path)

    assert rows == 3
    assert [record["value"] for record in records] == cells
    assert kinds == {"number": "int64", "value": kind}


def test_records_of_several_kinds_share_a_table_with_null_where_one_has_no_such_field(tmp_path: Path):
    _, records, _ = written([Reading(number=1, value=2), Named(name="a")], tmp_path)

    assert records == [{"number": 1, "value": 2, "name": None}, {"number": None, "value": None, "name": "a"}]


def test_records_are_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dump_files, "_PIECE", 2)

    rows, records, _ = written((Reading(number=number, value=None) for number in range(5)), tmp_path)

    assert (rows, [record["number"] for record in records]) == (5, [0, 1, 2, 3, 4])


@pytest.mark.parametrize("late", [Named(name="a"), Reading(number=1, value=2.5), Reading(number=1, value=2**70)])
def test_what_fits_no_column_behind_the_first_piece_is_an_error_and_leaves_no_table(
    late: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dump_files, "_PIECE", 2)

    with pytest.raises(DumpError, match=r"Field '(name|value)' of a record behind the first 2 fits no column"):
        written([Reading(number=1, value=1), Reading(number=2, value=2), late], tmp_path)

    assert list((tmp_path / "made").iterdir()) == []


def test_a_table_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(DumpError, match=r"file/records\.parquet cannot be written"):
        write_records(Dump(records=()), tmp_path / "file" / "records.parquet")


def test_rejects_are_json_lines(tmp_path: Path):
    path = tmp_path / "made" / "rejects.jsonl"

    write_rejects([Reject(offset=3, reason="noise", text=b"a\xff")], path)

    assert path.read_text() == '{"offset": 3, "reason": "noise", "text": "a\\\\xff"}\n'


def test_a_dump_is_told_by_how_it_begins_or_read_as_it_is_named(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text("MemTotal:       1234 kB\n")

    with open_dump(path, None, DumpSettings()) as told, open_dump(path, "meminfo", DumpSettings()) as named:
        assert told.kind == named.kind == "meminfo"
        assert [record.size_kb for record in told.dump.records] == [1234]
