"""The records of one tag out of a log of any size: its bytes are looked for first, and only the lines that hold them are read.

A line whose tag is TAG holds `` TAG``. The C library's own search for bytes, ``memmem``, finds it, or Python's where there is no
such function; ``benchmarks/bench_parsers.py`` prints the speed beside ``grep -F``. A mapped file is copied for it, window by
window, into one buffer that stays in the processor's cache: mapping all of its pages would cost more. Whether the bytes
stand in the tag's place, only the parser of records says.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from parsers.dump import HEAD_BYTES, Buffer, MappedFile
from parsers.logcat.record import LogRecord
from parsers.logcat.threadtime import parse_line, parse_threadtime

_WINDOW_BYTES = 1 << 18
"""So much is looked through at once."""

_Find = Callable[[int, int], int]
"""Looks from a place on to an end; gives where the text begins, or -1."""


def tag_search(data: Buffer, tag: str) -> Iterator[LogRecord]:
    """Read the records of a ``threadtime`` log that have this tag, in the log's order.

    They equal those of :func:`parsers.logcat.threadtime.parse_threadtime`.

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
    end, overlap = 0, len(text) - 1
    window = bytearray(_WINDOW_BYTES + overlap)
    find = _finder(window, text)
    for first in range(0, len(data), _WINDOW_BYTES):
        if isinstance(data, MappedFile):
            size = data.read_into(window, first)
        else:
            size = min(len(window), len(data) - first)
            window[:size] = data[first : first + size]
        lines = _lines_of_window(data, window, first, size, find, end)
        yield from lines
        if lines:
            start, line = lines[-1]
            end = start + len(line)


def _lines_of_window(
    data: Buffer, window: bytearray, first: int, size: int, find: _Find, end: int
) -> list[tuple[int, bytes]]:
    """Give the lines that hold a text wholly in a window, and where they begin.

    Args:
        data: the log; lines that reach beyond the window are taken from it.
        window: a copy of a part of it.
        first: where in the log the window begins.
        size: so many bytes of the window are the log's.
        find: looks for the text.
        end: where in the log the line before ended that was found last.
    """
    place, lines = max(0, end - first), list[tuple[int, bytes]]()
    while (place := find(place, size)) >= 0:
        before, behind = window.rfind(b"\n", max(0, end - first), place), window.find(b"\n", place, size)
        start = first + before + 1 if before >= 0 else data.rfind(b"\n", end, first) + 1 or end
        end = first + behind + 1 if behind >= 0 else data.find(b"\n", first + size) + 1 or len(data)
        inside = before >= 0 and behind >= 0
        lines.append((start, bytes(window[before + 1 : behind + 1] if inside else data[start:end])))
        place = end - first
    return lines


def _finder(window: bytearray, text: bytes) -> _Find:
    """Make a search for a text in a window."""
    memmem, length = _memmem(), len(text)
    if memmem is None:
        return lambda place, size: window.find(text, place, size)
    address = np.frombuffer(window, np.uint8).ctypes.data

    def find(place: int, size: int) -> int:
        return (memmem(address + place, size - place, text, length) or address - 1) - address if place < size else -1

    return find


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
