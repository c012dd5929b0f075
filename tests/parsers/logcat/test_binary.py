from __future__ import annotations

import struct

import pytest

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.logcat import reader
from parsers.logcat.reader import looks_like_logcat, read_logcat
from parsers.logcat.record import LogRecord, RecordFlag
from tests.parsers.logcat.liblog import Event, entry

FIRST = Event(seconds=1_368_374_725, nanoseconds=686_348_000, priority="D", tag=b"dalvikvm", message=b"GC blocked")
SECOND = Event(seconds=1_368_374_726, tag=b"libc", message=b"a\nb")


def records(dump: bytes) -> list[LogRecord]:
    return list(read_logcat(dump, DumpSettings()).records)


def rejects(dump: bytes) -> list[Reject]:
    read = read_logcat(dump, DumpSettings())
    list(read.records)
    return list(read.rejects)


def test_a_message_of_several_lines_is_one_record() -> None:
    assert [record.message for record in records(entry(FIRST) + entry(SECOND))] == ["GC blocked", "a\nb"]


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_every_version_of_the_header_is_known_from_its_first_entry(version: int) -> None:
    assert looks_like_logcat(entry(FIRST, version=version), "")
    assert looks_like_logcat(entry(FIRST, version=version) * 2 + b"torn", "")


def test_of_a_24_byte_header_only_a_number_above_any_buffer_is_a_uid() -> None:
    uid, buffer = entry(FIRST, version=2), entry(FIRST, version=3, buffer=3)

    assert [(record.uid, record.buffer) for record in records(uid)] == [(1000, None)]
    assert [(record.uid, record.buffer) for record in records(buffer)] == [(None, None)]


def test_a_full_entry_without_its_last_zero_is_flagged() -> None:
    payload = b"\x04tag\0" + b"x" * 4063
    read = records(entry(FIRST, payload=payload) + entry(SECOND))

    assert len(payload) == 4068
    assert [record.flags for record in read] == [RecordFlag.TRUNCATED, RecordFlag.NONE]
    assert read[0].message == "x" * 4063


def test_what_stands_behind_a_messages_zero_is_not_shown_and_flagged() -> None:
    (record,) = records(entry(FIRST, payload=b"\x04tag\0shown\0hidden\0"))

    assert (record.message, record.flags) == ("shown", RecordFlag.TRUNCATED)


def test_damaged_bytes_are_a_reject_up_to_the_next_whole_entries() -> None:
    damaged = b"\xff" * 30
    dump = entry(FIRST) * 2 + damaged + entry(SECOND) * 2

    assert [record.tag for record in records(dump)] == ["dalvikvm"] * 2 + ["libc"] * 2
    assert [(reject.offset, reject.text) for reject in rejects(dump)] == [(2 * len(entry(FIRST)), damaged)]


def test_a_cut_last_entry_is_a_reject() -> None:
    dump = entry(FIRST) * 2 + entry(SECOND)[:-3]

    assert len(records(dump)) == 2
    assert [reject.offset for reject in rejects(dump)] == [2 * len(entry(FIRST))]


def test_what_a_terminal_did_to_line_feeds_is_undone_and_offsets_are_the_dumps() -> None:
    event = Event(seconds=10, pid=10, tag=b"t", message=b"a\nb")
    plain = entry(event) * 3
    dump = plain.replace(b"\n", b"\r\n")

    read = read_logcat(dump, DumpSettings())
    found = list(read.records)

    assert looks_like_logcat(dump, "")
    assert [record.message for record in found] == ["a\nb"] * 3
    assert [record.offset for record in found] == [len(dump) // 3 * number for number in range(3)]
    assert read.notes[0] == "A terminal had turned the line feeds of this binary log into CR LF; that was undone."


def test_a_large_dump_that_a_terminal_changed_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LARGEST_UNDONE", 100)
    dump = (entry(Event(seconds=10, pid=10)) * 3).replace(b"\n", b"\r\n")

    with pytest.raises(DumpError, match="Take it again with adb exec-out"):
        read_logcat(dump, DumpSettings())


def event_payload(*values: bytes) -> bytes:
    return struct.pack("<I", 2722) + b"".join(values)


NUMBER, LARGE = b"\0" + struct.pack("<i", -5), b"\1" + struct.pack("<q", 1 << 40)
TEXT, HALF = b"\2" + struct.pack("<I", 3) + b"abc", b"\4" + struct.pack("<f", 0.5)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (event_payload(), ""),
        (event_payload(NUMBER), "-5"),
        (event_payload(NUMBER, b"\n"), "-5"),
        (event_payload(HALF), "0.500000"),
        (event_payload(b"\3\4", NUMBER, LARGE, TEXT, HALF), "[-5,1099511627776,abc,0.500000]"),
        (event_payload(b"\3\2", b"\3\1", NUMBER, b"\3\0"), "[[-5],[]]"),
    ],
)
def test_an_event_is_printed_as_logcat_prints_it(payload: bytes, message: str) -> None:
    (record,) = records(entry(FIRST, buffer=2, payload=payload))

    assert (record.buffer, record.priority, record.tag, record.message) == ("events", "I", "[2722]", message)


@pytest.mark.parametrize(
    "payload",
    [
        b"\0\0\0",
        event_payload(b"\x09"),
        event_payload(TEXT[:-1]),
        event_payload(b"\3\2", NUMBER),
        event_payload(b"\3\1" * 40),
    ],
)
def test_an_event_that_is_none_is_a_reject(payload: bytes) -> None:
    dump = entry(FIRST) + entry(FIRST, buffer=2, payload=payload) + entry(SECOND) * 2

    assert [record.tag for record in records(dump)] == ["dalvikvm", "libc", "libc"]
    assert [reject.offset for reject in rejects(dump)] == [len(entry(FIRST))]
