"""What is flagged, and what is joined."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from parsers.dump import DumpSettings
from parsers.logcat.reader import read_logcat
from parsers.logcat.record import LogRecord, RecordFlag

FULL = 4068 - 3 - len("tag")
"""Bytes of a message that fill an entry together with its level, its tag and two zeros."""


def line(message: str, *, tag: str = "tag", time: str = "12-31 23:59:59.998", tid: int = 1256) -> str:
    return f"{time}  1234 {tid:5} I {tag:8}: {message}\n"


def records(dump: str, *, join: bool = False, captured: date | None = None) -> list[LogRecord]:
    settings = DumpSettings(join=join, capture_date=captured)
    return list(read_logcat(dump.encode(errors="surrogateescape"), settings).records)


def flags(dump: str, *, join: bool = False, captured: date | None = None) -> list[list[object]]:
    return [list(record.to_json()["flags"] or []) for record in records(dump, join=join, captured=captured)]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("chatty", "uid=10101(com.example) RenderThread identical 12 lines"),
        ("chatty", "uid=1000 expire 1 line"),
        ("chatty", "uid=1000 dropped=15"),
        ("liblog", "12"),
        ("liblog", "dropped=12"),
    ],
)
def test_where_the_log_says_that_lines_are_missing_is_flagged(tag: str, message: str) -> None:
    assert flags(line(message, tag=tag)) == [["lines_lost"]]
    assert flags(line(message)) == [[]]


def test_a_message_that_fills_its_entry_is_flagged_and_a_shorter_one_is_not() -> None:
    dump = line("x" * (FULL - 1)) + line("x" * FULL) + line("é" * (FULL // 2) + "x" * (FULL % 2))

    assert flags(dump) == [[], ["truncated"], ["truncated"]]


def test_a_joined_message_that_fills_its_entry_is_flagged() -> None:
    dump = line("x" * 2000) + line("y" * (FULL - 2001))

    assert flags(dump, join=True) == [["truncated", "joined"]]


def test_what_printable_may_have_written_is_left_as_it_is_and_flagged() -> None:
    messages = ["\\x1B[31m", "a\\\\b", "C:\\Users", "\\007"]

    read = records("".join(map(line, messages)))

    assert [record.message for record in read] == messages
    assert [record.flags for record in read] == [
        RecordFlag.PRINTABLE_ESCAPES,
        RecordFlag.PRINTABLE_ESCAPES,
        RecordFlag.NONE,
        RecordFlag.PRINTABLE_ESCAPES,
    ]


def test_bytes_that_are_no_utf_8_come_back() -> None:
    data = b"\xff\xc3\xa9\x80 and more"
    text = data.decode(errors="surrogateescape")

    (record,) = records(line(text, tag=text))

    assert record.flags is RecordFlag.INVALID_UTF8
    assert record.message.encode(errors="surrogateescape") == data
    assert record.tag is not None
    assert record.tag.encode(errors="surrogateescape") == data


def test_a_time_before_the_latest_is_out_of_order() -> None:
    times = [
        "05-02 00:00:00.000",
        "05-01 23:59:59.999",
        "05-01 12:00:00.000",
        "05-02 00:00:00.000",
        "05-03 00:00:00.000",
    ]

    assert flags("".join(line("x", time=time) for time in times)) == [[], ["out_of_order"], ["out_of_order"], [], []]


@pytest.mark.parametrize("captured", [None, date(2026, 2, 2)])
def test_a_new_year_is_in_order_and_a_clock_set_back_over_it_is_not(captured: date | None) -> None:
    times = ["12-31 23:59:59.998", "01-01 00:00:00.000", "12-31 23:59:59.999", "02-01 00:00:00.000"]

    assert flags("".join(line("x", time=time) for time in times), captured=captured) == [[], [], ["out_of_order"], []]


def test_buffers_have_an_order_each_and_a_log_that_begins_again_a_new_one() -> None:
    early, late = line("x", time="05-01 00:00:00.000"), line("x", time="05-02 00:00:00.000")
    main, crash = "--------- beginning of main\n", "--------- beginning of crash\n"
    back = "--------- switch to main\n"

    assert flags(main + late + crash + early + back + early) == [[], [], ["out_of_order"]]
    assert flags(main + late + main + early) == [[], []]


def test_a_day_that_no_calendar_has_is_flagged_and_has_no_time() -> None:
    (record,) = records(line("x", time="02-30 00:00:00.000"))

    assert (record.time, record.raw_time, record.flags) == (None, "02-30 00:00:00.000", RecordFlag.TIME_INVALID)


def test_only_neighbours_with_an_equal_header_are_joined() -> None:
    dump = line("a") + line("b") + line("c", tid=1) + line("d") + line("e", tag="other") + line("f")

    read = records(dump, join=True)

    assert [record.message for record in read] == ["a\nb", "c", "d", "e", "f"]
    assert [RecordFlag.JOINED in record.flags for record in read] == [True, False, False, False, False]
    assert [record.offset for record in read] == [len(line("x")) * number for number in (0, 2, 3, 4, 5)]


def test_a_joined_record_has_the_flags_of_its_lines() -> None:
    assert flags(line("a") + line("b: c"), join=True) == [["tag_ambiguous", "joined"]]


def test_lines_of_raw_are_not_joined() -> None:
    assert [record.message for record in records("--------- beginning of main\na\nb\n", join=True)] == ["a", "b"]


def test_the_zone_that_the_user_named_reaches_the_records() -> None:
    settings = DumpSettings(capture_date=date(2026, 1, 1), timezone=ZoneInfo("Asia/Kolkata"))

    (record,) = read_logcat(line("x").encode(), settings).records

    assert record.time == "2025-12-31T23:59:59.998+05:30"


def test_the_notes_say_how_the_log_was_read_and_what_would_tell_more() -> None:
    read = read_logcat((line("x") * 2).encode(), DumpSettings())
    list(read.records)

    assert list(read.notes) == [
        "Records by form: 2 of threadtime.",
        "The log has no year. Say on which day it was taken (--capture-date) to get one.",
    ]
