"""Sections of a log: their forms, where they end, and what is in none."""

from __future__ import annotations

from datetime import date

import pytest

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.logcat.formats import RAW
from parsers.logcat.reader import looks_like_logcat, read_logcat
from parsers.logcat.record import LogRecord, RecordFlag, Source
from tests.parsers.logcat.liblog import Event, Verbosity, rendered

MAIN = b"--------- beginning of main\n"
LINE = b"12-31 23:59:59.998  1234  1256 I tag     : text\n"
BRIEF_LINE = b"I/tag     ( 1234): text\n"


def records(dump: bytes, *, join: bool = False) -> list[LogRecord]:
    return list(read_logcat(dump, DumpSettings(join=join)).records)


def rejects(dump: bytes) -> list[Reject]:
    read = read_logcat(dump, DumpSettings())
    list(read.records)
    return list(read.rejects)


def test_each_section_has_its_own_form() -> None:
    dump = MAIN + LINE + b"--------- switch to system\n" + BRIEF_LINE + b"--------- beginning of crash\n" + b"plain\n"

    read = records(dump)

    assert [(record.source, record.buffer, record.message) for record in read] == [
        (Source.THREADTIME, "main", "text"),
        (Source.BRIEF, "system", "text"),
        (Source.RAW, "crash", "plain"),
    ]
    assert [record.offset for record in read] == [dump.index(LINE), dump.index(BRIEF_LINE), dump.index(b"plain")]


def test_a_form_that_changes_without_a_separator_is_found_after_some_lines() -> None:
    dump = LINE * 3 + BRIEF_LINE * 120

    read = records(dump)

    assert [record.source for record in read] == [Source.THREADTIME] * 3 + [Source.BRIEF] * 100
    assert len(rejects(dump)) == 20


def test_lines_before_the_log_begins_are_rejects_and_empty_ones_nothing() -> None:
    dump = b"- waiting for device -\n\n\r\n" + MAIN + LINE + b"\n \n" + LINE

    assert len(records(dump)) == 2
    assert rejects(dump) == [Reject(offset=0, reason="fits no form of logcat", text=b"- waiting for device -")]


def test_a_line_that_does_not_fit_is_a_reject_with_its_place() -> None:
    dump = LINE + b"\ttorn\n" + LINE

    assert rejects(dump) == [Reject(offset=len(LINE), reason="no line of the form threadtime", text=b"\ttorn")]
    assert [record.offset for record in records(dump)] == [0, len(LINE) + 6]


def test_many_rejects_in_a_row_are_counted_as_one_after_the_first_thousand() -> None:
    dump = LINE + b"junk\n" * 5000 + LINE

    found = rejects(dump)

    assert len(found) == 1001
    assert found[-1].reason == "fits no form of logcat; all that follows up to the next record"
    assert len(records(dump)) == 2


@pytest.mark.parametrize(
    "dump",
    [b"a note\nof two lines\n", b"\n\n\n", b"\x7fELF" + bytes(60), b"I am no log: at all\n", b"x" * 100_000, b"{}"],
)
def test_what_fits_no_form_is_refused_and_no_kind_of_log(dump: bytes) -> None:
    assert not looks_like_logcat(dump, "log.txt")
    with pytest.raises(DumpError, match="No form of logcat fits"):
        read_logcat(dump, DumpSettings())


def test_raw_is_taken_where_it_is_named_or_logcat_says_that_it_is_a_log() -> None:
    dump = b"a note\n\nof three lines\n"

    named = list(read_logcat(dump, DumpSettings(), RAW).records)

    assert [record.message for record in named] == ["a note", "", "of three lines"]
    assert [record.message for record in records(MAIN + dump)] == ["a note", "", "of three lines"]
    assert looks_like_logcat(MAIN + dump, "")


@pytest.mark.parametrize(
    "dump",
    [
        b"[ 11-24 10:20:30.123   100:  200 E/crash    ]\njava.lang.Error\n\tat a.B.c\n\tat d.E.f\n\n",
        b"2026-11-24 10:20:30.123 100-200/com.example E/crash: java.lang.Error\n        at a.B.c\n        at d.E.f\n",
        b"2026-11-24 10:20:30.123   100-200   crash  com.example  E  java.lang.Error\n"
        + b" " * 58
        + b"at a.B.c\n"
        + b" " * 58
        + b"at d.E.f\n",
    ],
)
def test_one_message_of_many_lines_is_a_log_where_its_header_leaves_no_doubt(dump: bytes) -> None:
    assert looks_like_logcat(dump, "")
    (record,) = records(dump)
    assert [line.strip() for line in record.message.split("\n")] == ["java.lang.Error", "at a.B.c", "at d.E.f"]


