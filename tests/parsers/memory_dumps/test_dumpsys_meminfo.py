from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from parsers.dump import Dump, DumpSettings
from parsers.errors import DumpError
from parsers.memory_dumps.dumpsys_meminfo import KIND
from parsers.memory_dumps.meminfo_records import (
    AppSummary,
    DumpTime,
    Grouping,
    Measure,
    ProcessCount,
    ProcessMemory,
    SystemFigure,
    SystemMemory,
)
from tests.parsers.memory_dumps.meminfo_text import (
    ANDROID_9,
    ANDROID_14,
    HEADER,
    PROCESS,
    SUMMARY_14,
    cells,
    pair,
    size,
    table,
)

PID, NAME = 4711, "org.example.camera:ml"
NATIVE_14 = (12500, 12400, 8, 27, 13460, 20000, 15000, 5000)


def read(lines: Sequence[str]) -> tuple[list[Any], Dump]:
    dump = KIND.read(("\n".join(lines) + "\n").encode(), DumpSettings())
    return list(dump.records), dump


def records_of(lines: Sequence[str], kind: type[Any]) -> list[Any]:
    records, dump = read(lines)
    assert list(dump.rejects) == []
    return [record for record in records if isinstance(record, kind)]


def memory(lines: Sequence[str], name: str, **columns: int) -> ProcessMemory:
    """The record of the line that names it."""
    text = "\n".join(lines)
    line = next(line for line in lines if line.strip(" ").startswith(name))
    sizes: dict[str, Any] = columns
    return ProcessMemory(offset=text.index(line), pid=PID, process=NAME, name=name, other_columns_kb={}, **sizes)


def test_a_process_of_android_14_has_its_columns_by_their_two_line_headers() -> None:
    lines = [*HEADER, PROCESS, *table(ANDROID_14, {"Native Heap": NATIVE_14, "Gfx dev": (90, 80, 0, 0, 90)})]

    assert records_of(lines, ProcessMemory) == [
        memory(
            lines,
            "Native Heap",
            pss_total_kb=12500,
            private_dirty_kb=12400,
            private_clean_kb=8,
            swap_pss_dirty_kb=27,
            rss_total_kb=13460,
            heap_size_kb=20000,
            heap_alloc_kb=15000,
            heap_free_kb=5000,
        ),
        memory(
            lines,
            "Gfx dev",
            pss_total_kb=90,
            private_dirty_kb=80,
            private_clean_kb=0,
            swap_pss_dirty_kb=0,
            rss_total_kb=90,
        ),
    ]


def test_older_androids_have_other_columns_and_none_is_taken_for_another() -> None:
    lines = [PROCESS, *table(ANDROID_9, {"Native Heap": (1, 2, 3, 4, 50, 60, 70)})]

    (found,) = records_of(lines, ProcessMemory)

    assert (found.swap_pss_dirty_kb, found.rss_total_kb, found.heap_size_kb) == (4, None, 50)


def test_a_table_of_android_4_whose_first_column_has_one_word_is_read() -> None:
    header = (("", "Shared", "Private"), ("Pss", "Dirty", "Dirty"))

    (found,) = records_of([PROCESS, *table(header, {"Native": (7, 8, 9, 1, 2, 3)})], ProcessMemory)

    assert (found.pss_total_kb, found.shared_dirty_kb, found.private_dirty_kb, found.heap_size_kb) == (7, 8, 9, 1)


def test_a_column_that_nobody_knows_is_kept_under_its_header() -> None:
    header = ((*ANDROID_14[0], "Zip"), (*ANDROID_14[1], "Total"))

    (found,) = records_of([PROCESS, *table(header, {"Stack": (1, 2, 3, 4, 5, 6)})], ProcessMemory)

    assert (found.rss_total_kb, found.other_columns_kb) == (5, {"Zip Total": 6})


def test_a_label_longer_than_its_place_moves_the_cells_but_not_their_columns() -> None:
    name = ".CompilerMetadataOfSome"  # ten characters too long, one more than a column is wide
    lines = [PROCESS, *table(ANDROID_14, {"Stack": (0, 0, 0, 0, 0), name: (1, 2, 3, 4, 5)})]

    found = records_of(lines, ProcessMemory)[1]

    assert (found.name, found.pss_total_kb, found.rss_total_kb, found.heap_size_kb) == (name, 1, 5, None)


