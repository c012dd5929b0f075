from __future__ import annotations

import pytest

from parsers.logcat.formats import (
    BRIEF,
    LONG,
    PROCESS,
    RAW,
    TAG,
    THREAD,
    THREADTIME,
    TIME_FORMAT,
    TextFormat,
)
from parsers.logcat.record import Line, RecordFlag
from tests.parsers.logcat.liblog import Event, Verbosity, rendered

NONE, AMBIGUOUS, TRUNCATED = RecordFlag.NONE, RecordFlag.TAG_AMBIGUOUS, RecordFlag.TRUNCATED
WHEN = "12-31 23:59:59.998"


@pytest.mark.parametrize(
    ("form", "text", "line"),
    [
        (BRIEF, "I/tag     ( 1234): text", Line(None, "I", None, 1234, None, "tag", "text", NONE)),
        (BRIEF, "I/tag     ( 1000: 1234): text", Line(None, "I", 1000, 1234, None, "tag", "text", NONE)),
        (BRIEF, "I/tag     ( root: 1234): text", Line(None, "I", "root", 1234, None, "tag", "text", NONE)),
        (BRIEF, "I/tag     (       1234): text", Line(None, "I", None, 1234, None, "tag", "text", NONE)),
        (BRIEF, "E/a: b( 12): c( 1234): d", Line(None, "E", None, 1234, None, "a: b( 12): c", "d", NONE)),
        (BRIEF, "E/a( 1234): b( 5678): c", Line(None, "E", None, 1234, None, "a", "b( 5678): c", AMBIGUOUS)),
        (BRIEF, "E/unpadded(12): text", Line(None, "E", None, 12, None, "unpadded", "text", NONE)),
        (BRIEF, "I/empty   ( 1234):", Line(None, "I", None, 1234, None, "empty", "", NONE)),
        (TAG, "W/tag     : text", Line(None, "W", None, None, None, "tag", "text", NONE)),
        (TAG, "W/a: b: c", Line(None, "W", None, None, None, "a", "b: c", AMBIGUOUS)),
        (PROCESS, "W( 1234) text  (tag)", Line(None, "W", None, 1234, None, "tag", "text", NONE)),
        (PROCESS, "W( 1000: 1234) x  (y)  ()", Line(None, "W", 1000, 1234, None, "", "x  (y)", AMBIGUOUS)),
        (THREAD, "D( 1234: 1256) text", Line(None, "D", None, 1234, 1256, None, "text", NONE)),
        (THREAD, "D( 1000: 1234: 1256) text", Line(None, "D", 1000, 1234, 1256, None, "text", NONE)),
        (THREAD, "D( 1234:0x4e8) text", Line(None, "D", None, 1234, 1256, None, "text", NONE)),
        (TIME_FORMAT, f"{WHEN} I/t       ( 1234): x", Line(WHEN, "I", None, 1234, None, "t", "x", NONE)),
        (TIME_FORMAT, f"{WHEN}: I/t(1234): x", Line(WHEN, "I", None, 1234, None, "t", "x", NONE)),
        (THREADTIME, f"{WHEN}  1234  1256 I t       : x", Line(WHEN, "I", None, 1234, 1256, "t", "x", NONE)),
        (THREADTIME, f"{WHEN}  root  1234  1256 I t       : x", Line(WHEN, "I", "root", 1234, 1256, "t", "x", NONE)),
        (THREADTIME, f"{WHEN}        1234  1256 I t       : x", Line(WHEN, "I", None, 1234, 1256, "t", "x", NONE)),
        (THREADTIME, f"{WHEN}  1234  1256 ? t       :", Line(WHEN, "?", None, 1234, 1256, "t", "", NONE)),
        (LONG, f"[ {WHEN}  1234: 1256 I/t        ]", Line(WHEN, "I", None, 1234, 1256, "t", "", NONE)),
        (LONG, f"[ {WHEN}  1000: 1234: 1256 I/a ] b ]", Line(WHEN, "I", 1000, 1234, 1256, "a ] b", "", NONE)),
        (LONG, f"[ {WHEN}  1234:0x4e8 I/t        ]", Line(WHEN, "I", None, 1234, 1256, "t", "", NONE)),
        (RAW, "anything", Line(None, None, None, None, None, None, "anything", NONE)),
    ],
)
def test_a_header_is_taken_apart(form: TextFormat, text: str, line: Line) -> None:
    assert form.read(text) == line


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (BRIEF, "I/tag"),
        (BRIEF, "X/tag     ( 1234): text"),
        (TAG, "tag: text"),
        (PROCESS, "W( 1234) no tag"),
        (THREAD, "D( 1234) text"),
        (TIME_FORMAT, "13-31 23:59:59.998 I/t       ( 1234): x"),
        (TIME_FORMAT, "12-31 24:59:59.998 I/t       ( 1234): x"),
        (THREADTIME, "12-31 23:59:59.9987  1234  1256 I t       : x"),
        (THREADTIME, "12-31 23:59:59.998 +2530  1234  1256 I t       : x"),
        (THREADTIME, f"{WHEN}  1234  1256 I no colon"),
        (THREADTIME, f"{WHEN}  root  1256 I t       : x"),
        (THREADTIME, f"{WHEN} {'1' * 5000}  1256 I t       : x"),
        (LONG, f"[ {WHEN}  1234: 1256 I/t"),
        (RAW, "--------- beginning of main"),
    ],
)
def test_a_line_of_another_form_is_none_of_this(form: TextFormat, text: str) -> None:
    assert form.read(text) is None


