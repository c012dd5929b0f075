from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parsers.dump import Reject, mapped
from parsers.errors import DumpError
from parsers.logcat import columns, threadtime
from parsers.logcat.columns import SCHEMA, Written, read_columns, write_parquet
from parsers.logcat.threadtime import LogRecord, RecordFlag, parse_threadtime

LINE = b"12-31 23:59:59.998  1234 31256 I AutoCoMET: 1 conv 0 start\n"
ROW = {
    "offset": 0,
    "month": 12,
    "day": 31,
    "time_of_day_ms": 86_399_998,
    "pid": 1234,
    "tid": 31256,
    "priority": "I",
    "tag": "AutoCoMET",
    "message": "1 conv 0 start",
    "tag_ambiguous": False,
    "invalid_utf8": False,
    "unterminated": False,
}


def rows_of(data: bytes, piece_bytes: int = columns.PIECE_BYTES) -> list[dict[str, Any]]:
    return [row for piece in read_columns(data, piece_bytes=piece_bytes) for row in piece.records.to_pylist()]


def rejects_of(data: bytes, piece_bytes: int = columns.PIECE_BYTES) -> list[Reject]:
    return [reject for piece in read_columns(data, piece_bytes=piece_bytes) for reject in piece.rejects]


def row_of(record: LogRecord) -> dict[str, Any]:
    """A record as a row, written down apart from the code under test."""
    hour, minute, second, millisecond = (int(record.time[at : at + 2 + (at == 9)]) for at in (0, 3, 6, 9))
    return {
        "offset": record.offset,
        "month": int(record.date[:2]),
        "day": int(record.date[3:]),
        "time_of_day_ms": 3_600_000 * hour + 60_000 * minute + 1000 * second + millisecond,
        "pid": record.pid,
        "tid": record.tid,
        "priority": record.priority,
        "tag": record.tag.encode(errors="surrogateescape").decode(errors="backslashreplace"),
        "message": record.message.encode(errors="surrogateescape").decode(errors="backslashreplace"),
        "tag_ambiguous": RecordFlag.TAG_AMBIGUOUS in record.flags,
        "invalid_utf8": RecordFlag.INVALID_UTF8 in record.flags,
        "unterminated": RecordFlag.UNTERMINATED in record.flags,
    }


def padded(number: int) -> bytes:
    return b"%5d" % number


TEXTS = st.lists(st.sampled_from([b"tag", b": ", b":", b" ", b"libc    ", "é推".encode(), b"\xff", b"\r", b"I"])).map(
    b"".join
)
NUMBERS = st.one_of(st.integers(0, 99_999), st.integers(0, 9_999_999)).map(padded)
CLOCKS = st.sampled_from([b"12-31 23:59:59.998", b"01-02 03:04:05.678", b"1-02 03:04:05.678", b"02-29 24:61:00.000"])
REGULAR = st.tuples(CLOCKS, NUMBERS, NUMBERS, st.sampled_from([b"V", b"I", b"A", b"X"]), TEXTS, TEXTS).map(
    lambda part: b"%s %s %s %s %s: %s" % part
)
OTHERS = st.one_of(st.binary(max_size=50), st.sampled_from([b"", b"--------- beginning of main", LINE[:-1]]))
DAMAGED = st.tuples(REGULAR, st.integers(0, 40), st.binary(max_size=3)).map(
    lambda part: part[0][: part[1]] + part[2] + part[0][part[1] + 1 :]
)
LOGS = st.tuples(
    st.lists(st.one_of(REGULAR, OTHERS, DAMAGED), max_size=12), st.sampled_from([b"\n", b"\r\n"]), st.booleans()
).map(lambda part: part[1].join(part[0]) + (part[1] if part[2] else b""))


def test_a_line_is_a_row() -> None:
    assert rows_of(LINE) == [ROW]


def test_the_columns_of_an_empty_log_are_no_pieces() -> None:
    assert list(read_columns(b"")) == []


@given(LOGS, st.integers(1, 200))
@example(LINE[:-1], 1)
@example(b"\n" * 5 + LINE, 3)
@example(LINE[:33] + b"        : " + LINE, 100)
@example(LINE[:33] + b"\xff    : eight bytes when escaped\n", 100)
@example(LINE.replace(b"1234", b" 1 2"), 100)
@example(LINE.replace(b"\n", b"\r\n") + LINE, 10)
@example(LINE + LINE.replace(b"\n", b"\r\n"), 10)
@example(LINE + b"x\r\n\r\n\r\r\n", 10)
def test_columns_equal_the_records_line_for_line_wherever_the_log_is_parted(log: bytes, piece_bytes: int) -> None:
    refused: list[threadtime.Reject] = []

    expected = [row_of(record) for record in parse_threadtime(log, rejects=refused)]

    assert rows_of(log, piece_bytes) == expected
    assert [(reject.offset, reject.text) for reject in rejects_of(log, piece_bytes)] == [
        (reject.offset, reject.line) for reject in refused
    ]


