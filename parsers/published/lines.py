"""Lines of a published table, each with its place in the file, and the numbers in them.

Every line is split alone, so that a damaged quote costs one line and not the rest of the file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from parsers.dump import LONGEST_REJECT, Buffer, Reject

LONGEST_LINE = 65_536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,3})?")
_SMALLEST, _LARGEST = 1e-9, 1e15


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that holds something."""

    number: int
    """As editors count, from 1."""
    offset: int
    """Byte at which it begins."""
    raw: bytes
    """Without its end; cut where it is longer than any line of a table."""

    @property
    def text(self) -> str | None:
        """The line as text; ``None`` where it is no UTF-8, or too long."""
        if len(self.raw) > LONGEST_LINE:
            return None
        try:
            return self.raw.decode()
        except UnicodeDecodeError:
            return None

    @property
    def fields(self) -> list[str] | None:
        """The line's comma-separated fields; ``None`` where it cannot be split."""
        text = self.text
        if text is None:
            return None
        try:
            return next(csv.reader([text], strict=True), None)
        except csv.Error:
            return None

    def reject(self, reason: str) -> Reject:
        """Refuse the line, or a piece of it."""
        return Reject(offset=self.offset, reason=reason, text=self.raw[:LONGEST_REJECT])


def lines_of(data: Buffer) -> Iterator[Line]:
    """Yield the lines that are not blank."""
    start, number = (len(_BYTE_ORDER_MARK) if data[:3] == _BYTE_ORDER_MARK else 0), 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        number += 1
        raw = bytes(data[start : min(end, start + LONGEST_LINE + 1)]).removesuffix(b"\r")
        if raw.strip():
            yield Line(number=number, offset=start, raw=raw)
        start = end + 1


def number_in(text: str) -> float | None:
    """Read a number that is not negative; ``None`` where the text is none, or none that a time or a count can be."""
    if not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if value == 0 or _SMALLEST <= value <= _LARGEST else None