LONG_TAG = Event(seconds=1_767_205_799, tag=b"T" * 140, message=b"what follows")


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    ("form", "name", "known"),
    [
        (BRIEF, "brief", {"priority"}),
        (TAG, "tag", {"priority"}),
        (PROCESS, "process", {"priority", "pid"}),
        (TIME_FORMAT, "time", {"raw_time", "priority"}),
        (THREADTIME, "threadtime", {"raw_time", "priority", "pid", "tid"}),
        (LONG, "long", {"raw_time", "priority", "pid", "tid"}),
    ],
)
def test_of_a_header_that_liblog_cut_only_what_stands_before_the_tag_is_known(
    form: TextFormat, name: str, known: set[str], color: bool
) -> None:
    text = rendered(LONG_TAG, Verbosity(form=name, color=color)).decode().rstrip("\n").removesuffix("\x1b[0m")

    line = form.read(text)

    assert line is not None
    fields = {"raw_time": "12-31 23:59:59.000", "priority": "I", "pid": 1234, "tid": 1256}
    expected = {field: value if field in known else None for field, value in fields.items()}
    assert {field: getattr(line, field) for field in fields} == expected
    assert (line.tag, line.message, line.flags) == (None, "what follows", TRUNCATED)


@pytest.mark.parametrize(("letters", "flags"), [(91, NONE), (92, NONE), (93, TRUNCATED), (94, TRUNCATED)])
def test_a_header_of_127_bytes_is_whole_and_one_of_128_is_cut(letters: int, flags: RecordFlag) -> None:
    event = Event(seconds=1_767_205_799, tag=b"t" * letters, message=b"a: b")

    line = THREADTIME.read(rendered(event, Verbosity(form="threadtime")).decode().rstrip("\n"))

    assert line is not None
    assert line.message == "a: b"
    assert line.tag == ("t" * letters if flags is NONE else None)
    assert flags in line.flags


def test_the_cut_is_counted_in_bytes_and_may_go_through_a_letter() -> None:
    event = Event(seconds=1_767_205_799, tag="タ".encode() * 40, message=b"text")

    line = THREADTIME.read(rendered(event, Verbosity(form="threadtime")).decode(errors="surrogateescape").rstrip("\n"))

    assert line is not None
    assert (line.tag, line.message) == (None, "text")


def test_padding_is_counted_in_bytes_and_a_longer_tag_keeps_its_spaces() -> None:
    tags = {
        "t       ": "t",
        "        ": "",
        "推     ": "推",
        "a longer tag ": "a longer tag ",
        "12345678": "12345678",
        "1234567 ": "1234567",
        "t ": "t",  # no padding of liblog's: it was cut
        " ": "",
    }

    read = {tag: THREADTIME.read(f"{WHEN}  1234  1256 I {tag}: x") for tag in tags}

    assert {tag: line and line.tag for tag, line in read.items()} == tags
