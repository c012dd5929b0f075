from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

import pytest

from parsers.dump import Dump, DumpSettings, Reject
from parsers.errors import DumpError
from parsers.power_dumps.batterystats import KIND
from parsers.power_dumps.history import HistoryChange, HistoryEntry, HistoryKind

HEADER = "Battery History (2% used, 90KB used of 4096KB, 12 strings using 900):\n"
HISTORY = (
    HEADER
    + """                    0 (14) RESET:TIME: 2024-02-28-23-59-58
                    0 (2) 087 status=discharging health=good plug=none temp=305 volt=4112 charge=3404 +running +screen
               +250ms (3) 087 +wake_lock=u0a12:"says ""hi"" twice" wifi_signal_strength=3
          +1h02m03s004ms (2) 086 -screen wake_reason=0:"bcl irq" +fg=u0a7:"org.example"
"""
)


def read(text: str, **settings) -> tuple[list[HistoryEntry], Dump]:
    dump = KIND.read(text.encode(), DumpSettings(**settings))
    return list(dump.records), dump


def test_an_entry_tells_what_has_changed_and_when_on_both_clocks() -> None:
    entries, dump = read(HISTORY)

    assert entries == [
        HistoryEntry(offset=len(HEADER), kind=HistoryKind.RESET, stamp="0", time_ms=0, clock="2024-02-28T23:59:58.000"),
        HistoryEntry(
            offset=HISTORY.index("                    0 (2)"),
            kind=HistoryKind.UPDATE,
            stamp="0",
            time_ms=0,
            clock="2024-02-28T23:59:58.000",
            level_percent=87,
            status="discharging",
            health="good",
            plug="none",
            voltage_mv=4112,
            temperature_c=30.5,
            charge_mah=3404,
            changes=(HistoryChange(name="running", mark="+"), HistoryChange(name="screen", mark="+")),
        ),
        HistoryEntry(
            offset=HISTORY.index("               +250ms"),
            kind=HistoryKind.UPDATE,
            stamp="+250ms",
            time_ms=250,
            clock="2024-02-28T23:59:58.250",
            level_percent=87,
            changes=(
                HistoryChange(name="wake_lock", mark="+", uid="u0a12", text='says "hi" twice'),
                HistoryChange(name="wifi_signal_strength", mark="", value="3"),
            ),
        ),
        HistoryEntry(
            offset=HISTORY.index("          +1h02m"),
            kind=HistoryKind.UPDATE,
            stamp="+1h02m03s004ms",
            time_ms=3_723_004,
            clock="2024-02-29T01:02:01.004",
            level_percent=86,
            changes=(
                HistoryChange(name="screen", mark="-"),
                HistoryChange(name="wake_reason", mark="", uid="0", text="bcl irq"),
                HistoryChange(name="fg", mark="+", uid="u0a7", text="org.example"),
            ),
        ),
    ]
    assert (list(dump.rejects), dump.notes) == ([], [])


@pytest.mark.parametrize(
    ("stamp", "time_ms"),
    [("+9d23h59m59s999ms", 863_999_999), ("-1s002ms", -1_002), ("+5ms", 5), ("+1m0s7ms", 60_007), ("0", 0)],
)
def test_a_time_is_days_to_milliseconds_in_either_direction(stamp: str, time_ms: int) -> None:
    ((entry,), _) = read(f"{HEADER}  {stamp} (2) 100\n")

    assert (entry.stamp, entry.time_ms, entry.clock, entry.level_percent) == (stamp, time_ms, None, 100)


@pytest.mark.parametrize(
    ("mark", "kind"),
    [("START", HistoryKind.START), ("SHUTDOWN", HistoryKind.SHUTDOWN), ("*OVERFLOW*", HistoryKind.OVERFLOW)],
)
def test_marks_are_entries_of_their_own(mark: str, kind: HistoryKind) -> None:
    (entries, _) = read(f"{HEADER}  +5ms (4) {mark}\n")

    assert entries == [HistoryEntry(offset=len(HEADER), kind=kind, stamp="+5ms", time_ms=5, clock=None)]


def test_a_clock_that_is_set_counts_from_there_on() -> None:
    text = HEADER + "  0 (2) TIME: 2024-01-01-00-00-00\n  +1s000ms (2) 050\n  +2s000ms (2) TIME: 2030-06-01-10-00-00\n"

    entries, _ = read(text + "  +2s500ms (2) 050\n")

    assert [entry.clock for entry in entries] == [
        "2024-01-01T00:00:00.000",
        "2024-01-01T00:00:01.000",
        "2030-06-01T10:00:00.000",
        "2030-06-01T10:00:00.500",
    ]


def test_the_wall_clock_form_takes_its_year_from_the_clock_read_last_and_turns_it_at_new_year() -> None:
    text = (
        "Battery History [Format: 2] (0% used, 10KB used of 4096KB, 3 strings using 90):\n"
        "  12-31 23:59:59.900 TIME: 2024-12-31-23-59-59\n"
        "  12-31 23:59:59.950 100 +audio\n"
        "  01-01 00:00:00.010 [Earlier timestamp by -3] 099 -audio\n"
    )

    entries, dump = read(text)

    assert [entry.clock for entry in entries] == [
        "2024-12-31T23:59:59.000",
        "2024-12-31T23:59:59.950",
        "2025-01-01T00:00:00.010",
    ]
    assert [entry.time_ms for entry in entries] == [None, None, None]
    assert list(dump.rejects) == []