def test_a_number_wider_than_its_field_is_read_all_the_same() -> None:
    wide = LINE.replace(b" 1234", b"4194304")

    assert rows_of(LINE + wide) == [ROW, {**ROW, "offset": len(LINE), "pid": 4_194_304}]


def test_a_text_that_is_no_utf8_is_escaped_and_flagged_and_its_neighbours_are_as_they_were() -> None:
    bad = LINE.replace(b"conv", b"\xffconv")
    other = LINE.replace(b"conv", "é推".encode())

    assert rows_of(bad + other) == [
        {**ROW, "message": "1 \\xffconv 0 start", "invalid_utf8": True},
        {**ROW, "message": "1 é推 0 start", "offset": len(bad)},
    ]


def test_every_piece_has_the_schema_even_where_it_holds_no_record() -> None:
    pieces = list(read_columns(b"noise\n" + LINE, piece_bytes=7))

    assert [piece.records.schema for piece in pieces] == [SCHEMA, SCHEMA]
    assert [piece.records.num_rows for piece in pieces] == [0, 1]


def test_a_line_that_no_log_can_hold_is_a_reject_and_the_lines_around_it_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "LONGEST_LINE_BYTES", 100)
    hole = bytes(300) + LINE

    assert rows_of(LINE + hole + LINE, 80) == [ROW, {**ROW, "offset": len(LINE + hole)}]
    assert rejects_of(LINE + hole + LINE, 80) == [
        Reject(offset=len(LINE), reason="too long for a line", text=bytes(200))
    ]


def test_a_mapped_log_reads_as_one_in_memory_and_can_be_closed_in_the_middle(tmp_path: Path) -> None:
    log = (LINE + b"noise\n") * 2000
    (tmp_path / "a.log").write_bytes(log)

    with mapped(tmp_path / "a.log") as data:
        first = next(iter(read_columns(data, piece_bytes=len(log) // 3)))
    with mapped(tmp_path / "a.log") as data:
        whole = [row for piece in read_columns(data, piece_bytes=10_000) for row in piece.records.to_pylist()]

    assert whole == rows_of(log)
    assert first.records.to_pylist() == whole[: first.records.num_rows]


def test_what_was_written_into_a_private_mapping_is_kept() -> None:
    with mmap.mmap(-1, 3 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as data:
        data.write((LINE * (len(data) // len(LINE) + 1))[: len(data)])
        before = bytes(data)

        rows = [row for piece in read_columns(data, piece_bytes=100) for row in piece.records.to_pylist()]

        assert bytes(data) == before
    assert rows == rows_of(before)


def test_a_log_is_written_as_a_table_of_the_same_rows(tmp_path: Path) -> None:
    log = (LINE + LINE.replace(b"AutoCoMET", b"libc    ") + b"noise\n") * 30_000
    rejects: list[Reject] = []

    written = write_parquet(log, tmp_path / "new" / "a.parquet", rejects.append)

    table = pq.read_table(tmp_path / "new" / "a.parquet")
    assert written == Written(records=60_000, rejects=30_000)
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == rows_of(log)
    assert rejects == rejects_of(log)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.parquet"]


def test_an_empty_log_is_written_as_a_table_without_rows(tmp_path: Path) -> None:
    assert write_parquet(b"", tmp_path / "a.parquet") == Written(records=0, rejects=0)
    assert pq.read_table(tmp_path / "a.parquet").equals(SCHEMA.empty_table())


def test_a_table_that_cannot_be_written_is_an_error_that_names_it_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "a.parquet"
    write_parquet(LINE, table)

    def fail(*_: object, **__: object) -> None:
        raise pa.ArrowInvalid("no room")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(DumpError, match=r"a\.parquet cannot be written: no room"):
        write_parquet(LINE + LINE, table)

    assert pq.read_table(table).num_rows == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("name", ["loghub_Android_2k.log", "generated/threadtime.txt", "generated/threadtime_crlf.txt"])
def test_a_real_logs_columns_equal_its_records(name: str) -> None:
    path = Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "logcat", name)
    if not path.is_file():
        pytest.skip(f"AUTOCOMET_DATA names no folder with dumps/logcat/{name}")
    log = path.read_bytes()

    expected = [row_of(record) for record in parse_threadtime(log)]

    assert rows_of(log, 10_000) == expected
    assert len(expected) >= 20
