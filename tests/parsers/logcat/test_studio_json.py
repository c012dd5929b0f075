from __future__ import annotations

import json
from typing import Any

import pytest

from parsers.dump import DumpSettings
from parsers.logcat.reader import looks_like_logcat, read_logcat
from parsers.logcat.record import RecordFlag, Source


def message(text: str = "text", **header: Any) -> dict[str, Any]:
    known = {
        "logLevel": "INFO",
        "pid": 1234,
        "tid": 1256,
        "applicationId": "com.example",
        "processName": "com.example",
        "tag": "tag",
        "timestamp": {"seconds": 1_767_205_799, "nanos": 998_000_000},
    }
    return {"header": known | header, "message": text}


SEPARATOR = message(
    "--------- beginning of crash", logLevel="WARN", pid=0, tid=0, tag="", timestamp={"seconds": 0, "nanos": 0}
)


def export(*messages: object, indent: int | None = 2) -> bytes:
    metadata = {"device": {"serialNumber": "x", "sdk": 34}, "filter": "", "projectApplicationIds": []}
    return json.dumps({"metadata": metadata, "logcatMessages": list(messages)}, indent=indent).encode()


@pytest.mark.parametrize("indent", [None, 2])
def test_an_export_is_read_message_by_message(indent: int | None) -> None:
    dump = export(message('a\n{b} "c"'), SEPARATOR, message(logLevel="ASSERT", tag=""), indent=indent)

    read = read_logcat(dump, DumpSettings())
    first, second = read.records

    assert looks_like_logcat(dump, "device.logcat")
    assert first.to_json() == {
        "time": "2025-12-31T18:29:59.998000000+00:00",
        "priority": "I",
        "uid": None,
        "pid": 1234,
        "tid": 1256,
        "tag": "tag",
        "message": 'a\n{b} "c"',
        "offset": dump.index(b'"header"')
        - (1 if indent is None else dump[: dump.index(b'"header"')][::-1].index(b"{") + 1),
        "flags": [],
    }
    assert (first.source, first.buffer) == (Source.STUDIO_JSON, None)
    assert (second.priority, second.tag, second.buffer) == ("A", "", "crash")
    assert list(read.rejects) == []


def test_half_a_character_is_kept_as_invalid_bytes() -> None:
    (record,) = read_logcat(export(message("\ud83d")), DumpSettings()).records

    assert (record.message, record.flags) == ("\udced\udca0\udcbd", RecordFlag.INVALID_UTF8)


@pytest.mark.parametrize(
    "damage",
    [
        {"logLevel": "LOUD"},
        {"pid": "1234"},
        {"tid": True},
        {"tag": 5},
        {"timestamp": {"seconds": -1, "nanos": 0}},
        {"timestamp": {"seconds": 0, "nanos": 10**9}},
        {"timestamp": None},
    ],
)
def test_a_message_with_a_wrong_header_costs_only_itself(damage: dict[str, Any]) -> None:
    dump = export(message("a"), message("b", **damage), message("c"))

    read = read_logcat(dump, DumpSettings())

    assert [record.message for record in read.records] == ["a", "c"]
    assert [reject.reason for reject in read.rejects] == ["no whole message of an Android Studio export"]


def test_a_torn_message_costs_only_itself() -> None:
    dump = export(message("a"), message("b"), message("c"))
    torn = dump.replace(b'"message": "b"\n    }', b'"mess')

    read = read_logcat(torn, DumpSettings())

    assert torn != dump
    assert [record.message for record in read.records] == ["a", "c"]
    assert len(read.rejects) == 1


def test_an_export_that_ends_too_soon_gives_what_is_whole() -> None:
    dump = export(message("a"), message("b"))

    read = read_logcat(dump[:-60], DumpSettings())

    assert [record.message for record in read.records] == ["a"]
    assert len(read.rejects) == 1


def test_an_empty_export_has_no_records() -> None:
    assert list(read_logcat(export(), DumpSettings()).records) == []