@pytest.mark.parametrize(
    ("captured", "clock"),
    [
        (None, None),
        (date(2024, 3, 1), "2024-02-29T08:00:00.000"),
        (date(2025, 1, 5), "2024-02-29T08:00:00.000"),
        (date(2026, 1, 5), None),  # 2025 has no 29 February
    ],
)
def test_without_a_clock_read_the_year_comes_from_the_capture_or_stays_unknown(captured, clock) -> None:
    ((entry,), _) = read(f"{HEADER}  02-29 08:00:00.000 100\n", capture_date=captured)

    assert (entry.stamp, entry.clock) == ("02-29 08:00:00.000", clock)


def test_sections_behind_the_history_are_counted_and_strange_lines_are_rejects() -> None:
    text = (
        HISTORY
        + "                 Details: cpu=0u+0s\n"
        + "  +9s9ms (2) 1OO\n"
        + "  NEXT: 99\n"
        + "\nPer-PID Stats:\n  PID 0 wake time: +3s791ms\n\nVendor extra stats:\n  of no kind\n"
        + "\nStatistics since last charge:\n  System starts: 0\n\n  Estimated power use (mAh):\n"
    )

    entries, dump = read(text)

    assert len(entries) == 4
    assert [(reject.offset, reject.text) for reject in dump.rejects] == [
        (text.index("  +9s9ms"), b"  +9s9ms (2) 1OO"),
        (text.index("Vendor"), b"Vendor extra stats:"),
        (text.index("  of no kind"), b"  of no kind"),
    ]
    assert dump.notes == [
        "details of entries: 2 lines that are no entries",
        "Per-PID Stats: 2 lines that are no entries",
        "Statistics since last charge: 3 lines that are no entries",
    ]


@pytest.mark.parametrize(
    "rest",
    [
        '100 +fg=u0a7:"cut',
        "100 temp=warm",
        "100 status=Dis?charging",
        "100 a=",
        "100  two spaces",
        "TIME: 2024-13-01-00-00-00",
        "1000",
        "-01",
    ],
)
def test_an_entry_that_is_cut_or_holds_no_value_where_one_must_be_is_a_reject(rest: str) -> None:
    entries, dump = read(f"{HEADER}  +1s000ms (2) {rest}\n")

    assert entries == []
    assert list(dump.rejects) == [
        Reject(
            offset=len(HEADER),
            reason="no entry of the history, and no heading that is known",
            text=f"  +1s000ms (2) {rest}".encode(),
        )
    ]


def test_entries_that_step_back_are_kept_in_the_dump_s_order_and_counted() -> None:
    entries, dump = read(HEADER + "  +1s840ms (2) 100\n  +1s811ms (2) 100\n")

    assert [entry.time_ms for entry in entries] == [1840, 1811]
    assert dump.notes == ["1 entries step back in time"]


def test_a_verbose_dump_s_states_and_statistics_belong_to_their_entry() -> None:
    text = HEADER + '  +1s000ms (2) 100 80400200 +job=1000:"a" procstate: 1000: TOP\n'
    text += "                 Stats: cpu\n                    uid 0: 3\n"

    ((entry,), dump) = read(text)

    assert entry.changes == (
        HistoryChange(name="job", mark="+", uid="1000", text="a"),
        HistoryChange(name="procstate", mark="", text="1000: TOP"),
    )
    assert (list(dump.rejects), dump.notes) == ([], ["details of entries: 2 lines that are no entries"])


def test_a_text_without_a_history_is_refused() -> None:
    with pytest.raises(DumpError, match="no line 'Battery History'"):
        read("Daily stats:\n")


def test_it_is_told_by_its_heading() -> None:
    assert KIND.looks_like(HISTORY.encode(), "x")
    assert KIND.looks_like(b"DUMP OF SERVICE batterystats:\nBattery History [Format: 2] (0% used):\n", "x")
    assert not KIND.looks_like(b"I think that Battery History (x) is nice\n", "batterystats.txt")


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    assert read_mutations(KIND, (HISTORY + "\nDaily stats:\n  x\n").encode()) > 200


def test_every_line_of_a_real_dump_is_an_entry_or_counted() -> None:
    path = Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "battery", "xiaomi_miro_a15_batterystats0.txt")
    if not path.is_file():
        pytest.skip("AUTOCOMET_DATA names no folder with dumps/battery/xiaomi_miro_a15_batterystats0.txt")
    data = path.read_bytes()

    dump = KIND.read(data, DumpSettings())
    entries = list(dump.records)
    left_out = sum(int(note.split(": ")[1].split()[0]) for note in dump.notes if "lines that are no entries" in note)

    filled = [line for line in data.splitlines() if line.strip()]
    entry_lines = [line for line in filled if re.match(rb" +(?:0|\+\w+ms) \(\d+\) ", line)]
    assert (len(entries), list(dump.rejects)) == (len(entry_lines), [])
    assert len(entries) + left_out + 1 == len(filled)  # and the heading
    assert [entry.voltage_mv for entry in entries if entry.voltage_mv] == [4453, 4437, 4475]
    assert "1 entries step back in time" in dump.notes
