from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from parsers.dump import DumpSettings, Reject, mapped
from parsers.errors import DumpError
from parsers.logcat import columns
from parsers.logcat.columns import SCHEMA, Written, fits_columns, read_columns, write_parquet
from parsers.logcat.formats import THREADTIME
from parsers.logcat.reader import read_logcat
from parsers.logcat.record import LogRecord, RecordFlag

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
    "truncated": False,
    "invalid_utf8": False,
    "unterminated": False,
}


def rows_of(data: bytes, piece_bytes: int = columns.PIECE_BYTES) -> list[dict[str, Any]]:
    return [row for piece in read_columns(data, piece_bytes=piece_bytes) for row in piece.records.to_pylist()]


def rejects_of(data: bytes, piece_bytes: int = columns.PIECE_BYTES) -> list[Reject]:
    return [reject for piece in read_columns(data, piece_bytes=piece_bytes) for reject in piece.rejects]


def row_of(record: LogRecord) -> dict[str, Any]:
    """A record as a row, written down apart from the code under test."""
    assert record.raw_time is not None
    hour, minute, second, millisecond = (int(record.raw_time[at : at + 2 + (at == 15)]) for at in (6, 9, 12, 15))
    tag = record.tag
    return {
        "offset": record.offset,
        "month": int(record.raw_time[:2]),
        "day": int(record.raw_time[3:5]),
        "time_of_day_ms": 3_600_000 * hour + 60_000 * minute + 1000 * second + millisecond,
        "pid": record.pid,
        "tid": record.tid,
        "priority": record.priority,
        "tag": None if tag is None else tag.encode(errors="surrogateescape").decode(errors="backslashreplace"),
        "message": record.message.encode(errors="surrogateescape").decode(errors="backslashreplace"),
        "tag_ambiguous": RecordFlag.TAG_AMBIGUOUS in record.flags,
        "truncated": RecordFlag.TRUNCATED in record.flags,
        "invalid_utf8": RecordFlag.INVALID_UTF8 in record.flags,
        "unterminated": RecordFlag.UNTERMINATED in record.flags,
    }


def padded(number: int) -> bytes:
    return b"%5d" % number


PARTS = (
    b"tag",
    b": ",
    b":",
    b" ",
    b"libc    ",
    "é推".encode(),
    b"\xff",
    b"I",
    b"\x1b[0m",
    b"\\x1B",
    b"x" * 90,
    b"y" * 4000,
)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=6).map(b"".join)
NUMBERS = st.one_of(st.integers(0, 99_999), st.integers(0, 9_999_999)).map(padded)
CLOCKS = st.sampled_from([b"12-31 23:59:59.998", b"01-02 03:04:05.678", b"02-30 00:00:00.000"])
DAMAGED_CLOCKS = st.sampled_from(
    [b"1-02 03:04:05.678", b"13-01 00:00:00.000", b"02-29 24:00:00.000", b"00-01 00:00:00.000"]
)
PRIORITIES = st.sampled_from([b"V", b"I", b"A", b"?", b"X"])
USUAL = st.tuples(st.one_of(CLOCKS, CLOCKS, CLOCKS, DAMAGED_CLOCKS), NUMBERS, NUMBERS, PRIORITIES, TEXTS, TEXTS).map(
    lambda part: b"%s %s %s %s %s: %s" % part
)
SPLICES = st.binary(max_size=3).filter(lambda text: not set(text) & set(b"\r\n\0"))
OTHERS = st.one_of(SPLICES, st.sampled_from([b"", b" ", b"--------- beginning of main", b"noise", LINE[:-1]]))
DAMAGED = st.tuples(USUAL, st.integers(0, 40), SPLICES).map(
    lambda part: part[0][: part[1]] + part[2] + part[0][part[1] + 1 :]
)
LOGS = st.tuples(
    st.lists(st.one_of(USUAL, USUAL, OTHERS, DAMAGED), max_size=12),
    st.sampled_from([(b"\n", b""), (b"\n", b"\n"), (b"\r\n", b"\r\n")]),
).map(lambda part: part[1][0].join([LINE[:-1], *part[0]]) + part[1][1])
"""The first line is plain, and all lines end alike, so that there is no doubt of either."""


def test_a_line_is_a_row() -> None:
    assert rows_of(LINE) == [ROW]


def test_the_columns_of_an_empty_log_are_no_pieces() -> None:
    assert list(read_columns(b"")) == []


