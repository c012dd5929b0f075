from __future__ import annotations

import pytest

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.memory_dumps.smaps import KINDS, MappingMemory

ROLLUP, SMAPS = KINDS
ROLLUP_TEXT = """\
12c00000-7ff5b2a000 ---p 00000000 00:00 0                                [rollup]
Rss:                5172 kB
Pss:                2155 kB
Pss_Anon:           1293 kB
Private_Dirty:      1293 kB
KSM:                   0 kB
SwapPss:             431 kB
"""
SMAPS_TEXT = """\
7b2c1000-7b2d9000 r-xp 00021000 fd:05 1843                               /system/lib64/libexample one.so
Size:                 64 kB
Rss:                  48 kB
VmFlags: rd ex mr mw me
7ff5b09000-7ff5b2a000 rw-p 00000000 00:00 0
Size:                132 kB
Name:           [anon:libc_malloc]
"""


def read(text: str) -> tuple[list[MappingMemory], list[Reject]]:
    dump = SMAPS.read(text.encode(), DumpSettings())
    return list(dump.records), list(dump.rejects)


def test_a_rollup_is_one_record_of_all_mappings() -> None:
    assert read(ROLLUP_TEXT) == (
        [
            MappingMemory(
                offset=0,
                addresses="12c00000-7ff5b2a000",
                permissions="---p",
                mapped="[rollup]",
                is_rollup=True,
                rss_kb=5172,
                pss_kb=2155,
                pss_anon_kb=1293,
                private_dirty_kb=1293,
                swap_pss_kb=431,
                others={"KSM": "0 kB"},
            )
        ],
        [],
    )


def test_mappings_are_a_record_each_with_what_is_mapped() -> None:
    found, rejects = read(SMAPS_TEXT)

    assert rejects == []
    assert [(one.mapped, one.permissions, one.size_kb, one.rss_kb, one.is_rollup) for one in found] == [
        ("/system/lib64/libexample one.so", "r-xp", 64, 48, False),
        ("", "rw-p", 132, None, False),
    ]
    assert [one.others for one in found] == [{"VmFlags": "rd ex mr mw me"}, {"Name": "[anon:libc_malloc]"}]


def test_lines_without_a_mapping_are_rejects() -> None:
    found, rejects = read("Rss:     1 kB\n" + SMAPS_TEXT.replace("48 kB", "48kB"))

    assert [one.rss_kb for one in found] == [None, None]
    assert [(one.offset, one.reason) for one in rejects] == [
        (0, "before the first mapping"),
        (14 + SMAPS_TEXT.index("Rss:"), "a value that is not of its key's form"),
    ]


def test_what_holds_no_mapping_is_refused() -> None:
    with pytest.raises(DumpError, match="No line of the file tells of a mapping"):
        read("Rss:     1 kB\n")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [(ROLLUP_TEXT, [True, False]), (SMAPS_TEXT, [False, True]), (SMAPS_TEXT.partition("\n")[0], [False, False])],
)
def test_the_two_are_told_apart_by_what_is_mapped(text: str, kinds: list[bool]) -> None:
    assert [kind.looks_like(text.encode(), "") for kind in KINDS] == kinds
