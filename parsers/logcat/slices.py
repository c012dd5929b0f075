"""Pages of a mapped file that have been read, and need not stay with the process that read them."""

from __future__ import annotations

import mmap

from parsers.dump import Buffer


def let_go(data: Buffer, start: int, end: int) -> None:
    """Let go of the whole pages between two bytes of a mapped file: until then they count as the process's own memory.

    Whoever reads them again gets the same bytes. Data in memory are left alone, and so is a mapping that can be written
    to: its pages may hold what no file does.
    """
    if not isinstance(data, mmap.mmap) or not _is_read_only(data):
        return
    first, last = (at - at % mmap.PAGESIZE for at in (start, min(end, len(data))))
    if first < last:
        data.madvise(mmap.MADV_DONTNEED, first, last - first)


def _is_read_only(data: mmap.mmap) -> bool:
    with memoryview(data) as view:
        return view.readonly
