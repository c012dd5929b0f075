from __future__ import annotations

from datetime import date

from parsers.dump import DumpSettings
from parsers.logcat.bugreport import LogSection, log_sections, taken_on
from parsers.logcat.reader import looks_like_logcat, read_logcat
from parsers.logcat.record import TimeConfidence

LINE = "12-31 23:59:59.998  1000  1234  1256 I tag     : text\n"
EVENTS = "01-01 00:00:00.000  1000  1234  1256 I am_pss  : [1,2]\n"
REPORT = f"""\
========================================================
== dumpstate: 2026-01-01 00:00:05
========================================================

Build: example
------ UPTIME (uptime -p) ------
up 1 minute
------ 0.012s was the duration of 'UPTIME' ------
------ SYSTEM LOG (logcat -v threadtime -v printable -v uid -d *:v) ------
--------- beginning of main
{LINE}--------- beginning of system
{LINE}------ 0.345s was the duration of 'SYSTEM LOG' ------
------ EVENT LOG (logcat -b events -v threadtime -v uid -d *:v) ------
{EVENTS}[logcat: 0.4s elapsed]

------ LOG STATISTICS (logcat -b all -S) ------
size/num main
------ LAST LOGCAT (logcat -L -b all -v threadtime -d *:v) ------
{LINE}""".encode()


def test_the_logs_of_a_report_are_found_by_their_commands() -> None:
    sections = list(log_sections(REPORT))

    assert [(section.name, section.buffer) for section in sections] == [
        ("SYSTEM LOG", None),
        ("EVENT LOG", "events"),
        ("LAST LOGCAT", None),
    ]
    assert REPORT[sections[1].start : sections[1].end] == EVENTS.encode()
    assert sections[2] == LogSection(
        name="LAST LOGCAT", start=REPORT.rindex(LINE.encode()), end=len(REPORT), buffer=None
    )


def test_each_log_of_a_report_has_its_year_from_when_the_report_was_taken() -> None:
    read = read_logcat(REPORT, DumpSettings())
    records = list(read.records)

    assert looks_like_logcat(REPORT, "")
    assert [(record.time, record.buffer) for record in records] == [
        ("2025-12-31T23:59:59.998", "main"),
        ("2025-12-31T23:59:59.998", "system"),
        ("2026-01-01T00:00:00.000", "events"),
        ("2025-12-31T23:59:59.998", None),
    ]
    assert {record.time_confidence for record in records} == {TimeConfidence.YEAR_FROM_CAPTURE}
    assert records[0].offset == REPORT.index(LINE.encode())
    assert list(read.rejects) == []
    assert read.notes[0] == (
        "A bug report: read are its 3 logs (SYSTEM LOG, EVENT LOG, LAST LOGCAT); its other sections are left out."
    )


def test_the_users_day_of_capture_goes_first() -> None:
    first = next(iter(read_logcat(REPORT, DumpSettings(capture_date=date(2020, 1, 1))).records))

    assert first.time == "2019-12-31T23:59:59.998"


def test_a_report_without_logs_has_no_records() -> None:
    report = REPORT[: REPORT.index(b"------ SYSTEM")]

    assert list(read_logcat(report, DumpSettings()).records) == []


def test_a_day_that_is_none_is_not_taken_for_the_capture() -> None:
    assert taken_on(REPORT.replace(b"2026-01-01 00", b"2026-02-30 00")) is None
