from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.dump import DumpSettings, Reject, record_to_json
from parsers.errors import DumpError
from parsers.memory_dumps.proc_status import KIND, ProcessStatus

TEXT = """\
Name:\tautocomet-run
Umask:\t0077
State:\tS (sleeping)
Tgid:\t4711
Pid:\t4711
PPid:\t812
Uid:\t10123\t10123\t10123\t10123
VmPeak:\t  553500 kB
VmHWM:\t   62400 kB
VmRSS:\t   61500 kB
RssAnon:\t   61200 kB
RssFile:\t     200 kB
VmSwap:\t      77 kB
Threads:\t5
Cpus_allowed:\tf0
Cpus_allowed_list:\t4-7
voluntary_ctxt_switches:\t8785
nonvoluntary_ctxt_switches:\t683
"""


def read(text: str) -> tuple[list[ProcessStatus], list[Reject]]:
    dump = KIND.read(text.encode(errors="surrogateescape"), DumpSettings())
    return list(dump.records), list(dump.rejects)


def test_a_process_is_read_whole_and_what_no_field_takes_is_kept_as_text() -> None:
    assert read(TEXT) == (
        [
            ProcessStatus(
                offset=0,
                name="autocomet-run",
                state="S (sleeping)",
                pid=4711,
                parent_pid=812,
                vm_peak_kb=553_500,
                vm_hwm_kb=62_400,
                vm_rss_kb=61_500,
                rss_anon_kb=61_200,
                rss_file_kb=200,
                vm_swap_kb=77,
                threads=5,
                cpus_allowed_list="4-7",
                voluntary_ctxt_switches=8785,
                nonvoluntary_ctxt_switches=683,
                others={
                    "Umask": "0077",
                    "Tgid": "4711",
                    "Uid": "10123\t10123\t10123\t10123",
                    "Cpus_allowed": "f0",
                },
            )
        ],
        [],
    )


def test_a_kernel_thread_has_no_memory() -> None:
    ((found,), rejects) = read("Name:\tkworker/u16:3\nState:\tI (idle)\nPid:\t77\nThreads:\t1\n")

    assert (found.name, found.threads, found.vm_rss_kb, rejects) == ("kworker/u16:3", 1, None, [])


def test_a_sampled_process_is_a_record_a_sample() -> None:
    found, rejects = read(TEXT + TEXT.replace("61500", "72500"))

    assert [(one.offset, one.vm_rss_kb) for one in found] == [(0, 61_500), (len(TEXT), 72_500)]
    assert rejects == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("VmRSS:\t   6150O kB", "a value that is not of its key's form"),
        ("VmRSS:\t   61500 MB", "a value that is not of its key's form"),
        ("VmRSS:\t   -1 kB", "a value that is not of its key's form"),
        (f"VmRSS:\t{'9' * 5000} kB", "a value that is not of its key's form"),
        ("VmRSS:\t   ٣ kB", "a value that is not of its key's form"),
        ("VmRSS 61500 kB", "no 'key: value'"),
    ],
)
def test_a_value_that_is_none_is_a_reject_and_unknown(line: str, reason: str) -> None:
    text = TEXT.replace("VmRSS:\t   61500 kB", line)

    ((found,), rejects) = read(text)

    assert found.vm_rss_kb is None
    assert [(one.offset, one.reason) for one in rejects] == [(text.encode().index(line[:6].encode()), reason)]


def test_a_key_that_stands_twice_is_believed_once() -> None:
    ((found,), rejects) = read(TEXT + "VmRSS:\t       1 kB\nUmask:\t0000\n")

    assert (found.vm_rss_kb, found.others["Umask"]) == (61_500, "0077")
    assert [one.reason for one in rejects] == ["a key that stands twice"] * 2


def test_more_keys_than_any_kernel_writes_are_refused() -> None:
    ((found,), rejects) = read("Name:\ta\n" + "".join(f"key{number}:\t1\n" for number in range(300)))

    assert (len(found.others), len(rejects)) == (200, 100)


def test_a_file_without_a_name_is_no_status() -> None:
    with pytest.raises(DumpError, match="No line of the file begins with 'Name:'"):
        read("MemTotal:  1 kB\n")


@pytest.mark.parametrize(
    ("head", "is_it"), [(TEXT, True), ("Name:\tx\n", False), ("Pid:\t1\nName:\tx", False), ("", False)]
)
def test_it_is_told_by_how_it_begins(head: str, is_it: bool) -> None:
    assert KIND.looks_like(head.encode(), "status") is is_it


NAME_OF = {"vm_hwm_kb": "VmHWM", "vm_rss_kb": "VmRSS", "vm_swap_kb": "VmSwap", "rss_anon_kb": "RssAnon"}
COUNT_OF = {"pid": "Pid", "threads": "Threads", "voluntary_ctxt_switches": "voluntary_ctxt_switches"}
word = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_characters="\x7f\x85\xa0"), min_size=1)
number = st.integers(0, 10**18 - 1)
statuses = st.fixed_dictionaries(
    {"name": st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=15)},
    optional={
        **dict.fromkeys((*NAME_OF, *COUNT_OF), number),
        "cpus_allowed_list": st.from_regex(r"[0-9,-]{1,9}", fullmatch=True),
    },
)
others = st.dictionaries(st.from_regex(r"X[A-Za-z_]{0,20}", fullmatch=True), word, max_size=5)


def rendered(fields: dict[str, Any], rest: dict[str, str]) -> str:
    """Write a process as the kernel does."""
    lines = [f"Name:\t{fields['name']}"]
    lines += [f"{key}:\t{fields[name]:>8} kB" for name, key in NAME_OF.items() if name in fields]
    lines += [f"{key}:\t{fields[name]}" for name, key in COUNT_OF.items() if name in fields]
    if "cpus_allowed_list" in fields:
        lines.append(f"Cpus_allowed_list:\t{fields['cpus_allowed_list']}")
    return "\n".join([*lines, *(f"{key}:\t{value}" for key, value in rest.items()), ""])


@given(st.lists(st.tuples(statuses, others), min_size=1, max_size=4))
def test_what_is_written_as_the_kernel_does_is_read_back(
    processes: list[tuple[dict[str, Any], dict[str, str]]],
) -> None:
    found, rejects = read("".join(rendered(fields, rest) for fields, rest in processes))

    assert rejects == []
    told = [{key: value for key, value in record_to_json(one).items() if value is not None} for one in found]
    assert [{**one, "offset": 0} for one in told] == [
        {**fields, "others": rest, "offset": 0} for fields, rest in processes
    ]
