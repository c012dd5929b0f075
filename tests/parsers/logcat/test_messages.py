"""Forms in which a message has borders."""

from __future__ import annotations

from parsers.dump import DumpSettings
from parsers.logcat.reader import read_logcat
from parsers.logcat.record import LogRecord, RecordFlag, Source

HEADER = b"[ 12-31 23:59:59.998  1234: 1256 I/tag      ]\n"
TRUNCATED, UNTERMINATED = RecordFlag.TRUNCATED, RecordFlag.UNTERMINATED


def records(dump: bytes) -> list[LogRecord]:
    return list(read_logcat(dump, DumpSettings()).records)


def messages(dump: bytes) -> list[str]:
    return [record.message for record in records(dump)]


def test_a_message_ends_at_the_empty_line_before_the_next_header() -> None:
    dump = HEADER + b"a\n\nb\n\n" + HEADER + b"\n\n" + HEADER + b"ends with a newline\n\n\n"

    assert messages(dump) == ["a\n\nb", "", "ends with a newline\n"]
    assert [record.offset for record in records(dump)] == [0, len(HEADER) + 6, 2 * len(HEADER) + 8]


def test_a_header_without_an_empty_line_before_it_is_text() -> None:
    assert messages(HEADER + b"quotes\n" + HEADER + b"\n") == ["quotes\n" + HEADER.decode().rstrip("\n")]


def test_a_separator_counts_only_between_messages() -> None:
    separator = b"--------- beginning of crash\n"
    dump = HEADER + b"quotes\n" + separator + b"\n" + separator + HEADER + b"text\n\n"

    assert [(record.message, record.buffer) for record in records(dump)] == [
        ("quotes\n--------- beginning of crash", None),
        ("text", "crash"),
    ]


def test_a_message_whose_end_is_missing_is_flagged() -> None:
    whole, cut, torn = HEADER + b"text\n\n", HEADER + b"text\n", HEADER + b"te"

    assert [records(dump)[0].flags for dump in (whole, cut, torn)] == [
        RecordFlag.NONE,
        TRUNCATED,
        TRUNCATED | UNTERMINATED,
    ]


def test_text_before_the_first_header_is_rejected() -> None:
    read = read_logcat(b"the end of a message\n\n" + (HEADER + b"text\n\n") * 2, DumpSettings())

    assert [record.message for record in read.records] == ["text", "text"]
    assert [(reject.offset, reject.text) for reject in read.rejects] == [(0, b"the end of a message")]


def test_studios_older_text_keeps_a_message_together() -> None:
    head = "2018-02-06 17:16:28.555 123-456/com.example I/"
    dump = f"{head}My\u00a0Tag: first\n    second\n\n        third\n{head}b: {{}}\n".encode()

    first, second = records(dump)

    assert (first.source, first.tag, first.message) == (Source.STUDIO_TEXT, "My Tag", "first\nsecond\n\n    third")
    assert (first.time, first.priority, first.pid, first.tid) == ("2018-02-06T17:16:28.555", "I", 123, 456)
    assert (second.tag, second.message) == ("b", "{}")


def test_studios_oldest_text_moves_further_lines_under_the_first() -> None:
    head = "02-06 17:16:28.555      123-456/? E/tag: "
    dump = f"{head}first\n{' ' * len(head)}  second\n".encode()

    (record,) = records(dump)

    assert (record.time, record.message) == ("--02-06T17:16:28.555", "first\n  second")


def test_studios_text_may_lack_the_time() -> None:
    (record,) = records(b"123-456/com.example.app W/tag: text\n")

    assert (record.source, record.time, record.pid, record.tag) == (Source.STUDIO_TEXT, None, 123, "tag")


def view(tag: str, message: str) -> str:
    return f"2022-09-12 15:12:31.123 {1234:5}-{1256:<5} {tag:<24}{'com.example.app':<36} D  {message}"


def test_studios_view_is_read_by_its_columns() -> None:
    start = len(view("", ""))
    dump = f"{view('My Tag', 'a:  W  b')}\n{' ' * start}second\n{view('<no-tag>', '')}\n".encode()

    first, second = records(dump)

    assert (first.source, first.tag, first.message) == (Source.STUDIO_VIEW, "My Tag", "a:  W  b\nsecond")
    assert (first.time, first.priority, first.pid, first.tid) == ("2022-09-12T15:12:31.123", "D", 1234, 1256)
    assert (second.tag, second.message) == ("", "")


def test_a_tag_that_studio_shortened_is_not_known() -> None:
    (record,) = records(f"{view('AVeryLongTag...OfAClass', 'text')}\n".encode())

    assert (record.tag, record.message, record.flags) == (None, "text", TRUNCATED)