def test_dalvik_details_are_told_from_the_lines_that_they_are_part_of() -> None:
    lines = [PROCESS, *table(ANDROID_14, {"Dalvik Heap": (9,) * 8}), " ", " Dalvik Details", cells(".Heap", (5,) * 5)]

    found = records_of(lines, ProcessMemory)

    assert [(one.name, one.is_dalvik_detail, one.pss_total_kb) for one in found] == [
        ("Dalvik Heap", False, 9),
        (".Heap", True, 5),
    ]


def test_a_line_with_too_few_numbers_is_a_reject_and_the_next_is_read() -> None:
    lines = [PROCESS, *table(ANDROID_14, {"Stack": (1, 2, 3, 4, 5)}), "  Ashmem   12  7", cells("Cursor", (4,) * 5)]

    records, dump = read(lines)

    assert [record.name for record in records] == ["Stack", "Cursor"]
    offset = "\n".join(lines).index("  Ashmem")
    assert [(one.offset, one.reason, one.text) for one in dump.rejects] == [
        (offset, "not as many numbers as columns", b"  Ashmem   12  7")
    ]


def test_without_its_header_no_number_has_a_meaning() -> None:
    header, _, ruler, row = table(ANDROID_14, {"Stack": (1, 2, 3, 4, 5)})

    records, dump = read([*HEADER, PROCESS, header, ruler, row])

    assert [type(record) for record in records] == [DumpTime]
    assert [one.reason for one in dump.rejects] == [
        "a header that does not name every column",
        "numbers under no header",
    ]


def test_the_app_summary_has_pss_and_rss_by_where_they_stand() -> None:
    found = records_of([PROCESS, *SUMMARY_14], AppSummary)

    assert [(one.name, one.pss_kb, one.rss_kb, one.swap_pss_kb) for one in found] == [
        ("Java Heap", 2480, 18640, None),
        ("Private Other", 2136, None, None),
        ("Unknown", None, 4000, None),
        ("TOTAL", 39321, 124676, 545),
    ]


def test_the_app_summary_of_older_androids_has_pss_alone() -> None:
    lines = [
        PROCESS,
        " App Summary",
        f"{'':>21} {'Pss(KB)':>8}",
        f"{'':>21} {'------':>8}",
        pair("Code", 29332),
        " ",
        pair("TOTAL", 174545, "TOTAL SWAP (KB)", 303),
    ]

    found = records_of(lines, AppSummary)

    assert [(one.name, one.pss_kb, one.rss_kb, one.swap_kb) for one in found] == [
        ("Code", 29332, None, None),
        ("TOTAL", 174545, None, 303),
    ]


def test_objects_are_counts_and_sql_is_sizes() -> None:
    lines = [
        PROCESS,
        " Objects",
        pair("Views", 24, "ViewRootImpl", 3),
        pair("Parcel memory", 5, "Parcel count", 20),
        " ",
        " SQL",
        pair("MEMORY_USED", 371),
    ]

    found = records_of(lines, ProcessCount)

    assert [(one.section, one.name, one.count, one.size_kb) for one in found] == [
        ("Objects", "Views", 24, None),
        ("Objects", "ViewRootImpl", 3, None),
        ("Objects", "Parcel memory", None, 5),
        ("Objects", "Parcel count", 20, None),
        ("SQL", "MEMORY_USED", None, 371),
    ]


def test_native_allocations_are_counts_with_sizes_though_a_header_is_longer_than_its_column() -> None:
    lines = [
        PROCESS,
        " Native Allocations",
        f"{'':>21} {'Count':>8} {'':>21} {'Total(kB)':>8}",
        f"{'':>21} {'------':>8} {'':>21} {'------':>8}",
        pair("Bitmap (malloced)", 12, "", 3456),
    ]

    (found,) = records_of(lines, ProcessCount)

    assert (found.section, found.name, found.count, found.size_kb) == (
        "Native Allocations",
        "Bitmap (malloced)",
        12,
        3456,
    )


def test_a_section_that_is_left_out_is_said() -> None:
    lines = [*HEADER, PROCESS, " DATABASES", "      pgsz     dbsz", "         4       60", PROCESS, *SUMMARY_14]

    records, dump = read(lines)

    assert (len(records), len(dump.rejects)) == (5, 0)
    assert dump.notes == ["2 lines of the section DATABASES are left out."]


