"""Lines with their place in the file, and numbers that hostile text cannot make expensive."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from parsers.dump import LONGEST_REJECT, Buffer, Reject

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,24}(?:\.[0-9]{0,24})?(?:[eE][+-]?[0-9]{1,3})?")
_UTF16 = {codecs.BOM_UTF16_LE: ("utf-16-le", b"\n\0"), codecs.BOM_UTF16_BE: ("utf-16-be", b"\0\n")}


LONGEST_LINE = 1 << 20
"""Bytes; no program that is read here writes a longer one."""

_TOO_LONG = "\0"
"""Stands for the text of a line that is too long: nothing that is read here looks like it."""


class Line(NamedTuple):
    """One line of a dump, without its end."""

    offset: int
    """Byte at which it begins."""
    raw: bytes
    text: str
    """Decoded; bytes that are no UTF-8 are kept as surrogates."""

    def reject(self, reason: str) -> Reject:
        """Say that the line could not be read."""
        return Reject(offset=self.offset, reason=reason, text=self.raw[:LONGEST_REJECT])


def lines_of(data: Buffer) -> Iterator[Line]:
    """Give a dump's lines as they come, each to be read or rejected.

    UTF-16, which PowerShell writes, is told by its byte order mark. A line beyond LONGEST_LINE is not decoded, so that no
    reader takes it for anything.
    """
    encoding, newline, errors, position = "utf-8", b"\n", "surrogateescape", 0
    if bytes(data[:2]) in _UTF16:
        (encoding, newline), errors, position = _UTF16[bytes(data[:2])], "replace", 2
    elif bytes(data[:3]) == codecs.BOM_UTF8:
        position = 3
    while position < len(data):
        end = _find(data, newline, position)
        raw = bytes(data[position : min(end, position + LONGEST_LINE)])
        text = raw.decode(encoding, errors).removesuffix("\r") if end - position <= LONGEST_LINE else _TOO_LONG
        yield Line(position, raw, text)
        position = end + len(newline)


def _find(data: Buffer, newline: bytes, position: int) -> int:
    """Find the line's end; in UTF-16 only where a unit begins."""
    found = data.find(newline, position)
    while found >= 0 and (found - position) % len(newline):
        found = data.find(newline, found + 1)
    return found if found >= 0 else len(data)


def holds(data: Buffer, text: str) -> bool:
    """Tell whether a dump holds a text anywhere."""
    encoding = _UTF16.get(bytes(data[:2]), ("utf-8", b""))[0]
    return data.find(text.encode(encoding)) >= 0


def first_texts(head: bytes, count: int) -> list[str]:
    """Give the first lines of a dump that are not blank, stripped."""
    texts: list[str] = []
    for line in lines_of(head):
        if len(texts) == count:
            break
        if line.text.strip():
            texts.append(line.text.strip())
    return texts


def whole(text: str) -> int | None:
    """Read a whole number of at most 18 digits; ``None`` where it is none."""
    text = text.strip()
    return int(text) if _WHOLE.fullmatch(text) else None


def decimal(text: str) -> float | None:
    """Read a finite decimal number; ``None`` where it is none, NaN and infinity included."""
    text = text.strip()
    value = float(text) if _DECIMAL.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None