@pytest.mark.parametrize(
    ("captured", "says"),
    [(None, "The log has no year."), (date(2026, 3, 1), "1 times are of a 29 February in a year that has none")],
)
def test_a_note_says_why_a_time_has_no_year(captured: date | None, says: str) -> None:
    read = read_logcat(LINE.replace(b"12-31", b"02-29"), DumpSettings(capture_date=captured))

    list(read.records)

    assert read.notes[1].startswith(says)


def test_an_empty_log_has_no_records() -> None:
    assert records(b"") == []
    assert records(MAIN + b"--------- beginning of system\n") == []


def test_a_log_that_was_moved_to_the_right_is_read_with_its_places() -> None:
    dump = b"\t" + MAIN + b"\t" + LINE + b"\t" + LINE

    assert [record.offset for record in records(dump)] == [len(MAIN) + 1, len(MAIN) + len(LINE) + 2]
    assert looks_like_logcat(dump, "")


@pytest.mark.parametrize("form", ["threadtime", "time", "long"])
def test_the_spaces_before_an_epoch_are_no_indent(form: str) -> None:
    dump = b"".join(rendered(Event(seconds=1_767_205_799 + n), Verbosity(form=form, epoch=True)) for n in range(3))

    assert [record.time for record in records(dump)] == [
        f"2025-12-31T18:{29 + (n > 0)}:{(59 + n) % 60:02}.000+00:00" for n in range(3)
    ]


@pytest.mark.parametrize("separator", [MAIN, MAIN.replace(b"\n", b"\r\n"), b""])
def test_a_carriage_return_is_windows_own_only_where_the_lines_have_one_throughout(separator: bytes) -> None:
    windows = separator.endswith(b"\r\n") or not separator
    dump = separator + LINE.replace(b"\n", b"\r\n") * 3

    assert [record.message for record in records(dump)] == ["text" if windows else "text\r"] * 3
    assert [record.message for record in records(LINE * 3 + LINE[:-1] + b"\r\n")][-1] == "text\r"


def test_a_terminals_double_carriage_returns_go_as_well() -> None:
    dump = (MAIN + LINE * 3).replace(b"\n", b"\r\r\n")

    assert [record.message for record in records(dump)] == ["text"] * 3


def test_a_line_that_the_dump_cut_is_flagged() -> None:
    assert [record.flags for record in records(LINE + LINE[:-1])] == [RecordFlag.NONE, RecordFlag.UNTERMINATED]


def test_a_line_longer_than_any_of_a_log_is_a_reject() -> None:
    dump = LINE + LINE[:-1] + b"x" * 70_000 + b"\n" + LINE

    assert len(records(dump)) == 2
    assert [reject.reason for reject in rejects(dump)] == ["line longer than any of a log"]


def test_color_goes_from_every_form_and_a_messages_own_color_stays() -> None:
    event = Event(seconds=0, message=b"\x1b[31mred\x1b[0m")
    dumps = {form: rendered(event, Verbosity(form=form, color=True)) for form in ("brief", "process", "long", "tag")}
    raw = MAIN + rendered(event, Verbosity(form="raw", color=True)) + b"\x1b[38;5;40mplain\x1b[0m\n\n"

    assert {form: records(dump)[0].message for form, dump in dumps.items()} == dict.fromkeys(
        dumps, "\x1b[31mred\x1b[0m"
    )
    assert [record.message for record in records(raw)] == ["\x1b[31mred\x1b[0m", "plain", ""]
    assert records(MAIN + b"\x1b[31mred\x1b[0m\nplain\n")[0].message == "\x1b[31mred\x1b[0m"


def test_a_process_with_a_uid_is_told_from_a_thread_by_the_tags_behind_the_messages() -> None:
    process = b"I( 1000: 1234) text  (tag)\nI( 1000: 1234) more  (tag)\n"
    thread = b"I( 1234: 1256) text\nI( 1234: 1256) more  (tag)\n"

    assert {record.source for record in records(process)} == {Source.PROCESS}
    assert {record.source for record in records(thread)} == {Source.THREAD}


def test_old_names_of_buffers_are_separators_too() -> None:
    assert [record.buffer for record in records(b"--------- beginning of /dev/log/system\n" + BRIEF_LINE)] == ["system"]
