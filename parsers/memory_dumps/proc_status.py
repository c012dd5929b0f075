"""``/proc/PID/status``: the memory, threads and context switches of a process, as the kernel counts them.

Linux writes it in ``fs/proc/array.c`` (``proc_pid_status``) and ``fs/proc/task_mmu.c`` (``task_mem``); which lines there
are depends on the kernel, 3.x to 6.x differ by a dozen. A file may hold several, one behind the other, as a loop that
samples a process leaves them: each begins with ``Name:``. A kernel thread has no memory lines. The counters of resident
memory are kept per thread and summed up late, so ``VmRSS`` may be off by some pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, at_least_one, first_lines, read_lines
from parsers.memory_dumps.fields import Block, Field, Form, add_field, sizes

_KNOWN: Mapping[str, Field] = {
    "Name": Field(name="name", form=Form.TEXT),
    "State": Field(name="state", form=Form.TEXT),
    "Pid": Field(name="pid", form=Form.COUNT),
    "PPid": Field(name="parent_pid", form=Form.COUNT),
    **sizes(
        vm_peak_kb="VmPeak",
        vm_size_kb="VmSize",
        vm_lck_kb="VmLck",
        vm_pin_kb="VmPin",
        vm_hwm_kb="VmHWM",
        vm_rss_kb="VmRSS",
        rss_anon_kb="RssAnon",
        rss_file_kb="RssFile",
        rss_shmem_kb="RssShmem",
        vm_data_kb="VmData",
        vm_stk_kb="VmStk",
        vm_exe_kb="VmExe",
        vm_lib_kb="VmLib",
        vm_pte_kb="VmPTE",
        vm_pmd_kb="VmPMD",
        vm_swap_kb="VmSwap",
        hugetlb_pages_kb="HugetlbPages",
    ),
    "Threads": Field(name="threads", form=Form.COUNT),
    "Cpus_allowed_list": Field(name="cpus_allowed_list", form=Form.TEXT),
    "voluntary_ctxt_switches": Field(name="voluntary_ctxt_switches", form=Form.COUNT),
    "nonvoluntary_ctxt_switches": Field(name="nonvoluntary_ctxt_switches", form=Form.COUNT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One process as it was when the file was read. What the kernel does not write is ``None``."""

    offset: int
    name: str
    """As it stands; the kernel cuts it to 15 bytes and escapes a line break and a backslash."""
    state: str | None = None
    pid: int | None = None
    parent_pid: int | None = None
    vm_peak_kb: int | None = None
    """The largest that its address space was."""
    vm_size_kb: int | None = None
    vm_lck_kb: int | None = None
    vm_pin_kb: int | None = None
    vm_hwm_kb: int | None = None
    """The most that was resident, since the start or since 5 was written to ``clear_refs``."""
    vm_rss_kb: int | None = None
    """What is resident: the sum of the three that follow."""
    rss_anon_kb: int | None = None
    rss_file_kb: int | None = None
    rss_shmem_kb: int | None = None
    vm_data_kb: int | None = None
    vm_stk_kb: int | None = None
    vm_exe_kb: int | None = None
    vm_lib_kb: int | None = None
    vm_pte_kb: int | None = None
    vm_pmd_kb: int | None = None
    vm_swap_kb: int | None = None
    hugetlb_pages_kb: int | None = None
    threads: int | None = None
    cpus_allowed_list: str | None = None
    """As ``0-3,6``."""
    voluntary_ctxt_switches: int | None = None
    nonvoluntary_ctxt_switches: int | None = None
    others: Mapping[str, str]
    """Every other line, by its key."""


def read_proc_status(data: Buffer, settings: DumpSettings) -> Dump:
    """Read one ``/proc/PID/status``, or several that follow each other.

    Raises:
        DumpError: no line begins with ``Name:``.
    """
    rejects = Rejects(data)
    complaint = f"No line of {settings.name or 'the file'} begins with 'Name:', as a /proc/PID/status does. Try --kind."
    return Dump(records=at_least_one(_statuses(data, rejects), complaint), rejects=rejects)


def _statuses(data: Buffer, rejects: Rejects) -> Iterator[ProcessStatus]:
    block: Block | None = None
    for line in read_lines(data, rejects):
        if line.text.startswith("Name:"):
            if block is not None:
                yield _status(block)
            block = Block(line=line)
        if not line.text.strip(" \t"):
            continue
        if block is None:
            rejects.add(line, "before the first 'Name:'")
        else:
            add_field(block, line, _KNOWN, rejects)
    if block is not None:
        yield _status(block)


def _status(block: Block) -> ProcessStatus:
    values: dict[str, Any] = {"name": "", **block.values}
    return ProcessStatus(offset=block.line.offset, others=block.others, **values)


def _looks_like(head: bytes, _name: str) -> bool:
    lines = first_lines(head, 12)
    return bool(lines) and lines[0].startswith("Name:") and any(re.match(r"Pid:\s", line) for line in lines)


KIND = Kind(
    name="proc-status",
    meaning="/proc/PID/status of Linux: a process's memory, threads and context switches",
    looks_like=_looks_like,
    read=read_proc_status,
)
