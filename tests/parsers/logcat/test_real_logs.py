"""Logs that Android wrote, where AUTOCOMET_DATA names the folder that holds them."""

from __future__ import annotations

import base64
import csv
import json
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from parsers.dump import HEAD_BYTES, DumpSettings
from parsers.logcat.reader import looks_like_logcat, read_logcat
from parsers.logcat.record import LogRecord, RecordFlag

ALL = frozenset({"time", "priority", "pid", "tid", "tag"})
CARRIES = {
    "brief": ALL - {"time", "tid"},
    "tag": frozenset({"priority", "tag"}),
    "process": ALL - {"time", "tid"},
    "thread": ALL - {"time", "tag"},
    "raw": frozenset[str](),
    "time": ALL - {"tid"},
    "threadtime": ALL,
    "long": ALL,
}
"""What each form prints of a record besides its message and, with ``-v uid``, the uid."""
BEFORE_TAG = {"brief": {"priority"}, "tag": {"priority"}, "time": {"priority", "time"}}
"""What stands before the tag, where that is not all but the tag."""
RENDERINGS = [
    "brief",
    "brief_uid",
    "long",
    "long_crlf",
    "long_uid",
    "long_year_usec_zone_uid",
    "process",
    "process_uid",
    "raw",
    "tag",
    "thread",
    "threadtime",
    "threadtime_color",
    "threadtime_crlf",
    "threadtime_epoch",
    "threadtime_epoch_usec_uid",
    "threadtime_nsec",
    "threadtime_powershell_utf16le",
    "threadtime_printable",
    "threadtime_uid",
    "threadtime_usec",
    "threadtime_year",
    "threadtime_year_nsec_zone_uid_printable_color",
    "threadtime_year_zone_UTC",
    "threadtime_year_zone_uid_usec",
    "threadtime_zone",
    "time",
    "time_uid",
    "time_year_zone",
]
INDIA = timezone(timedelta(hours=5, minutes=30))
CAPTURED = date(2026, 2, 2)


def data_file(name: str) -> Path:
    path = Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "logcat", name)
    if not path.is_file():
        pytest.skip(f"AUTOCOMET_DATA names no folder with dumps/logcat/{name}")
    return path


@dataclass(frozen=True)
class Truth:
    """What one record of the renderings is known to be."""

    seconds: int
    nanoseconds: int
    fields: dict[str, object]
    tag: bytes
    message: bytes


def truths() -> list[Truth]:
    return [
        Truth(
            seconds=item["utc_s"],
            nanoseconds=item["nsec"],
            fields={name: item[name] for name in ("priority", "uid", "pid", "tid")},
            tag=base64.b64decode(item["tag_b64"]),
            message=base64.b64decode(item["message_b64"]),
        )
        for item in json.loads(data_file("generated/records.json").read_text())
    ]


def time_of(truth: Truth, modifiers: set[str]) -> str:
    """The time as a rendering has it; the year, where it has none, is that of the capture."""
    moment = datetime.fromtimestamp(truth.seconds, UTC)
    digits = 9 if "nsec" in modifiers else 6 if "usec" in modifiers else 3
    fraction = f"{truth.nanoseconds:09}"[:digits]
    if "epoch" in modifiers:
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}+00:00"
    if "UTC" not in modifiers and "utf16le" not in modifiers:
        moment = moment.astimezone(INDIA)
    offset = moment.isoformat()[-6:] if "zone" in modifiers else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}{offset}"


def messages_of(form: str, modifiers: set[str], truth: Truth) -> str:
    """The message as a rendering shows it, its lines joined."""
    message = truth.message if form == "long" else truth.message.removesuffix(b"\n")
    if "printable" in modifiers and truth.tag == b"binary":
        return "\\xFF\\xFE\\x80bad\\x1B[31mred\\a\\r"
    if "utf16le" in modifiers:
        return message.decode(errors="replace")
    return message.decode(errors="surrogateescape")


def expected(form: str, modifiers: set[str], truth: Truth) -> dict[str, object]:
    """A record's fields as a rendering has them."""
    tag, message = truth.tag.decode(), messages_of(form, modifiers, truth)
    carries = set(CARRIES[form]) | ({"uid"} if "uid" in modifiers and CARRIES[form] > {"pid"} else set())
    if len(truth.tag) > 100:
        carries = BEFORE_TAG.get(form, carries - {"tag"})
    elif form in {"tag", "threadtime"} and ": " in tag:
        tag, _, rest = f"{tag}: {message}".partition(": ")
        message = rest
    known = truth.fields | {"time": time_of(truth, modifiers), "tag": tag}
    return {name: value if name in carries else None for name, value in known.items()} | {"message": message}


def told(record: LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.to_json().items() if name not in {"offset", "flags"}}


