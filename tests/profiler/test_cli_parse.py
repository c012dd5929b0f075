from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from parsers.stats import read_stats
from profiler.cli import main
from profiler.record_table import cell

LOG = b"""--------- beginning of main
12-31 23:59:59.998  1201  1310 I bench   : started
12-31 23:59:59.999  1201  1310 W a: tag: torn
no line of a log
12-31 23:59:59.999  1201  1310 W b: two
01-01 00:00:00.001  1201  1310 I bench   : \x1b[2Jdone
"""
TWO_PROFILED = """\
============================== Run Order ==============================
\t[node type]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]
\tCONV_2D\t2.000\t1.500\t75.0%\t75.0%\t0.0\t1\t[conv]:0
\tADD\t0.600\t0.500\t25.0%\t100.0%\t0.0\t1\t[add]:1
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("phone.log").write_bytes(LOG)


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["profile", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_a_log_is_told_and_printed_with_what_could_not_be_read_counted(profile) -> None:
    code, printed, told = profile("parse", "phone.log")

    assert code == 0
    assert " ".join(printed.splitlines()[0].split()) == "time priority uid pid tid tag message offset flags"
    assert len(printed.splitlines()) == 5
    assert "\x1b" not in printed
    assert "not read: 1 × " in told
    assert f"at byte {LOG.index(b'no line')}: b'no line of a log'" in told


def test_records_are_json_lines_with_the_fixed_keys_in_file_order(profile) -> None:
    code, printed, _ = profile(
        "parse",
        "phone.log",
        "--kind",
        "logcat",
        "--json",
        "--join",
        "--capture-date",
        "2026-01-02",
        "--timezone",
        "UTC",
    )

    records = [json.loads(line) for line in printed.splitlines()]
    assert code == 0
    assert records[0] == {
        "time": "2025-12-31T23:59:59.998+00:00",
        "priority": "I",
        "uid": None,
        "pid": 1201,
        "tid": 1310,
        "tag": "bench",
        "message": "started",
        "offset": 28,
        "flags": [],
    }
    assert [record["time"][:10] for record in records] == ["2025-12-31", "2025-12-31", "2025-12-31", "2026-01-01"]
    assert records[1]["flags"] == ["tag_ambiguous"]


def test_rejects_are_listed_in_a_file(profile) -> None:
    profile("parse", "phone.log", "--rejects", "out/rejects.jsonl")

    (reject,) = [json.loads(line) for line in Path("out/rejects.jsonl").read_text().splitlines()]
    assert (reject["offset"], reject["text"]) == (LOG.index(b"no line"), "no line of a log")


def test_a_log_becomes_a_table_of_records_or_of_plain_columns(profile) -> None:
    records = profile("parse", "phone.log", "-o", "records.parquet", "--json")
    columns = profile("parse", "phone.log", "-o", "columns.parquet", "--columns", "--rejects", "rejects.jsonl")

    assert json.loads(records[1]) == {"kind": "logcat", "output": "records.parquet", "rows": 4}
    assert columns[1] == "4 rows\ncolumns.parquet\n"
    told, plain = pd.read_parquet("records.parquet"), pd.read_parquet("columns.parquet")
    assert list(told["offset"]) == list(plain["offset"])
    assert list(plain["month"]) == [12, 12, 12, 1]
    assert Path("rejects.jsonl").read_text().count("\n") == 1


def test_another_runtime_s_profile_becomes_rows_in_the_context_that_the_user_names(profile) -> None:
    Path("tflite.txt").write_text(TWO_PROFILED)

    code, _, told = profile("parse", "tflite.txt", "-o", "rows.parquet", "--device", "mid")

    assert code == 0, told
    table = read_stats(Path("rows.parquet"))
    assert list(table["type"]) == ["Conv", "Add"]
    assert list(table["execution_time_ms"]) == [1.5, 0.5]
    assert set(table["device"]) == {"mid"}
    assert set(table["origin"]) == {"imported"}
    assert table["input_volume"].isna().all()


def test_a_folder_with_a_phone_s_files_tells_its_facts(profile, tmp_path: Path) -> None:
    (tmp_path / "phone" / "proc").mkdir(parents=True)
    (tmp_path / "phone" / "proc" / "meminfo").write_text("MemTotal:        3700000 kB\n")

    code, printed, _ = profile("parse", "phone", "--json")

    assert code == 0
    assert json.loads(printed)["context"]["memory_gb"] == 4.0
    assert profile("parse", "phone", "-o", "facts.parquet") == (0, "1 rows\nfacts.parquet\n", "")
    assert json.loads(pd.read_parquet("facts.parquet")["context"][0])["memory_gb"] == 4.0
    assert "is a folder, and --kind is for a file" in profile("parse", "phone", "--kind", "meminfo")[2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("phone.log", "--kind", "nothing"), "No kind 'nothing'"),
        (("phone.log", "--timezone", "Mars/Olympus"), "--timezone Mars/Olympus: no such zone"),
        (("phone.log", "--timezone", "../../etc/passwd"), "no such zone"),
        (("phone.log", "--capture-date", "yesterday"), "--capture-date yesterday is no day"),
        (("phone.log", "--device", "foldable"), "foldable"),
        (("phone.log", "--columns"), "add -o FILE.parquet"),
        (("poem.txt", "--columns", "-o", "x.parquet"), "No line that the log begins with is of plain threadtime"),
        (("phone.log", "absent"), "phone.log is no campaign and no table"),
        (("phone.log", "--kind", "getprop"), "getprop"),
        (("phone.log", "-o", "phone.log/x.parquet"), "cannot be written"),
        (("phone.log", "--columns", "-o", "/"), "/ cannot be written: it is a folder, a device or a pipe"),
        (("phone.log", "-o", "phone.log"), "phone.log is the dump itself"),
        (("phone.log", "--rejects", "./phone.log"), "phone.log is the dump itself"),
        (("absent.log",), "absent.log: no such file or folder"),
        (("poem.txt",), "poem.txt is of no kind"),
        (("empty.txt",), "empty.txt is empty"),
    ],
)
def test_what_makes_no_sense_gets_one_line_and_exit_code_1(profile, arguments: tuple[str, ...], says: str) -> None:
    Path("poem.txt").write_text("Whose woods these are I think I know\n")
    Path("empty.txt").touch()

    code, printed, told = profile("parse", *arguments)

    assert (code, printed) == (1, "")
    assert says in told
    assert len(told.splitlines()) == 1
    assert Path("phone.log").read_bytes() == LOG


def test_a_dump_of_which_nothing_can_be_read_is_an_error_that_lists_the_rejects_and_writes_nothing(profile) -> None:
    Path("bad.csv").write_text("Time(ms),Main(mA),Main Voltage(V)\none,two,three\n")

    code, printed, told = profile("parse", "bad.csv", "--kind", "monsoon", "-o", "t.parquet", "--rejects", "r.jsonl")

    assert (code, printed) == (1, "")
    assert told.splitlines()[-1].startswith("profile: bad.csv: nothing in it could be read as monsoon")
    assert Path("r.jsonl").read_text().count("\n") >= 1
    assert not Path("t.parquet").exists()


def test_kinds_are_listed(profile) -> None:
    code, printed, _ = profile("parse", "--kind", "list")

    assert code == 0
    assert {"logcat", "getprop", "tflite-profile"} <= {line.split()[0] for line in printed.splitlines()}


def test_a_command_without_a_file_says_so(profile) -> None:
    code, printed, told = profile("parse", "--json")

    assert (code, printed) == (2, "")
    assert "SOURCES" in told


def test_a_pipe_is_read_and_one_that_closes_early_is_no_error() -> None:
    command = [sys.executable, "-c", "from profiler.cli import main; main()", "parse", "/dev/stdin"]
    long = b"\n".join(LOG.splitlines()[1:2] * 100_000) + b"\n"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin
        assert running.stdout
        assert running.stderr
        running.stdin.write(long)
        running.stdin.close()
        running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()

    assert b"Traceback" not in said
    assert b"cannot be read" not in said


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_said_in_one_line() -> None:
    command = [sys.executable, "-c", "from profiler.cli import main; main()", "parse", "phone.log", "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)

    assert done.returncode == 1
    assert done.stderr.decode().startswith("profile: the output cannot be written: No space left on device.")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (1.5, "1.5"),
        ("a\x1b[2J\u202eb", r"a\x1b[2J\u202eb"),
        ([1, 3, 224, 224], "1x3x224x224"),
        ([[1, 3], [4]], "1x3;4"),
        ([[1, 3], None], "1x3;?"),
        (["joined", "truncated"], "joined,truncated"),
        ([], ""),
        ({"min": 0}, '{"min": 0}'),
    ],
)
def test_a_cell_is_one_short_line_that_moves_no_cursor(value: object, shown: str) -> None:
    assert cell(value) == shown
