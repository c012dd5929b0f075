from __future__ import annotations

import os
from pathlib import Path

import pytest

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.facts.meminfo import KIND, MemoryFigure, memory_total_kb

TEXT = """\
MemTotal:        5712344 kB
MemFree:          211180 kB
Active(anon):     801012 kB
HugePages_Total:       3
"""


def read(text: str) -> tuple[list[MemoryFigure], list[Reject]]:
    dump = KIND.read(text.encode(), DumpSettings())
    return list(dump.records), list(dump.rejects)


def test_sizes_have_their_unit_and_pages_are_counted() -> None:
    assert read(TEXT) == (
        [
            MemoryFigure(offset=0, sample=0, name="MemTotal", size_kb=5_712_344),
            MemoryFigure(offset=28, sample=0, name="MemFree", size_kb=211_180),
            MemoryFigure(offset=56, sample=0, name="Active(anon)", size_kb=801_012),
            MemoryFigure(offset=84, sample=0, name="HugePages_Total", count=3),
        ],
        [],
    )


def test_another_file_of_sizes_is_no_meminfo() -> None:
    with pytest.raises(DumpError, match="No line of the file reads 'MemTotal: 1234 kB'"):
        read("Name:\tsh\nVmRSS:\t 1234 kB\n")


def test_samples_are_told_apart_by_their_first_line() -> None:
    found, rejects = read(TEXT + TEXT)

    assert [one.sample for one in found] == [0] * 4 + [1] * 4
    assert rejects == []


@pytest.mark.parametrize(
    "line", ["MemFree:  2111800", "MemFree: 1 MB", "MemFree:  -1 kB", f"MemFree: {'1' * 5000} kB", "x"]
)
def test_a_line_that_is_no_size_is_a_reject_or_a_count(line: str) -> None:
    found, rejects = read(TEXT.replace("MemFree:          211180 kB", line))

    assert [one.size_kb for one in found if one.name == "MemFree"] in ([], [None])
    assert [one.offset for one in rejects] == ([] if line.endswith("2111800") else [28])


def test_the_total_is_a_size_or_unknown() -> None:
    assert memory_total_kb(TEXT) == 5_712_344
    assert memory_total_kb(TEXT.replace(" kB", "")) is None


def test_a_total_without_a_unit_is_no_meminfo() -> None:
    with pytest.raises(DumpError, match="No line of the file reads 'MemTotal: 1234 kB'"):
        read("MemTotal:  5712344\n")


@pytest.mark.parametrize(
    ("head", "is_it"), [(TEXT, True), ("MemTotal: x kB", False), ("MemFree: 1 kB", False), ("", False)]
)
def test_it_is_told_by_how_it_begins(head: str, is_it: bool) -> None:
    assert KIND.looks_like(head.encode(), "") is is_it


def test_a_recorded_phones_memory_is_what_its_lines_say() -> None:
    data = os.environ.get("AUTOCOMET_DATA")
    if not data or not (path := Path(data) / "facts/goadb/proc_meminfo_goadb.txt").is_file():
        pytest.skip("AUTOCOMET_DATA names no folder with a recorded /proc/meminfo")
    expected = {line.split(":")[0]: int(line.split()[1]) for line in path.read_text().splitlines() if line.strip()}

    found, rejects = read(path.read_text())

    assert {one.name: one.size_kb for one in found} == expected
    assert rejects == []