def system(lines: Sequence[str]) -> list[SystemMemory]:
    return records_of(lines, SystemMemory)


def test_all_processes_are_told_with_their_users_and_activities() -> None:
    lines = [
        "Total PSS by process:",
        f"  {size(188_877)}: com.example.home (pid 2672 / activities)",
        f"  {size(70)}: surfaceflinger (pid 613)",
        f"  {size(1)}: com.example.work (pid 9) (user 10)",
    ]

    found = system(lines)

    assert [(one.name, one.pid, one.has_activities, one.user, one.size_kb) for one in found] == [
        ("com.example.home", 2672, True, None, 188_877),
        ("surfaceflinger", 613, False, None, 70),
        ("com.example.work", 9, False, 10, 1),
    ]
    assert {(one.measure, one.grouping) for one in found} == {(Measure.PSS, Grouping.PROCESS)}


def test_android_6_writes_kb_without_commas() -> None:
    lines = [
        "Total PSS by OOM adjustment:",
        "    27280 kB: Foreground",
        "               17500 kB: com.example (pid 3002 / activities)",
    ]

    found = system(lines)

    assert [(one.name, one.parent, one.size_kb) for one in found] == [
        ("Foreground", None, 27280),
        ("com.example", "Foreground", 17500),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [f"  {size(500)}: {'app (pid 1)':60} ({size(7)} in swap)"],
        [f"  {size(500)}: app (pid 1)", f"({size(7)} in swap)", ""],
    ],
    ids=["behind the process", "on the next line"],
)
def test_what_a_process_has_in_swap_is_its_own(lines: list[str]) -> None:
    (found,) = system(["Total PSS by process:", *lines])

    assert (found.name, found.pid, found.size_kb, found.swap_kb) == ("app", 1, 500, 7)


def test_swap_and_private_dirty_memory_may_stand_together() -> None:
    lines = [
        "Total PSS by process:",
        f"  {size(500)}: app (pid 1)",
        f"({size(7)} in swap, {size(1_300)} private dirty)",
    ]

    (found,) = system(lines)

    assert (found.swap_kb, found.private_dirty_kb) == (7, 1_300)


def test_categories_have_parts() -> None:
    lines = [
        "Total RSS by category:",
        f"  {size(10_747_786)}: Dalvik",
        f"      {size(674_320)}: .Heap",
        f"  {size(452_769)}: .dex mmap",
    ]

    found = system(lines)

    assert [(one.name, one.parent) for one in found] == [("Dalvik", None), (".Heap", "Dalvik"), (".dex mmap", None)]
    assert {(one.measure, one.grouping) for one in found} == {(Measure.RSS, Grouping.CATEGORY)}


def figures(lines: Sequence[str]) -> list[tuple[str, str | None, int, str | None]]:
    return [(one.name, one.part, one.size_kb, one.status) for one in records_of(lines, SystemFigure)]


def test_the_machines_memory_is_told_in_parts() -> None:
    lines = [
        f"Total RAM: {size(5_847_124)} (status normal)",
        f" Free RAM: {size(3_711_324)} ({size(692_588)} cached pss + {size(3_018_736)} free)",
        f" Lost RAM: {size(-5_995)}",
        f"     ZRAM: {size(174_628)} physical used for {size(625_388)} in swap ({size(2_621_436)} total swap)",
        f"      KSM: {size(39)} saved from shared {size(5)}           {size(85)} unshared; {size(99)} volatile",
        f"   Tuning: 256 (large 512), oom {size(322_560)}, restore limit {size(107_520)} (high-end-gfx)",
    ]

    assert figures(lines) == [
        ("Total RAM", None, 5_847_124, "normal"),
        ("Free RAM", None, 3_711_324, None),
        ("Free RAM", "cached pss", 692_588, None),
        ("Free RAM", "free", 3_018_736, None),
        ("Lost RAM", None, -5_995, None),
        ("ZRAM", "physical used for", 174_628, None),
        ("ZRAM", "in swap", 625_388, None),
        ("ZRAM", "total swap", 2_621_436, None),
        ("KSM", "saved from shared", 39, None),
        ("KSM", "shared", 5, None),
        ("KSM", "unshared", 85, None),
        ("KSM", "volatile", 99, None),
        ("Tuning", "heap", 262_144, None),
        ("Tuning", "large heap", 524_288, None),
        ("Tuning", "oom", 322_560, None),
        ("Tuning", "restore limit", 107_520, None),
    ]


