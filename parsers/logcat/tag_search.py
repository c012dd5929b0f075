"""The records of one tag out of a log of any size: its bytes are looked for first, and only the lines that hold them are read.

A line whose tag is TAG holds `` TAG``. The C library's own search for bytes, ``memmem``, finds it in a mapped file without a
copy; ``benchmarks/bench_parsers.py`` prints its speed beside ``grep -F``; where there is no such function, Python's takes its
place. Whether the bytes stand in the tag's place, only the parser of records says.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from parsers.dump import HEAD_BYTES, Buffer
from parsers.logcat.record import LogRecord
from parsers.logcat.slices import fetch, let_go
from parsers.logcat.threadtime import parse_line, parse_threadtime

_WINDOW_BYTES = 1 << 22
"""So much is looked through at once."""
_LET_GO_BYTES = 1 << 27
"""So much is let go of at once: each time costs."""


def tag_search(data: Buffer, tag: str) -> Iterator[LogRecord]:
    """Read the records of a ``threadtime`` log that have this tag, in the log's order.

    They equal those of :func:`parsers.logcat.threadtime.parse_threadtime`. A mapped file's pages are let go of on the way.

    Args:
        data: the log, in memory or mapped.
        tag: as a record has it.
    """
    text = b" " + tag.encode(errors="surrogateescape")
    if not tag:
        yield from (record for record in parse_threadtime(data) if record.tag == tag)
        return
    first_line = bytes(data[:HEAD_BYTES]).partition(b"\n")[0]
    carriage_return = b"\r" if first_line.endswith(b"\r") else b""
    for start, line in _lines_with(data, text):
        terminated = line.endswith(b"\n")
        record = parse_line(start, line.removesuffix(b"\n").removesuffix(carriage_return), terminated=terminated)
        if record is not None and record.tag == tag:
            yield record


def _lines_with(data: Buffer, text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold a text, with their newlines, and where they begin."""
    end = let_go_from = 0
    for window in range(0, len(data), _WINDOW_BYTES):
        stop = min(len(data), window + _WINDOW_BYTES + len(text) - 1)
        fetch(data, window, stop)
        spans = _spans(data, text, end, max(window, end), stop)
        for start, end in spans:
            yield start, bytes(data[start:end])
        if stop - let_go_from >= _LET_GO_BYTES:
            let_go(data, let_go_from, window)
            let_go_from = window


def _spans(data: Buffer, text: bytes, end: int, begin: int, stop: int) -> list[tuple[int, int]]:
    """Give where lines begin and end that hold a text wholly between two places; the line before them ended at ``end``.

    The array over the data does not outlive the call, since a mapped file could not be closed meanwhile.
    """
    memmem = _memmem()
    view = np.frombuffer(data, np.uint8)
    address, place, spans = view.ctypes.data, begin, list[tuple[int, int]]()
    while stop - place >= len(text):
        if memmem is None:
            place = data.find(text, place, stop)
        else:
            place = (memmem(address + place, stop - place, text, len(text)) or address - 1) - address
        if place < 0:
            break
        start = data.rfind(b"\n", end, place) + 1 or end
        place = end = data.find(b"\n", place) + 1 or len(data)
        spans.append((start, end))
    return spans


@cache
def _memmem() -> Callable[[int, int, bytes, int], int | None] | None:
    """Give the C library's search for bytes, where it has one."""
    try:
        function = ctypes.CDLL(None).memmem
    except (AttributeError, OSError, TypeError):  # no such function; no library by that name, as on Windows
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    search: Callable[[int, int, bytes, int], int | None] = function
    return search
