from __future__ import annotations

import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.dump import Reject
from parsers.logcat.record import LogRecord, RecordFlag, Source, TimeConfidence
from parsers.logcat.threadtime import parse_threadtime

LINE = b"12-31 23:59:59.998  1234  1256 I AutoCoMET: 1 conv 0 start threads=1"
RECORD = LogRecord(
    source=Source.THREADTIME,
    offset=0,
    buffer=None,
    raw_time="12-31 23:59:59.998",
    time=None,
    time_confidence=TimeConfidence.NONE,
    uid=None,
    pid=1234,
    tid=1256,
    priority="I",
    tag="AutoCoMET",
    message="1 conv 0 start threads=1",
)


def header(rest: bytes) -> bytes:
    return b"12-31 23:59:59.998  1234  1256 I " + rest + b"\n"


def only(data: bytes) -> LogRecord:
    (record,) = parse_threadtime(data)
    return record


def test_a_line_is_a_record_with_its_header_taken_apart() -> None:
    assert list(parse_threadtime(LINE + b"\n")) == [RECORD]


def test_an_empty_log_has_no_records() -> None:
    assert list(parse_threadtime(b"")) == []


def test_separators_and_empty_lines_are_neither_records_nor_rejects() -> None:
    rejects: list[Reject] = []

    records = list(parse_threadtime(b"--------- beginning of main\n\n" + LINE + b"\n", rejects=rejects))

    assert [record.offset for record in records] == [29]
    assert rejects == []


def test_a_line_that_does_not_fit_is_kept_with_its_place() -> None:
    rejects: list[Reject] = []

    records = list(parse_threadtime(b"noise\n" + LINE + b"\n" + LINE[3:] + b"\n", rejects=rejects))

    assert [record.offset for record in records] == [6]
    reason = "no line of the form threadtime"
    assert rejects == [
        Reject(offset=0, reason=reason, text=b"noise"),
        Reject(offset=7 + len(LINE), reason=reason, text=LINE[3:]),
    ]


@pytest.mark.parametrize(
    ("rest", "tag", "message", "flags"),
    [
        (b"libc    : Fatal signal 11", "libc", "Fatal signal 11", RecordFlag.NONE),
        (b"empty   : ", "empty", "", RecordFlag.NONE),
        (b"        : Booting Linux", "", "Booting Linux", RecordFlag.NONE),
        (b"a tag longer : with a space", "a tag longer ", "with a space", RecordFlag.NONE),
        (b"tag with: colon: msg", "tag with", "colon: msg", RecordFlag.TAG_AMBIGUOUS),
        (b"System.err: \tat a.b.C.run(C.java:12)", "System.err", "\tat a.b.C.run(C.java:12)", RecordFlag.NONE),
        ("タグ: 推論 ✓".encode(), "タグ", "推論 ✓", RecordFlag.NONE),
        (b"binary  : \xff\x80bad", "binary", "\udcff\udc80bad", RecordFlag.INVALID_UTF8),
    ],
)
def test_tag_and_message_part_at_the_first_colon_and_what_is_doubtful_is_flagged(
    rest: bytes, tag: str, message: str, flags: RecordFlag
) -> None:
    record = only(header(rest))

    assert (record.tag, record.message, record.flags) == (tag, message, flags)


def test_a_header_without_a_colon_behind_it_is_a_reject() -> None:
    rejects: list[Reject] = []

    assert list(parse_threadtime(header(b"T" * 60), rejects=rejects)) == []
    assert len(rejects) == 1


def test_a_line_that_the_data_cut_is_flagged() -> None:
    assert only(LINE).flags is RecordFlag.UNTERMINATED


def test_carriage_returns_go_where_every_line_has_one_and_stay_where_they_are_the_messages() -> None:
    windows = list(parse_threadtime(LINE + b"\r\n" + LINE + b"\r\r\n"))
    unix = list(parse_threadtime(LINE + b"\n" + LINE + b"\r\n"))

    assert [record.message[-1] for record in windows] == ["1", "\r"]
    assert [record.message[-1] for record in unix] == ["1", "\r"]


def test_a_mapped_file_reads_as_its_bytes_do(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(LINE + b"\n" + header(b"libc    : x"))

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        records = list(parse_threadtime(mapped))

    assert records == list(parse_threadtime(path.read_bytes()))
    assert len(records) == 2


@given(st.lists(st.one_of(st.just(LINE), st.binary(max_size=60)), max_size=8))
def test_every_line_is_a_record_or_a_reject_or_says_nothing(lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    rejects: list[Reject] = []

    records = list(parse_threadtime(data, rejects=rejects))

    offsets = [record.offset for record in records] + [reject.offset for reject in rejects]
    spoken = [line for line in data.split(b"\n") if line.rstrip(b"\r") and not line.startswith(b"---------")]
    assert len(set(offsets)) == len(offsets) <= len(data.split(b"\n"))
    assert len(offsets) >= len(spoken) - data.count(b"\r")
