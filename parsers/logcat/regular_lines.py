"""Many lines of ``logcat -v threadtime`` at once: those of them that are of its usual form to the letter.

What stands at a fixed place (``_HEADER``) is gathered into a matrix, then compared and added up place by place, for all lines
together; where a tag ends is looked up among the text's ``": "``. Left to :data:`parsers.logcat.formats.THREADTIME`, which reads
the lines one by one, are all those in which it might see something else: wider numbers, a header or a message that logcat
cut, bytes that are no UTF-8. The columns are equal to its reading in every line that is read here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parsers.logcat.formats import HEADER_BYTES

PRIORITIES = "VDIWEFSA?*"

Positions = NDArray[np.int64]
Numbers = NDArray[np.int32]
Mask = NDArray[np.bool_]
_Places = NDArray[np.uint8]
"""Letters of headers, shape (place, line)."""

_HEADER = "00-00 00:00:00.000 ##### ##### P "
"""``0``: a digit; ``#####``: a number, padded on its left; ``P``: a priority; all else stands for itself."""
_PID, _TID, _PRIORITY = 19, 25, 31
_HOUR = 6
_MOST = {0: 12, 3: 31, _HOUR: 23, 9: 59, 12: 59}
"""What a date's and a time's fields are at most, by their place; months and days begin with 1."""
_NUMBER_WIDTH = 5
_TAG_WIDTH = 8
"""Shorter tags are padded to it."""
_FULL_TEXT = 4065
"""Bytes of tag and message in an entry that holds no more, and was perhaps cut."""
_SPACE, _COLON, _NEWLINE = b" :\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A text of whole lines, and where they begin and end, without what ends them."""

    text: bytes
    starts: Positions
    ends: Positions
    newlines: Positions
    """Where the newlines stand; for a last line without one, the text's end."""
    terminated: bool
    """Whether the last line has its newline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegularLines:
    """The lines of the usual form, an element for each."""

    rows: Positions
    """Which of the lines these are."""
    month: Numbers
    day: Numbers
    time_of_day_ms: Numbers
    pid: Numbers
    tid: Numbers
    priority: NDArray[np.int8]
    """Index into PRIORITIES."""
    tag: pa.Array
    message: pa.Array
    tag_ambiguous: Mask


def split_lines(text: bytes, line_end: bytes) -> Lines:
    """Find the lines of a text.

    Args:
        text: whole lines.
        line_end: carriage returns before the newline that are no part of a line.
    """
    letters = np.frombuffer(text, np.uint8)
    newlines = np.flatnonzero(letters == _NEWLINE)
    terminated = text.endswith(b"\n")
    if not terminated:
        newlines = np.append(newlines, len(text))
    starts = np.concatenate(([0], newlines[:-1] + 1))
    ended = newlines - starts >= len(line_end)
    for back, letter in enumerate(reversed(line_end), start=1):
        ended &= letters[newlines - back] == letter
    ends = newlines - len(line_end) * ended
    return Lines(text=text, starts=starts, ends=ends, newlines=newlines, terminated=terminated)


def read_regular(lines: Lines) -> RegularLines:
    """Read the lines that are of the usual form."""
    rows = np.flatnonzero(_may_be_regular(lines))
    places = _header_places(lines.text, lines.starts[rows])
    colons, others = _first_colons(lines, rows)
    fits = _header_fits(places) & (others >= 0) & (colons + len(": ") - lines.starts[rows] <= HEADER_BYTES)
    rows, colons, others, places = rows[fits], colons[fits], others[fits], places[:, fits]
    digits = places & np.uint8(0x0F)  # of a space, too: 0
    tags, messages = _texts(lines, rows, colons)
    return RegularLines(
        rows=rows,
        month=_number(digits[0:2]),
        day=_number(digits[3:5]),
        time_of_day_ms=((_number(digits[6:8]) * 60 + _number(digits[9:11])) * 60 + _number(digits[12:14])) * 1000
        + _number(digits[15:18]),
        pid=_number(digits[_PID : _PID + _NUMBER_WIDTH]),
        tid=_number(digits[_TID : _TID + _NUMBER_WIDTH]),
        priority=_PRIORITY_CODES[places[_PRIORITY]],
        tag=tags,
        message=messages,
        tag_ambiguous=others > 0,
    )


def _may_be_regular(lines: Lines) -> Mask:
    """Tell the lines that have their newline, a possible length, and no bytes that are not UTF-8."""
    text_widths = lines.ends - lines.starts - len(_HEADER) - len(": ")
    mask: Mask = (text_widths >= 0) & (text_widths < _FULL_TEXT)
    if not lines.terminated:
        mask[-1] = False
    if not _is_utf8(lines.text):
        beyond_ascii = np.flatnonzero(np.frombuffer(lines.text, np.uint8) >= 0x80)
        mask[np.searchsorted(lines.starts, beyond_ascii, side="right") - 1] = False
    return mask


def _is_utf8(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _header_places(text: bytes, starts: Positions) -> _Places:
    """Gather the headers of lines that are long enough to have one."""
    width = len(_HEADER)
    if not len(starts):
        return np.empty((width, 0), np.uint8)
    windows = np.ndarray((len(text) - width + 1,), f"V{width}", buffer=text, strides=(1,))
    return np.ascontiguousarray(windows[starts].view(np.uint8).reshape(-1, width).T)


def _header_fits(places: _Places) -> Mask:
    """Compare headers with the usual form."""
    is_digit = places - np.uint8(ord("0")) <= 9
    fits: Mask = _PRIORITY_CODES[places[_PRIORITY]] >= 0
    for place, sign in enumerate(_HEADER):
        if sign == "0":
            fits &= is_digit[place]
        elif sign == "#":
            fits &= is_digit[place] | (places[place] == _SPACE) & ~(is_digit[place - 1] & (_HEADER[place - 1] == "#"))
        elif sign != "P":
            fits &= places[place] == ord(sign)
    fits &= is_digit[_PID + _NUMBER_WIDTH - 1] & is_digit[_TID + _NUMBER_WIDTH - 1]
    for place, most in _MOST.items():
        field = 10 * (places[place] & 0x0F) + (places[place + 1] & 0x0F)
        fits &= (field <= most) & (field >= (place < _HOUR))
    return fits


def _number(digits: _Places) -> Numbers:
    """Add up digits, shape (place, line), most significant first."""
    number = np.zeros(digits.shape[1], np.int32)
    for digit in digits:
        number = 10 * number + digit
    return number


def _first_colons(lines: Lines, rows: Positions) -> tuple[Positions, Positions]:
    """Find each line's first ``": "`` behind its header, and how many follow it; -1 where there is not even one."""
    letters = np.frombuffer(lines.text, np.uint8)
    colons = np.flatnonzero(letters[:-1] == _COLON)
    colons = colons[letters[colons + 1] == _SPACE]
    first = np.searchsorted(colons, lines.starts[rows] + len(_HEADER))
    behind = np.searchsorted(colons, lines.ends[rows])
    return np.append(colons, -1)[first], behind - first - 1