@given(LOGS, st.integers(1, 200))
@example(LINE[:-1], 1)
@example(b"\n" * 5 + LINE, 3)
@example(LINE[:33] + b"        : " + LINE, 100)
@example(LINE[:33] + b"\xff    : eight bytes when escaped\n", 100)
@example(LINE[:33] + b"a tag of 127 bytes" * 6 + b": \n", 100)
@example(LINE[:33] + b"no space behind the tag:\n", 100)
@example(LINE[:33] + b"t: " + b"m" * 4064 + b"\n", 100)
@example(b"\xef\xbb\xbf" + LINE, 10)
@example(LINE.replace(b" 1234", b"12   ") + LINE.replace(b" 1234", b"     "), 100)
@example(b"x" * 70_000 + b"\n" + LINE, 10)
@example(LINE + b"x" * 70_000, 100_000)
def test_columns_equal_the_records_line_for_line_wherever_the_log_is_parted(log: bytes, piece_bytes: int) -> None:
    dump = read_logcat(log, DumpSettings(), THREADTIME)
    records = list(dump.records)
    assume(all(record.uid is None for record in records))

    assert rows_of(log, piece_bytes) == [row_of(record) for record in records]
    assert rejects_of(log, piece_bytes) == list(dump.rejects)


def test_padding_that_somebody_cut_is_no_part_of_a_tag() -> None:
    head, behind = LINE.split(b"AutoCoMET")
    tags = [b"t", b"t ", b"t   ", b"", b" ", b"       ", b"ninecount "]

    rows = rows_of(b"".join(head + tag + behind for tag in tags))

    assert [row["tag"] for row in rows] == ["t", "t", "t", "", "", "", "ninecount "]


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


def test_the_carriage_returns_of_a_log_that_begins_with_a_separator_are_no_part_of_its_messages() -> None:
    separator = b"--------- beginning of main\r\n"

    assert rows_of(separator + LINE.replace(b"\n", b"\r\n")) == [{**ROW, "offset": len(separator)}]


@pytest.mark.parametrize("piece_bytes", [700, 3000 + len(LINE), 10_000])
def test_of_many_rejects_in_a_row_the_first_are_listed_and_a_record_begins_a_new_row(piece_bytes: int) -> None:
    log = b"x\n" * 1500 + LINE + b"y\n"

    rejects = rejects_of(log, piece_bytes)

    assert [reject.offset for reject in rejects] == [*range(0, 2002, 2), 3000 + len(LINE)]
    assert rejects[1000].reason == "no line of the form threadtime; all that follows up to the next record"


def test_a_line_that_no_log_can_hold_is_a_reject_and_the_lines_around_it_are_read() -> None:
    hole = bytes(70_000) + LINE

    assert rows_of(LINE + hole + LINE, 80) == [ROW, {**ROW, "offset": len(LINE + hole)}]
    assert rejects_of(LINE + hole + LINE, 80) == [
        Reject(offset=len(LINE), reason="line longer than any of a log", text=bytes(200))
    ]


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace(b"12-31", b"2026-12-31"),
        LINE.replace(b".998", b".998 +0100"),
        LINE.replace(b".998", b".998123"),
        LINE.replace(b"12-31 23:59:59.998", b"         1234567890.123"),
        LINE.replace(b"  1234", b"  root  1234"),
        LINE.replace(b" 1234", b"1 234"),
    ],
)
def test_a_line_with_a_year_a_zone_a_uid_or_finer_time_is_a_reject(line: bytes) -> None:
    assert rows_of(line + LINE) == [{**ROW, "offset": len(line)}]
    assert rejects_of(line + LINE) == [
        Reject(offset=0, reason="a uid, or a time of another form", text=line.removesuffix(b"\n"))
    ]
    assert not fits_columns(line + LINE)


def test_columns_fit_a_log_that_begins_with_nothing_but_plain_lines() -> None:
    assert fits_columns(b"--------- beginning of main\n" + LINE * 5000)
    assert fits_columns(LINE[:-1])
    assert not fits_columns(b"")
    assert not fits_columns(b"I/tag: brief\n" * 5)
    assert not fits_columns((LINE.decode() * 5).encode("utf-16"))


def test_a_log_in_utf16_is_refused() -> None:
    with pytest.raises(DumpError, match="The log is utf-16-le; columns are only read from UTF-8"):
        next(read_columns((LINE.decode() * 5).encode("utf-16")))


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

    dump = read_logcat(log, DumpSettings())
    records = [row_of(record) for record in dump.records]

    assert rows_of(log, 10_000) == records
    assert rejects_of(log, 10_000) == list(dump.rejects)
    assert len(records) >= 20
    assert fits_columns(log)
