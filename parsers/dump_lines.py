r"""Lines of a text dump, each with the byte at which it begins, and what could not be read of them.

A dump that went through PowerShell is UTF-16 with a byte order mark; offsets are those of the file all the same. Bytes
that are no text stand in it as ``\xNN``. A line longer than LONGEST_LINE is no line of any dump that is read by lines.
Logs have readers of their own (:mod:`parsers.logcat`): theirs must give back every byte, and be faster.
"""

from __future__ import annotations

import csv
import itertools
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

from parsers.dump import LONGEST_REJECT, Buffer, Reject
from parsers.errors import DumpError

LONGEST_LINE = 65_536
"""Bytes."""
_SINGLE_REJECTS = 1_000
"""Rejects that are kept apart; of more, neighbours of one reason are one piece, so that a large file of nothing but noise
does not need a multiple of its size."""

_ENCODINGS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line without its end."""

    offset: int
    """Byte at which it begins."""
    end: int
    """Byte behind its line break."""
    text: str


class Rejects(Sequence[Reject]):
    """Collects what could not be read of a dump, in a few bytes each: their texts are cut out of the dump when asked for."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._offsets, self._lengths, self._sorts = array("q"), array("B"), array("I")
        self._reasons: dict[str, int] = {}
        """By which number ``_sorts`` has each."""
        self._end = -1

    def add(self, line: Line, reason: str) -> None:
        """Keep a line."""
        self.add_piece(line.offset, line.end, reason)

    def add_piece(self, offset: int, end: int, reason: str) -> None:
        """Keep the bytes from ``offset`` up to ``end``."""
        sort = self._reasons.setdefault(reason, len(self._reasons))
        is_next = len(self) >= _SINGLE_REJECTS and self._end == offset and self._sorts[-1] == sort
        self._end = end
        if not is_next:
            self._offsets.append(offset)
            self._lengths.append(min(end - offset, LONGEST_REJECT))
            self._sorts.append(sort)

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> Reject: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reject]: ...
    def __getitem__(self, index: int | slice) -> Reject | list[Reject]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        offset = self._offsets[index]
        text = bytes(self._data[offset : offset + self._lengths[index]])
        return Reject(offset=offset, reason=list(self._reasons)[self._sorts[index]], text=text.rstrip(b"\r\n"))


def encoding_of(data: Buffer) -> tuple[str, int]:
    """Give a dump's encoding by its byte order mark, and the mark's length; UTF-8 where there is none."""
    head = bytes(data[:3])
    return next(((name, len(mark)) for mark, name in _ENCODINGS if head.startswith(mark)), ("utf-8", 0))


def read_lines(data: Buffer, rejects: Rejects) -> Iterator[Line]:
    """Yield a dump's lines; one that is too long is rejected, and the next one begins behind a gap."""
    encoding, start = encoding_of(data)
    newline = "\n".encode(encoding)
    while start < len(data):
        found = _find_aligned(data, newline, start)
        stop = len(data) if found < 0 else found
        end = min(stop + len(newline), len(data))
        if stop - start > LONGEST_LINE:
            rejects.add_piece(start, end, "a line longer than 64 KiB")
        else:
            text = bytes(data[start:stop]).decode(encoding, errors="backslashreplace").removesuffix("\r")
            yield Line(offset=start, end=end, text=text)
        start = end


def _find_aligned(data: Buffer, newline: bytes, start: int) -> int:
    """Find the next line break: in UTF-16, two bytes that look like one may belong to two characters."""
    found = data.find(newline, start)
    while found >= 0 and (found - start) % len(newline):
        found = data.find(newline, found + 1)
    return found


def first_lines(head: bytes, count: int) -> list[str]:
    """Give the first lines of a dump's head that are not blank, stripped, to tell its kind by."""
    lines = (line.text.strip() for line in read_lines(head, Rejects(head)))
    return list(itertools.islice((line for line in lines if line), count))


def holds(data: Buffer, text: str) -> bool:
    """Tell whether a dump holds a text anywhere."""
    encoding, _ = encoding_of(data)
    return data.find(text.encode(encoding)) >= 0


def cells_of(text: str) -> list[str]:
    """Split a row of comma-separated values; one whose quotes do not end is cut, and has no cells."""
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return []


def at_least_one(records: Iterator[Record], complaint: str) -> Iterator[Record]:
    """Look whether there is a record before anybody relies on it.

    Raises:
        DumpError: there is none; its text is the complaint.
    """
    first = next(records, None)
    if first is None:
        raise DumpError(complaint)
    return itertools.chain([first], records)