def _texts(lines: Lines, rows: Positions, colons: Positions) -> tuple[pa.Array, pa.Array]:
    """Cut out tags and messages: header, tag, colon, message and line end in turn are one array of texts, not copied."""
    starts, tags = lines.starts[rows], lines.starts[rows] + len(_HEADER)
    tag_ends = _without_padding(lines.text, tags, colons)
    borders = np.stack((starts, tags, tag_ends, colons + len(": "), lines.ends[rows]), axis=1)
    offsets = np.append(borders.ravel(), len(lines.text))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(lines.text)]
    pieces = pa.Array.from_buffers(pa.large_string(), borders.size, buffers)
    headers = np.arange(len(rows)) * borders.shape[1]
    return pieces.take(pa.array(headers + 1)), pieces.take(pa.array(headers + 3))


def _without_padding(text: bytes, starts: Positions, ends: Positions) -> Positions:
    """Move the ends of the tags that are no wider than their field to where the padding begins."""
    letters, ends = np.frombuffer(text, np.uint8), ends.copy()
    padded = np.flatnonzero(ends - starts <= _TAG_WIDTH)
    for _ in range(_TAG_WIDTH):
        padded = padded[(letters[ends[padded] - 1] == _SPACE) & (ends[padded] > starts[padded])]
        ends[padded] -= 1
    return ends


def _priority_codes() -> NDArray[np.int8]:
    """Map a letter to its index in PRIORITIES, -1 for any other."""
    codes = np.full(256, -1, np.int8)
    codes[np.frombuffer(PRIORITIES.encode(), np.uint8)] = np.arange(len(PRIORITIES))
    return codes


_PRIORITY_CODES = _priority_codes()
