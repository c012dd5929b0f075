"""What ``dumpsys meminfo`` tells, a record a line or less. Every size is in KiB, as Android counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What a process is charged with."""

    PSS = "pss"
    """Its resident pages, each divided by the number of processes that map it."""
    RSS = "rss"
    """All its resident pages."""


class Grouping(StrEnum):
    """By what the processes' memory is added up."""

    PROCESS = "process"
    OOM_ADJUSTMENT = "oom_adjustment"
    """How soon Android would kill them."""
    CATEGORY = "category"
    """What the memory is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpTime:
    """When the dump was made."""

    offset: int
    uptime_ms: int
    """Since the start, without deep sleep."""
    realtime_ms: int
    """Since the start, with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMemory:
    """One line of a process's table: a heap, a kind of mapping, or ``TOTAL``. A column that is not there is ``None``."""

    offset: int
    pid: int | None
    process: str | None
    name: str
    is_dalvik_detail: bool = False
    """A part of a line above, printed with ``-d``: it is not added to the total again."""
    pss_total_kb: int | None = None
    pss_clean_kb: int | None = None
    shared_dirty_kb: int | None = None
    private_dirty_kb: int | None = None
    shared_clean_kb: int | None = None
    private_clean_kb: int | None = None
    swap_dirty_kb: int | None = None
    swap_pss_dirty_kb: int | None = None
    rss_total_kb: int | None = None
    heap_size_kb: int | None = None
    heap_alloc_kb: int | None = None
    heap_free_kb: int | None = None
    other_columns_kb: Mapping[str, int]
    """Columns that no version known here has, by their header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSummary:
    """One line of a process's ``App Summary``; its last line is ``TOTAL``."""

    offset: int
    pid: int | None
    process: str | None
    name: str
    pss_kb: int | None = None
    rss_kb: int | None = None
    swap_pss_kb: int | None = None
    swap_kb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCount:
    """One number of a process's ``Objects``, ``Native Allocations`` or ``SQL``: a count, a size, or both."""

    offset: int
    pid: int | None
    process: str | None
    section: str
    name: str
    count: int | None = None
    size_kb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemMemory:
    """One line of what all processes take together."""

    offset: int
    measure: Measure | None
    """``None`` where a compact dump is cut off, so that nobody can tell."""
    grouping: Grouping
    name: str
    parent: str | None = None
    """The line that it is a part of."""
    pid: int | None = None
    user: int | None = None
    has_activities: bool | None = None
    size_kb: int
    swap_kb: int | None = None
    private_dirty_kb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFigure:
    """One number of the machine's memory: ``Total RAM``, ``Free RAM`` and its parts, ``ZRAM``."""

    offset: int
    name: str
    part: str | None = None
    """As ``cached pss``; ``None`` for the whole."""
    size_kb: int
    status: str | None = None
    """Android's word for the memory's pressure, as ``normal``."""