def test_android_5_leaves_the_unit_of_the_parts_out_and_breaks_the_line_of_ksm() -> None:
    lines = [
        " Free RAM: 137634 kB (40310 cached pss + 9492 cached kernel + 87832 free)",
        "      KSM: 39500 kB saved from shared 5844 kB",
        "           85420 kB unshared; 99276 kB volatile",
    ]

    assert figures(lines)[1:4] == [
        ("Free RAM", "cached pss", 40310, None),
        ("Free RAM", "cached kernel", 9492, None),
        ("Free RAM", "free", 87832, None),
    ]
    assert figures(lines)[6:] == [("KSM", "unshared", 85420, None), ("KSM", "volatile", 99276, None)]


def test_a_figure_with_words_that_nobody_knows_is_a_reject() -> None:
    _, dump = read([*HEADER, f"     GPU: {size(5)} [{size(4)} = dmabuf]"])

    assert [one.reason for one in dump.rejects] == ["a figure with words that are not understood"]


COMPACT = ("version,1", "time,2030149,3030149")
RAM = (
    "ram,8000000,3000000,5000000",
    "lostram,-12",
    "zram,100,900,800",
    "ksm,1,2,3,4",
    "tuning,256,512,322560,high-end-gfx",
)


def compact_pass(kilobytes: int) -> list[str]:
    return [
        f"oom,native,{kilobytes},N/A",
        f"proc,native,surfaceflinger,613,{kilobytes},N/A,e",
        f"oom,fore,{kilobytes + 1},N/A",
        f"cat,Dalvik,{kilobytes + 2},N/A",
        f"Dalvik,.Heap,{kilobytes + 3},N/A",
    ]


@pytest.mark.parametrize(
    ("lines", "measures"),
    [
        ([*compact_pass(10), *RAM], {Measure.PSS: 5}),
        ([*compact_pass(90), *compact_pass(10), *RAM], {Measure.RSS: 5, Measure.PSS: 5}),
        ([*compact_pass(90), *compact_pass(10)], {None: 10}),
        (compact_pass(10), {None: 5}),
    ],
    ids=["Android 10", "Android 11", "Android 11 cut off", "unknown, cut off"],
)
def test_a_compact_dump_tells_pss_from_rss_where_it_is_whole(
    lines: list[str], measures: dict[Measure | None, int]
) -> None:
    found = system([*COMPACT, *lines])

    assert Counter(one.measure for one in found) == measures


def test_a_compact_dump_names_its_processes_and_figures() -> None:
    lines = [*COMPACT, *compact_pass(10), "proc,fore,com.example,42,77,5,a", *RAM]

    found = system(lines)

    process = found[-1]
    assert (process.name, process.parent, process.pid, process.size_kb, process.swap_kb) == (
        "com.example",
        "fore",
        42,
        77,
        5,
    )
    assert process.has_activities is True
    assert [(one.name, one.parent, one.grouping) for one in found[3:5]] == [
        ("Dalvik", None, Grouping.CATEGORY),
        (".Heap", "Dalvik", Grouping.CATEGORY),
    ]
    assert [(name, part, kilobytes) for name, part, kilobytes, _ in figures(lines)] == [
        ("Total RAM", None, 8_000_000),
        ("Free RAM", None, 3_000_000),
        ("Used RAM", None, 5_000_000),
        ("Lost RAM", None, -12),
        ("ZRAM", None, 100),
        ("Total swap", None, 900),
        ("Free swap", None, 800),
        ("KSM saved", None, 1),
        ("KSM shared", None, 2),
        ("KSM unshared", None, 3),
        ("KSM volatile", None, 4),
        ("Tuning", "heap", 262_144),
        ("Tuning", "large heap", 524_288),
        ("Tuning", "oom", 322_560),
    ]


def checkin(*, version: int = 4, tail: Sequence[object] = (*range(1, 10), 11, 12, 13, 14)) -> str:
    heaps: list[object] = []
    for column in range(1, 12):
        values = [f"{column}{heap}" for heap in range(4)]
        heaps += [*values[:2], "N/A", values[3]] if column <= 3 else values
    area = ["Stack", *range(21, 28), "N/A"]
    return ",".join(map(str, [version, 4711, "org.example", *heaps, *area, *tail]))


