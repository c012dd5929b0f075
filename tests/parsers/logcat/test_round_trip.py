"""Random records, rendered in every form with every modifier and read back, are the records."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parsers.dump import DumpSettings
from parsers.logcat.formats import BRIEF, LONG, PROCESS, RAW, TAG, THREAD, THREADTIME, TIME_FORMAT
from parsers.logcat.reader import read_logcat
from parsers.logcat.record import LogRecord, RecordFlag
from tests.parsers.logcat.liblog import Event, Verbosity, entry, lines_of, local_time, rendered, shown

FORMS = {
    "brief": BRIEF,
    "tag": TAG,
    "process": PROCESS,
    "thread": THREAD,
    "raw": RAW,
    "time": TIME_FORMAT,
    "threadtime": THREADTIME,
    "long": LONG,
}
CARRIES = {
    "brief": {"priority", "uid", "pid", "tag"},
    "tag": {"priority", "tag"},
    "process": {"priority", "uid", "pid", "tag"},
    "thread": {"priority", "uid", "pid", "tid"},
    "raw": set[str](),
    "time": {"time", "priority", "uid", "pid", "tag"},
    "threadtime": {"time", "priority", "uid", "pid", "tid", "tag"},
    "long": {"time", "priority", "uid", "pid", "tid", "tag"},
}
"""What each form prints of a record besides its message; the uid only with ``-v uid``."""

CAPTURED = date(2026, 3, 1)
LAST_SECOND = int(datetime(2026, 2, 28, tzinfo=UTC).timestamp())
FIRST_SECOND = LAST_SECOND - 60 * 86_400

tags = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n: \\"), max_size=10),
    st.sampled_from(["a b", "Tag(12)", "x ]", "日本 語", "(12345)", "ab/cd", "I/O"]),
).map(str.encode)
lines = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=30).map(str.encode),
    st.binary(max_size=20).map(lambda data: data.translate(None, b"\0\r\n")),
    st.sampled_from([b"", b"a: b", b"x  (y)", b"\x1b[31mred\x1b[0m", b"--------- ", b"[ x ]", b"E/x: y", b"\\x1B"]),
)
messages = st.lists(lines, min_size=1, max_size=4).map(b"\n".join)
events = st.builds(
    Event,
    seconds=st.integers(FIRST_SECOND, LAST_SECOND),
    nanoseconds=st.integers(0, 999_999_999),
    priority=st.sampled_from("VDIWEF"),
    uid=st.none() | st.integers(0, 9_999_999),
    pid=st.integers(0, 4_194_304),
    tid=st.integers(0, 4_194_304),
    tag=tags,
    message=messages,
)
verbosities = st.builds(
    Verbosity,
    form=st.sampled_from(sorted(FORMS)),
    color=st.booleans(),
    epoch=st.booleans(),
    uid=st.booleans(),
    digits=st.sampled_from([3, 6, 9]),
    zone=st.booleans(),
    year=st.booleans(),
    printable=st.booleans(),
    offset_minutes=st.integers(-12 * 60, 14 * 60),
)


def text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def expected_time(event: Event, verbosity: Verbosity) -> str | None:
    if "time" not in CARRIES[verbosity.form]:
        return None
    digits = f"{event.nanoseconds:09}"[: verbosity.digits]
    if verbosity.epoch:
        return f"{datetime.fromtimestamp(event.seconds, UTC):%Y-%m-%dT%H:%M:%S}.{digits}+00:00"
    local = local_time(event, verbosity)
    offset = local.isoformat()[-6:] if verbosity.zone else ""
    return f"{local:%Y-%m-%dT%H:%M:%S}.{digits}{offset}"


def expected(event: Event, verbosity: Verbosity) -> list[dict[str, object]]:
    """The records that logcat prints of an event, each with the keys of ``to_json`` that do not depend on its place."""
    carries = CARRIES[verbosity.form] - (set() if verbosity.uid else {"uid"})
    fields = {
        "priority": event.priority,
        "uid": event.uid,
        "pid": event.pid,
        "tid": event.tid,
        "tag": text(event.tag),
    }
    known = {name: value if name in carries else None for name, value in fields.items()}
    parts = [event.message] if verbosity.form == "long" else lines_of(event.message)
    time = expected_time(event, verbosity)
    return [{"time": time, **known, "message": text(shown(part, verbosity))} for part in parts]


def told(record: LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.to_json().items() if key not in {"offset", "flags"}}


def is_plain(logged: list[Event], verbosity: Verbosity) -> bool:
    """Whether no line can be read in two ways, and no header is longer than liblog's buffer."""
    for event in logged:
        if b"  (" in event.tag or (event.tag.endswith(b" ") and len(event.tag) < 9) or len(event.tag) > 30:
            return False
        if verbosity.form == "long" and re.search(rb"\n\n(?:\[ |--)", b"\n\n" + event.message):
            return False
        if verbosity.form == "raw" and verbosity.color:
            return False
    return True


@given(st.lists(events, min_size=1, max_size=6), verbosities)
def test_what_logcat_prints_is_read_back_in_every_form(logged: list[Event], verbosity: Verbosity) -> None:
    assume(is_plain(logged, verbosity))
    logged = sorted(logged, key=lambda event: event.seconds)
    dump = b"--------- beginning of main\n" + b"".join(rendered(event, verbosity) for event in logged)

    read = read_logcat(dump, DumpSettings(capture_date=CAPTURED), FORMS[verbosity.form])
    records = list(read.records)

    assert [told(record) for record in records] == [line for event in logged for line in expected(event, verbosity)]
    assert list(read.rejects) == []
    assert {record.source.value for record in records} == {verbosity.form}
    assert {record.buffer for record in records} == {"main"}
    json.dumps([record.to_json() for record in records]).encode("ascii")