@pytest.mark.parametrize("name", RENDERINGS)
def test_what_androids_own_library_printed_is_read_back(name: str) -> None:
    form, *words = name.split("_")
    modifiers = set(words)
    data = data_file(f"generated/{name}.txt").read_bytes()
    joins = form not in {"thread", "raw"}  # whose headers do not part all of these messages

    read = read_logcat(data, DumpSettings(join=joins, capture_date=CAPTURED))
    records = list(read.records)

    whole = [expected(form, modifiers, truth) for truth in truths()]
    lines = [{**record, "message": line} for record in whole for line in str(record["message"]).split("\n")]
    assert [told(record) for record in records] == (whole if joins else lines)
    assert list(read.rejects) == []
    assert looks_like_logcat(data[:HEAD_BYTES], name)


@pytest.mark.parametrize("name", [name for name in RENDERINGS if name not in {"raw", "thread"}])
def test_what_cannot_be_told_is_flagged(name: str) -> None:
    form, *words = name.split("_")
    modifiers = set(words)
    read = read_logcat(data_file(f"generated/{name}.txt").read_bytes(), DumpSettings(join=True, capture_date=CAPTURED))
    by_tag = dict(zip([truth.tag for truth in truths()], read.records, strict=True))

    parts_at_colon = form in {"tag", "threadtime"}
    long_tag = next(tag for tag in by_tag if len(tag) > 100)
    timed = "time" in CARRIES[form]
    assert by_tag[long_tag].flags is RecordFlag.TRUNCATED
    assert (RecordFlag.TAG_AMBIGUOUS in by_tag[b"tag with: colon"].flags) == parts_at_colon
    assert (RecordFlag.TAG_AMBIGUOUS in by_tag[b"Package: ]Manager"].flags) == parts_at_colon
    assert RecordFlag.LINES_LOST in by_tag[b"chatty"].flags
    assert (RecordFlag.OUT_OF_ORDER in by_tag[b"clockback"].flags) == timed
    assert RecordFlag.OUT_OF_ORDER not in by_tag[b"chatty"].flags
    assert (RecordFlag.JOINED in by_tag[b"System.err"].flags) == (form != "long")
    assert (RecordFlag.INVALID_UTF8 in by_tag[b"binary"].flags) == (not modifiers & {"printable", "utf16le"})
    assert (RecordFlag.PRINTABLE_ESCAPES in by_tag[b"binary"].flags) == ("printable" in modifiers)
    # Its 4,050 bytes leave room in the entry: nothing was cut.
    assert by_tag[b"long4068"].flags is RecordFlag.NONE


def test_without_a_day_of_capture_the_records_are_the_same_but_for_the_year() -> None:
    data = data_file("generated/threadtime.txt").read_bytes()

    dated = list(read_logcat(data, DumpSettings(capture_date=CAPTURED)).records)
    undated = list(read_logcat(data, DumpSettings()).records)

    assert [record.time for record in undated] == [f"-{record.time[4:]}" for record in dated if record.time]
    assert [record.flags for record in undated] == [record.flags for record in dated]


def test_every_offset_is_that_of_a_line_in_the_dumps_own_bytes() -> None:
    data = data_file("generated/threadtime_powershell_utf16le.txt").read_bytes()

    records = list(read_logcat(data, DumpSettings()).records)

    for record in records:
        assert record.raw_time is not None
        assert data[record.offset :].startswith(record.raw_time.encode("utf-16-le"))


def test_loghubs_log_equals_its_structured_table() -> None:
    with data_file("loghub_Android_2k.log_structured.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    dump = read_logcat(data_file("loghub_Android_2k.log").read_bytes(), DumpSettings())

    read = [
        # The table's own reader took the spaces from the ends of 26 lines; the log has them.
        (record.raw_time, record.pid, record.tid, record.priority, record.tag, record.message.rstrip(" "))
        for record in dump.records
    ]

    columns = ("Date", "Time", "Pid", "Tid", "Level", "Component", "Content")
    table = [[row[column] for column in columns] for row in rows]
    assert len(table) == 2000
    assert read == [
        (f"{day} {time}", int(pid), int(tid), level, tag, message) for day, time, pid, tid, level, tag, message in table
    ]
    assert list(dump.rejects) == []


def test_adbkits_binary_logs_are_read_the_damaged_one_as_well() -> None:
    names = ("adbkit_1-default.bin", "adbkit_3-default.bin", "adbkit_1-crlf.bin")
    reads = [read_logcat(data_file(name).read_bytes(), DumpSettings()) for name in names]

    tags = [[(record.priority, record.pid, record.tag) for record in read.records] for read in reads]

    assert tags == [[("D", 26642, "dalvikvm")], [("D", 26769, "MtpService")] * 3, [("D", 26634, "dalvikvm")]]
    assert [len(read.rejects) for read in reads] == [0, 0, 0]
    assert ["CR LF" in read.notes[0] for read in reads] == [False, False, True]


def test_catapults_log_is_read_though_it_was_moved_to_the_right() -> None:
    dump = read_logcat(data_file("catapult_crash_in_logcat.txt").read_bytes(), DumpSettings())

    records = list(dump.records)

    assert [record.tag for record in records] == ["libc"] + ["DEBUG"] * 15
    assert {record.buffer for record in records} == {"crash"}
    assert list(dump.rejects) == []
