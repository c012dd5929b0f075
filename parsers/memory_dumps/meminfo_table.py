"""Tables of ``dumpsys meminfo``: columns by their headers, cells by where they stand.

The header is one line or two above a line of dashes. Words, dashes and numbers end at the same character, so a cell that
is empty (a mapping has no heap) does not move the others. Android's versions differ in their columns; none is counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parsers.dump_numbers import whole_in_groups

_CELL = 9
"""A cell's eight characters and the blank before it: a label that leaves less moves all cells of its line."""
_WORD = re.compile(r"[^ \t]+")
_DASHES = re.compile(r"[ \t]*-{3,}(?:[ \t]+-{3,})*[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A table's columns from left to right."""

    names: tuple[str, ...]
    ends: tuple[int, ...]
    """Character behind each one's last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a table."""

    label: str
    cells: Mapping[str, int]
    """By the column's name; those that are empty are absent."""


def is_ruler(text: str) -> bool:
    """Whether a line is the dashes under a table's header."""
    return _DASHES.fullmatch(text) is not None


def read_columns(header: Sequence[str], ruler: str) -> Columns | None:
    """Name the columns by the words above the dashes; ``None`` where one has no name, or two share one."""
    ends = tuple(dash.end() for dash in _WORD.finditer(ruler))
    words = [_words_by_end(line) for line in header]
    names = tuple(" ".join(line[end] for line in words if end in line) for end in ends)
    strays = any(set(line) - set(ends) for line in words)
    return None if strays or not all(names) or len(set(names)) < len(names) else Columns(names=names, ends=ends)


def _words_by_end(line: str) -> dict[int, str]:
    """Give a header's words by where they would end if none were longer than its cell."""
    words: dict[int, str] = {}
    moved = 0
    for word in _WORD.finditer(line):
        moved += max(len(word[0]) - (_CELL - 1), 0)
        words[word.end() - moved] = word[0]
    return words


def read_row(text: str, columns: Columns) -> Row | None:
    """Read a line; ``None`` where its numbers stand under no header, and are not as many as the columns."""
    words = list(_WORD.finditer(text))
    first = len(words)
    while first > 0 and whole_in_groups(words[first - 1][0]) is not None:
        first -= 1
    cells = words[first:]
    label = text[: cells[0].start()].strip(" \t") if cells else ""
    if not label:
        return None
    numbers = [whole_in_groups(word[0]) for word in cells]
    moved = max(words[first - 1].end() - (columns.ends[0] - _CELL), 0)
    places = [columns.ends.index(end) if (end := word.end() - moved) in columns.ends else None for word in cells]
    if None in places:
        places = list(range(len(columns.ends)))  # a long number moves all that stand behind it
    if len(places) != len(cells):
        return None
    named = {
        columns.names[place]: number
        for place, number in zip(places, numbers, strict=True)
        if place is not None and number is not None
    }
    return Row(label=label, cells=named)