ORDINARY = [
    Event(seconds=FIRST_SECOND, tag=b"ActivityManager", message=b"Start proc 22838:com.example/u0a1 for activity x"),
    Event(seconds=FIRST_SECOND, tag=b"libc", priority="F", message=b"Fatal signal 11 (SIGSEGV), code 1"),
    Event(
        seconds=FIRST_SECOND, tag=b"System.err", priority="W", message=b"boom\n\tat a.b.C.run(C.java:12)\n\t... 2 more"
    ),
]


@given(st.lists(events, max_size=2), verbosities, st.sampled_from(["lf", "crlf", "utf-16-le", "utf-16-be"]))
def test_the_form_is_told_from_the_lines_themselves(logged: list[Event], verbosity: Verbosity, written: str) -> None:
    assume(is_plain(logged, verbosity))
    try:
        for event in logged:
            (event.tag + event.message).decode()
    except UnicodeDecodeError:
        assume(written in {"lf", "crlf"})
    logged = [*ORDINARY, *sorted(logged, key=lambda event: event.seconds)]
    plain = b"--------- beginning of main\n" + b"".join(rendered(event, verbosity) for event in logged)
    dump, starts = as_written(plain, written)

    read = read_logcat(dump, DumpSettings(capture_date=CAPTURED))
    records = list(read.records)

    assert [told(record) for record in records] == [line for event in logged for line in expected(event, verbosity)]
    assert {record.source.value for record in records} == {verbosity.form}
    assert {record.offset for record in records} <= starts


def as_written(plain: bytes, written: str) -> tuple[bytes, set[int]]:
    """A dump as adb, Windows or PowerShell write it, and the bytes at which its lines begin."""
    mark = "\ufeff".encode(written) if written.startswith("utf") else b""
    pieces = [
        part + (b"\n" if written == "lf" else b"\r\n") if not mark else f"{part.decode()}\r\n".encode(written)
        for part in plain.split(b"\n")[:-1]
    ]
    starts, at = set[int](), len(mark)
    for piece in pieces:
        starts.add(at)
        at += len(piece)
    return mark + b"".join(pieces), starts


@given(
    st.lists(events, min_size=1, max_size=6),
    st.sampled_from([1, 2, 3, 4]),
    st.lists(st.sampled_from([0, 1, 3, 4]), min_size=6, max_size=6),
)
def test_what_the_log_service_hands_out_is_read_back(logged: list[Event], version: int, buffers: list[int]) -> None:
    parts = [entry(event, version=version, buffer=buffer) for event, buffer in zip(logged, buffers, strict=False)]

    read = read_logcat(b"".join(parts), DumpSettings())
    records = list(read.records)

    starts = [sum(map(len, parts[:number])) for number in range(len(parts))]
    uids = {1: None, 3: None}
    assert [told(record) for record in records] == [
        {
            "time": f"{datetime.fromtimestamp(event.seconds, UTC):%Y-%m-%dT%H:%M:%S}.{event.nanoseconds:09}+00:00",
            "priority": event.priority,
            "uid": uids.get(version, (event.uid or 0) if version == 4 or (event.uid or 0) > 7 else None),
            "pid": event.pid,
            "tid": event.tid,
            "tag": text(event.tag),
            "message": text(event.message),
        }
        for event in logged
    ]
    assert [record.offset for record in records] == starts
    if version == 4:
        names = ["main", "radio", "events", "system", "crash"]
        assert [record.buffer for record in records] == [names[buffer] for buffer in buffers[: len(logged)]]


@pytest.mark.parametrize("form", ["time", "threadtime", "long"])
@pytest.mark.parametrize("digits", [3, 6, 9])
def test_time_since_boot_is_a_duration(form: str, digits: int) -> None:
    verbosity = Verbosity(form=form, monotonic=True, digits=digits)
    dump = rendered(Event(seconds=12_345, nanoseconds=6_007_008), verbosity)

    (record,) = read_logcat(dump, DumpSettings(capture_date=CAPTURED)).records

    assert record.time == f"PT12345.{'006007008'[:digits]}S"


@given(st.lists(events, min_size=1, max_size=4), st.sampled_from(["brief", "tag", "process", "time", "threadtime"]))
def test_lines_with_an_equal_header_join_to_the_message_they_were(logged: list[Event], form: str) -> None:
    verbosity = Verbosity(form=form, epoch=True, digits=9)
    assume(is_plain(logged, verbosity))
    logged = [
        Event(seconds=event.seconds + number, pid=number, tag=event.tag, message=event.message)
        for number, event in enumerate(logged)
    ]
    # Only a different header parts two messages, and those of "tag" show the tag alone.
    assume(form != "tag" or all(a.tag != b.tag for a, b in itertools.pairwise(logged)))
    dump = b"".join(rendered(event, verbosity) for event in logged)

    records = list(read_logcat(dump, DumpSettings(join=True), FORMS[form]).records)

    assert [record.message for record in records] == [text(event.message.removesuffix(b"\n")) for event in logged]
    assert [RecordFlag.JOINED in record.flags for record in records] == [
        len(lines_of(event.message)) > 1 for event in logged
    ]


def test_a_log_over_new_year_has_both_years() -> None:
    verbosity = Verbosity(form="threadtime", offset_minutes=0)
    start = datetime(2025, 12, 30, tzinfo=UTC)
    moments = [start + timedelta(hours=10 * step) for step in range(12)]
    dump = b"".join(rendered(Event(seconds=int(moment.timestamp())), verbosity) for moment in moments)

    records = read_logcat(dump, DumpSettings(capture_date=date(2026, 1, 4))).records

    assert [record.time for record in records] == [f"{moment:%Y-%m-%dT%H:%M:%S}.000" for moment in moments]