def test_a_checkin_line_has_a_process_with_its_heaps_areas_and_objects() -> None:
    records, dump = read(["time,1,2", checkin()])

    memories = [record for record in records if isinstance(record, ProcessMemory)]
    assert list(dump.rejects) == []
    assert [one.name for one in memories] == ["Native Heap", "Dalvik Heap", "Other", "TOTAL", "Stack"]
    dalvik, other, stack = memories[1], memories[2], memories[4]
    assert (dalvik.heap_size_kb, dalvik.pss_total_kb, dalvik.swap_pss_dirty_kb) == (11, 41, 111)
    assert (other.heap_size_kb, other.pss_total_kb) == (None, 42)
    assert (stack.pss_total_kb, stack.private_clean_kb, stack.swap_dirty_kb, stack.swap_pss_dirty_kb) == (
        21,
        26,
        27,
        None,
    )
    counts = {one.name: one.count or one.size_kb for one in records if isinstance(one, ProcessCount)}
    assert (counts["Views"], counts["Death Recipients"], counts["MALLOC_SIZE"], len(counts)) == (1, 9, 14, 13)


def test_a_native_process_of_a_checkin_has_no_objects() -> None:
    records, dump = read(["time,1,2", checkin(tail=[""])])

    assert (len(records), len(dump.rejects)) == (6, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (checkin(version=3), "a checkin line of another version than 4"),
        (checkin(tail=[1, 2]), "a checkin line with other fields than version 4 has"),
        (checkin()[:60], "a checkin line with other fields than version 4 has"),
        ("proc,fore,com.example,42,77,5", "no line of a compact or checkin dump"),
        ("ram,1,2", "no line of a compact or checkin dump"),
    ],
)
def test_a_line_for_programs_that_is_another_or_cut_off_is_a_reject(line: str, reason: str) -> None:
    records, dump = read(["time,1,2", line])

    assert [type(record) for record in records] == [DumpTime]
    assert [one.reason for one in dump.rejects] == [reason]


def test_a_compact_dump_of_another_version_is_not_read() -> None:
    records, dump = read(["version,2", "time,1,2", "oom,native,1,2"])

    assert [type(record) for record in records] == [DumpTime]
    assert [one.reason for one in dump.rejects] == [
        "a compact dump of another version than 1",
        "no line of a compact or checkin dump",
    ]


def test_several_dumps_in_one_file_are_read_one_after_the_other() -> None:
    one = [*HEADER, PROCESS, *table(ANDROID_14, {"Stack": (1, 2, 3, 4, 5)})]

    records, dump = read([*one, "== 12:00 ==", *one])

    assert [type(record) for record in records] == [DumpTime, ProcessMemory] * 2
    assert [reject.text for reject in dump.rejects] == [b"== 12:00 =="]


def test_powershells_utf_16_and_windows_line_ends_give_the_same_records() -> None:
    text = "\n".join([*HEADER, PROCESS, *table(ANDROID_14, {"Stack": (1, 2, 3, 4, 5)}), *SUMMARY_14]) + "\n"
    crlf = text.replace("\n", "\r\n")

    plain = list(KIND.read(text.encode(), DumpSettings()).records)
    windows = KIND.read(b"\xff\xfe" + crlf.encode("utf-16-le"), DumpSettings())

    assert [(type(one), getattr(one, "name", None)) for one in windows.records] == [
        (type(one), getattr(one, "name", None)) for one in plain
    ]
    assert list(windows.rejects) == []


def test_what_is_no_such_dump_is_refused_as_a_whole() -> None:
    with pytest.raises(DumpError, match="Nothing in the file is of the form that dumpsys meminfo prints"):
        KIND.read(b"No process found for: org.example\n", DumpSettings())


@pytest.mark.parametrize(
    ("head", "is_it"),
    [
        ("\n".join(HEADER), True),
        (PROCESS, True),
        ("version,1\ntime,1,2\n", True),
        ("time,1,2\n4,4711,org.example,1,", True),
        ("Total PSS by process:\n", True),
        ("MemTotal:  1 kB\n", False),
        ("version,1\n", False),
        ("", False),
    ],
)
def test_it_is_told_by_how_it_begins(head: str, is_it: bool) -> None:
    assert KIND.looks_like(head.encode(), "dump.txt") is is_it
