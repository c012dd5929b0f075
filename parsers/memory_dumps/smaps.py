"""``/proc/PID/smaps`` and ``smaps_rollup``: what a process's mappings take, each alone or all together.

Linux writes both in ``fs/proc/task_mmu.c`` (``show_smap``, ``show_smaps_rollup``; the rollup since 4.14): a line with
addresses, permissions and what is mapped, then a line for each size. Which sizes there are depends on the kernel; those
that no field takes are kept as text, as are the flags. Old Android kernels name an anonymous mapping on a line
``Name:``. Pss is rounded down for every mapping, so the mappings' sum is less than the rollup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, at_least_one, first_lines, read_lines
from parsers.memory_dumps.fields import Block, add_field, sizes

_HEADER = re.compile(
    r"([0-9a-f]{1,16}-[0-9a-f]{1,16}) ([r-][w-][x-][ps-]) [0-9a-f]{1,16} [0-9a-f]{1,8}:[0-9a-f]{1,8} [0-9]{1,20}[ \t]*(.*)"
)
_ROLLUP = "[rollup]"
_KNOWN = sizes(
    size_kb="Size",
    rss_kb="Rss",
    pss_kb="Pss",
    pss_dirty_kb="Pss_Dirty",
    pss_anon_kb="Pss_Anon",
    pss_file_kb="Pss_File",
    pss_shmem_kb="Pss_Shmem",
    shared_clean_kb="Shared_Clean",
    shared_dirty_kb="Shared_Dirty",
    private_clean_kb="Private_Clean",
    private_dirty_kb="Private_Dirty",
    referenced_kb="Referenced",
    anonymous_kb="Anonymous",
    lazy_free_kb="LazyFree",
    anon_huge_pages_kb="AnonHugePages",
    shared_hugetlb_kb="Shared_Hugetlb",
    private_hugetlb_kb="Private_Hugetlb",
    swap_kb="Swap",
    swap_pss_kb="SwapPss",
    locked_kb="Locked",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingMemory:
    """What one mapping takes, or, where it is the rollup, all of a process. What the kernel does not write is ``None``."""

    offset: int
    addresses: str
    """Where it begins and the byte behind its end, hexadecimal, as they stand."""
    permissions: str
    mapped: str
    """A file's path, ``[heap]``, ``[anon:NAME]``, ``[rollup]``; empty for other anonymous memory."""
    is_rollup: bool
    size_kb: int | None = None
    rss_kb: int | None = None
    pss_kb: int | None = None
    """Resident pages, each divided by the number of processes that map it."""
    pss_dirty_kb: int | None = None
    pss_anon_kb: int | None = None
    pss_file_kb: int | None = None
    pss_shmem_kb: int | None = None
    shared_clean_kb: int | None = None
    shared_dirty_kb: int | None = None
    private_clean_kb: int | None = None
    private_dirty_kb: int | None = None
    referenced_kb: int | None = None
    anonymous_kb: int | None = None
    lazy_free_kb: int | None = None
    anon_huge_pages_kb: int | None = None
    shared_hugetlb_kb: int | None = None
    private_hugetlb_kb: int | None = None
    swap_kb: int | None = None
    swap_pss_kb: int | None = None
    locked_kb: int | None = None
    others: Mapping[str, str]
    """Every other line, by its key."""


def read_smaps(data: Buffer, settings: DumpSettings) -> Dump:
    """Read ``smaps`` or ``smaps_rollup``, of one process or of several that follow each other.

    Raises:
        DumpError: no line tells of a mapping.
    """
    rejects = Rejects(data)
    complaint = f"No line of {settings.name or 'the file'} tells of a mapping, as /proc/PID/smaps has it. Try --kind."
    return Dump(records=at_least_one(_mappings(data, rejects), complaint), rejects=rejects)


def _mappings(data: Buffer, rejects: Rejects) -> Iterator[MappingMemory]:
    block: Block | None = None
    header: re.Match[str] | None = None
    for line in read_lines(data, rejects):
        found = _HEADER.fullmatch(line.text)
        if found:
            if block is not None and header is not None:
                yield _mapping(block, header)
            block, header = Block(line=line), found
        elif not line.text.strip(" \t"):
            continue
        elif block is None:
            rejects.add(line, "before the first mapping")
        else:
            add_field(block, line, _KNOWN, rejects)
    if block is not None and header is not None:
        yield _mapping(block, header)


def _mapping(block: Block, header: re.Match[str]) -> MappingMemory:
    addresses, permissions, mapped = header.groups()
    values: dict[str, Any] = dict(block.values)
    return MappingMemory(
        offset=block.line.offset,
        addresses=addresses,
        permissions=permissions,
        mapped=mapped.rstrip(" \t"),
        is_rollup=mapped.rstrip(" \t") == _ROLLUP,
        others=block.others,
        **values,
    )


def _begins_with_a_mapping(head: bytes) -> re.Match[str] | None:
    lines = first_lines(head, 2)
    is_smaps = len(lines) == 2 and re.match(r"(?:Size|Rss|Name):\s", lines[1])
    return _HEADER.fullmatch(lines[0]) if is_smaps else None


def _looks_like_rollup(head: bytes, _name: str) -> bool:
    header = _begins_with_a_mapping(head)
    return bool(header and header[3].strip(" \t") == _ROLLUP)


def _looks_like_smaps(head: bytes, _name: str) -> bool:
    header = _begins_with_a_mapping(head)
    return bool(header and header[3].strip(" \t") != _ROLLUP)


KINDS = (
    Kind(
        name="smaps-rollup",
        meaning="/proc/PID/smaps_rollup of Linux: a process's memory, all mappings together",
        looks_like=_looks_like_rollup,
        read=read_smaps,
    ),
    Kind(
        name="smaps",
        meaning="/proc/PID/smaps of Linux: a process's memory, mapping by mapping",
        looks_like=_looks_like_smaps,
        read=read_smaps,
    ),
)
