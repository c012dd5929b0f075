from __future__ import annotations

from pathlib import Path

import pytest

from parsers.dump import Reject
from parsers.errors import DumpError, ParsersError, PublishedError
from parsers.published.tables import TABLES, FileReject, import_table, table_named
from parsers.stats import cells_to_frame, read_stats, write_stats

ENTRY = "Conv_1-input:7x7x3-output:7x7x4:\n  count: 40\n  mean: 2.0\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_tables_are_known_by_the_names_that_scripts_use():
    assert [table.name for table in TABLES] == [
        "tflite-gpu-ops",
        "torch-gpu-ops",
        "tflite-e2e",
        "ofa-lut",
        "proxyless-lut",
    ]
    assert table_named("ofa-lut") is TABLES[3]


def test_an_unknown_table_is_answered_with_the_known_ones():
    with pytest.raises(PublishedError, match=r"No published table 'x'\. Known: tflite-gpu-ops, .*proxyless-lut\."):
        table_named("x")


def test_a_folder_is_read_file_by_file_and_a_reject_names_its_file(tmp_path: Path):
    write(tmp_path / "a.yaml", ENTRY)
    second = write(tmp_path / "b.yaml", ENTRY + "odd\n")
    write(tmp_path / "notes.txt", "no table")

    imported = import_table("ofa-lut", tmp_path)

    assert [row.provenance.campaign for row in imported.rows] == ["ofa-lut-a", "ofa-lut-b"]
    reject = Reject(offset=len(ENTRY), reason="a line that is no entry and no figure of one", text=b"odd")
    assert imported.rejects == (FileReject(path=second, reject=reject),)
    assert len(imported.notes) == len(set(imported.notes))


def test_rows_become_a_stats_table_and_come_back(tmp_path: Path):
    imported = import_table("ofa-lut", write(tmp_path / "a.yaml", ENTRY))

    write_stats(cells_to_frame(row.cells() for row in imported.rows), tmp_path / "rows.parquet")

    (row,) = read_stats(tmp_path / "rows.parquet").to_dict("records")
    assert (row["origin"], row["device_kind"], row["device"], row["execution_time_ms"]) == (
        "imported",
        "phone",
        "note10",
        2.0,
    )
    assert row["threads"] != row["threads"]  # null


@pytest.mark.parametrize(
    ("kind", "name", "error", "complaint"),
    [
        ("ofa-lut", "absent.yaml", DumpError, r"absent\.yaml cannot be read: No such file"),
        ("ofa-lut", "empty", PublishedError, r"no \*\.yaml in this folder"),
        ("proxyless-lut", "empty", DumpError, "is a folder; name the files in it"),
        ("tflite-e2e", "other.csv", PublishedError, r"other\.csv: Another table"),
        ("tflite-e2e", "bare.csv", PublishedError, r"bare\.csv: no time could be read"),
    ],
)
def test_what_cannot_be_imported_is_said_in_one_line(tmp_path: Path, kind: str, name: str, error, complaint: str):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "other.csv", "a,b\n1,2\n")
    write(tmp_path / "bare.csv", "model,FLOPS,size,s10|gpu|float|mean\n")

    with pytest.raises(error, match=complaint) as caught:
        import_table(kind, tmp_path / name)

    assert isinstance(caught.value, ParsersError)
    assert "\n" not in str(caught.value)
