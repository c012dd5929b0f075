from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from parsers.stats import read_stats
from profiler.cli import main

TABLE = (
    "model,FLOPS,size,pixel4|1large|float|mean,pixel4|1large|float|std,s10|gpu|float|mean,s10|gpu|float|std\n"
    "net,1000,4000,8000.0,400.0,1500.0,3.0\n"
    "other,1000,4000,4000.0,400.0,slow,3.0\n"
)


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "e2e.csv"
    path.write_text(TABLE)
    return path


def profile(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["profile", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_a_table_is_written_and_its_rows_are_counted_by_device(monkeypatch, capsys):
    code = profile(monkeypatch, "import", "tflite-e2e", "e2e.csv", "-o", "rows.parquet")

    said = capsys.readouterr()
    assert code == 0
    assert said.out.splitlines() == [
        "pixel4          2 rows, 12.0 ms in all: 2 Network",
        "s10             1 rows, 1.5 ms in all: 1 Network",
        "3 rows",
        "rows.parquet",
    ]
    assert "not read: 1 × no time above zero for s10 gpu float, the first in e2e.csv, byte 141" in said.err
    assert list(read_stats(Path("rows.parquet"))["origin"]) == ["imported"] * 3


def test_json_is_one_document_with_what_could_not_be_read(monkeypatch, capsys):
    code = profile(monkeypatch, "import", "tflite-e2e", "e2e.csv", "--json")

    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (document["kind"], document["output"], document["rows"]) == ("tflite-e2e", None, 3)
    assert document["devices"] == {
        "pixel4": {"rows": 2, "execution_time_ms": 12.0},
        "s10": {"rows": 1, "execution_time_ms": 1.5},
    }
    assert document["types"] == {"Network": 3}
    assert document["rejects"] == [
        {
            "path": "e2e.csv",
            "offset": 141,
            "reason": "no time above zero for s10 gpu float",
            "text": "other,1000,4000,4000.0,400.0,slow,3.0",
        }
    ]


def test_alone_it_lists_the_kinds(monkeypatch, capsys):
    code = profile(monkeypatch, "import")

    kinds = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert (code, kinds) == (0, ["tflite-gpu-ops", "torch-gpu-ops", "tflite-e2e", "ofa-lut", "proxyless-lut"])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nope", "e2e.csv"), 1, "No published table 'nope'. Known: tflite-gpu-ops"),
        (("tflite-e2e", "absent.csv"), 1, "absent.csv cannot be read: No such file"),
        (("tflite-gpu-ops", "e2e.csv"), 1, "Another table: its columns begin"),
        (("tflite-e2e", "e2e.csv", "-o", "e2e.csv"), 1, "would overwrite a published table"),
        (("tflite-e2e",), 2, "name the table's file"),
    ],
)
def test_what_cannot_be_imported_is_one_line_and_an_exit_code(monkeypatch, capsys, arguments, code, says):
    assert profile(monkeypatch, "import", *arguments) == code

    told = capsys.readouterr().err
    assert says in told
    assert code == 2 or told.count("\n") == 1
    assert Path("e2e.csv").read_text() == TABLE
