"""A dump's lines as text, with the byte at which each begins, whatever Windows made of it.

``adb logcat > file`` writes UTF-8; PowerShell re-encodes it as UTF-16 with a byte order mark; some editors put a mark before
UTF-8. Lines are read in pieces of bounded size, so that a mapped file larger than memory can be read, and a line that no
log can hold is not copied. What is no UTF-8 becomes lone surrogates (``surrogateescape``) and is not lost. Carriage returns
are left in place: only the reader of a whole section can tell which are Windows' own.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from parsers.dump import Buffer
from parsers.logcat.slices import let_go

LONGEST_LINE = 1 << 16
"""Bytes. The log's longest line has 4,068 bytes of message, at most four times as many in ``printable``, and 127 of header."""

PIECE = 1 << 16
_LOOKED_AT = 512


class Ending(Enum):
    """What stands behind a line."""

    NEWLINE = auto()
    DUMP_ENDS = auto()
    TOO_LONG = auto()
    """It is longer than LONGEST_LINE bytes, and may be given in part."""


TextLine = tuple[int, str, Ending]
"""Offset in bytes, the line without its newline, and what stands behind it."""


class Charset(StrEnum):
    """How a dump's characters are encoded."""

    UTF8 = "utf-8"
    UTF16_LE = "utf-16-le"
    UTF16_BE = "utf-16-be"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A dump, or a part of it, to be read as lines."""

    data: Buffer
    charset: Charset
    start: int
    """First byte behind a byte order mark."""
    end: int


def text_of(data: Buffer) -> Text:
    """Tell a dump's encoding: by its byte order mark, or by the zeros between its letters."""
    head = bytes(data[:_LOOKED_AT])
    charset, mark = Charset.UTF8, 0
    if head.startswith(codecs.BOM_UTF8):
        mark = len(codecs.BOM_UTF8)
    elif head.startswith(codecs.BOM_UTF16_LE):
        charset, mark = Charset.UTF16_LE, 2
    elif head.startswith(codecs.BOM_UTF16_BE):
        charset, mark = Charset.UTF16_BE, 2
    elif _is_spaced_out(head[1::2], head[::2]):
        charset = Charset.UTF16_LE
    elif _is_spaced_out(head[::2], head[1::2]):
        charset = Charset.UTF16_BE
    return Text(data=data, charset=charset, start=mark, end=len(data))


def _is_spaced_out(zeros: bytes, letters: bytes) -> bool:
    """Whether nearly every other byte of the head is a zero and hardly any of those between."""
    pairs = min(len(zeros), len(letters))
    return pairs > 8 and zeros.count(0) >= 0.75 * pairs and letters.count(0) <= 0.1 * pairs


def lines(text: Text, start: int, *, piece: int = PIECE) -> Iterator[TextLine]:
    """Yield the lines from a byte on, which must be the first of a line.

    A mapped file's pages are let go of as they have been read, so that memory does not grow with the file; not where only
    small pieces of it are looked at.
    """
    if text.charset is Charset.UTF8:
        return _utf8_lines(text, start, piece)
    return _utf16_lines(text, start, piece)


def _utf8_lines(text: Text, start: int, piece: int) -> Iterator[TextLine]:
    data, end = text.data, text.end
    while start < end:
        block = data[start : min(start + piece, end)]
        cut = block.rfind(b"\n") + 1
        if not cut:
            newline = data.find(b"\n", start, end)
            stop = newline if newline >= 0 else end
            yield start, _decoded(data[start : min(stop, start + LONGEST_LINE)]), _ending(stop - start, stop < end)
            start = stop + 1
            continue
        offset = start
        for line in _decoded(block[: cut - 1]).split("\n"):
            size = len(line) if line.isascii() else len(line.encode(errors="surrogateescape"))
            yield offset, line, _ending(size, True)
            offset += size + 1
        if piece >= PIECE:
            let_go(data, start, start + cut)
        start += cut


def _ending(size: int, has_newline: bool) -> Ending:
    if size > LONGEST_LINE:
        return Ending.TOO_LONG
    return Ending.NEWLINE if has_newline else Ending.DUMP_ENDS


def _decoded(block: bytes) -> str:
    return block.decode(errors="surrogateescape")


_SURROGATE = re.compile("[\ud800-\udfff]")


def _utf16_lines(text: Text, start: int, piece: int) -> Iterator[TextLine]:
    """As above; an odd last byte is no character and left out, and its line then counts as without a newline."""
    data, order = text.data, text.charset.value
    end = text.end - (text.end - start) % 2
    while start < end:
        block = data[start : min(start + piece // 2 * 2, end)]
        characters = block.decode(order, errors="surrogatepass") if len(block) % 2 == 0 else ""
        cut = characters.rfind("\n") + 1
        if not cut:
            stop = _utf16_newline(text, start, end)
            long = data[start : min(stop, start + LONGEST_LINE)].decode(order, errors="surrogatepass")
            yield start, _plain(long), _ending(stop - start, stop < end)
            start = stop + 2
            continue
        offset = start
        for line in characters[: cut - 1].split("\n"):
            size = 2 * _units(line)
            yield offset, _plain(line), _ending(size, True)
            offset += size + 2
        if piece >= PIECE:
            let_go(data, start, offset)
        start = offset


def _utf16_newline(text: Text, start: int, end: int) -> int:
    """Find the next newline, or the end where there is none."""
    newline = "\n".encode(text.charset.value)
    found = text.data.find(newline, start, end)
    while found >= 0 and (found - start) % 2:
        found = text.data.find(newline, found + 1, end)
    return found if found >= 0 else end


def _units(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode(Charset.UTF16_LE.value, errors="surrogatepass")) // 2


def _plain(line: str) -> str:
    """Write a lone UTF-16 surrogate as the bytes that UTF-8 would need for it, each of them invalid."""
    if line.isascii() or not _SURROGATE.search(line):
        return line
    return line.encode(errors="surrogatepass").decode(errors="surrogateescape")
