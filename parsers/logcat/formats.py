"""The text forms of ``logcat -v``, one value each: how a line is taken apart, and what it then tells.

Written after ``android_log_formatLogLine`` in AOSP's ``liblog/logprint.cpp`` (Android 5 to 14). The modifiers ``color``,
``epoch``, ``monotonic``, ``uid``, ``usec``, ``nsec``, ``UTC``, ``zone`` and ``year`` may stand in any form and combination, so
each form's pattern allows them; ``printable`` changes only the message. What the library does that a reader must know:

- Tags are padded to eight bytes, numbers to five places. A tag's own spaces at the end cannot be told from padding.
- Each header goes through a buffer of 128 bytes. A longer one is cut at 127, and the message follows without a border: then
  only what stands before the tag is known, and the message. In ``process`` it is the tag behind the message that is cut.
- ``uid`` prints a name where it has at most five letters, and six spaces where there is no uid.
- ``brief`` and ``time`` end a tag at ``(pid): ``, which is looked for with its padding, so a tag may hold ``( 12): ``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from parsers.logcat.record import Line, RecordFlag, Source

HEADER_BYTES = 127
"""What fits into liblog's header buffer."""

COLOR_END = "\x1b[0m"

_TAG_WIDTH = 8
_SUFFIX_BYTES = 126  # process: its buffer's last byte is the newline

NONE: Final = RecordFlag.NONE
_TRUNCATED: Final = RecordFlag.TRUNCATED
_AMBIGUOUS: Final = RecordFlag.TAG_AMBIGUOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFormat:
    """One text form."""

    source: Source
    read: Callable[[str], Line | None]
    """Takes a line apart; ``None`` where it is none of this form."""
    share: float
    """So many of the first lines must be of this form to take a log for it: few where a line is hardly of it by chance."""


SEPARATOR = re.compile("--------- (beginning of|switch to) (?:/dev/log/)?([a-z_]{1,32})")
"""What logcat prints where a buffer begins; with ``-D`` also where it changes."""

COLOR = r"(?:\x1b\[[0-9;]{1,12}m)?"
_DATE = r"(?:[0-9]{4}-)?(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_DIGITS = r"(?:[0-9]{9}|[0-9]{6}|[0-9]{3})"
DATE_TIME = rf"{_DATE} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.{_DIGITS}"
_ZONE = r"(?: [+-](?:[01][0-9]|2[0-3])[0-5][0-9])?"
TIME = rf"({DATE_TIME}{_ZONE}| {{0,18}}-?[0-9]{{1,19}}\.{_DIGITS})"
LEVEL = "([VDIWEFSA?*])"
_NUMBER = "([0-9]{1,10})"
_TID = "([0-9]{1,10}|0x[0-9a-f]{1,16})"
_WIDE = r"(?: {4}[0-9]| {3}[0-9]{2}| {2}[0-9]{3}| [0-9]{4}|[0-9]{5,10})"
_WIDE_NAME = r"(?: {4}[a-z0-9_]| {3}[a-z0-9_]{2}| {2}[a-z0-9_]{3}| [a-z0-9_]{4}|[a-z0-9_]{5,10})"
_UID = rf"(?:({_WIDE_NAME}):| {{6}})?"

_THREADTIME = re.compile(
    rf"{COLOR}{TIME} +([0-9]{{1,10}}|[a-z_][a-z0-9_]{{0,4}}) +{_NUMBER} (?: *{_NUMBER} )?{LEVEL} (.*)", re.DOTALL
)
_TIME_START = re.compile(rf"{COLOR}{TIME}:? {LEVEL}/")
_BRIEF_START = re.compile(rf"{COLOR}{LEVEL}/")
_PID_END = re.compile(rf"\({_UID}({_WIDE})\):(?: |$)")
_LOOSE_PID_END = re.compile(r"\((?: {0,9}([a-z0-9_]{1,10}): {0,9}| {0,9})([0-9]{1,10})\):(?: |$)")
_PROCESS = re.compile(rf"{COLOR}{LEVEL}\({_UID}({_WIDE})\) (.*)", re.DOTALL)
_THREAD = re.compile(rf"{COLOR}{LEVEL}\({_UID}({_WIDE}): *{_TID}\) (.*)", re.DOTALL)
_LONG = re.compile(rf"{COLOR}\[ {TIME} +(?:([a-z0-9_]{{1,10}}): *)?{_NUMBER}: *{_TID} {LEVEL}/(.*)", re.DOTALL)


def _read_threadtime(text: str) -> Line | None:
    match = _THREADTIME.match(text)
    if match is None:
        return None
    time, first, second, third, level, rest = match.groups()
    if third is not None:
        uid, pid, tid = uid_of(first), int(second), int(third)
    elif first.isdigit():
        uid, pid, tid = None, int(first), int(second)
    else:
        return None
    tag, colon, message = rest.partition(": ")
    if _is_cut(text, len(text) - len(message) if colon else None):
        return Line(time, level, uid, pid, tid, None, _behind_header(text), _TRUNCATED)
    if not colon:
        if not tag.endswith(":"):
            return None
        tag = tag[:-1]  # an editor took the space at the end
    return Line(time, level, uid, pid, tid, unpadded(tag), message, _AMBIGUOUS if ": " in message else NONE)


def _read_tag(text: str) -> Line | None:
    match = _BRIEF_START.match(text)
    if match is None:
        return None
    tag, colon, message = text[match.end() :].partition(": ")
    if _is_cut(text, len(text) - len(message) if colon else None):
        return Line(None, match[1], None, None, None, None, _behind_header(text), _TRUNCATED)
    if not colon:
        if not tag.endswith(":"):
            return None
        tag = tag[:-1]
    return Line(None, match[1], None, None, None, unpadded(tag), message, _AMBIGUOUS if ": " in message else NONE)


def _read_brief(text: str) -> Line | None:
    match = _BRIEF_START.match(text)
    return None if match is None else _read_to_pid(text, match.end(), None, match[1])


def _read_time(text: str) -> Line | None:
    match = _TIME_START.match(text)
    return None if match is None else _read_to_pid(text, match.end(), match[1], match[2])


def _read_to_pid(text: str, start: int, time: str | None, level: str) -> Line | None:
    """Read what follows the level: tag, uid, pid and message."""
    end = _PID_END.search(text, start) or _LOOSE_PID_END.search(text, start, HEADER_BYTES)
    if _is_cut(text, end.end() if end else None):
        return Line(time, level, None, None, None, None, _behind_header(text), _TRUNCATED)
    if end is None:
        return None
    flags = _AMBIGUOUS if _PID_END.search(text, end.end()) else NONE
    uid = uid_of(end[1].lstrip(" ")) if end[1] else None
    return Line(time, level, uid, int(end[2]), None, unpadded(text[start : end.start()]), text[end.end() :], flags)


def _read_process(text: str) -> Line | None:
    match = _PROCESS.match(text)
    if match is None:
        return None
    level, uid, pid, rest = match.groups()
    message, gap, tag = rest.rpartition("  (")
    flags = _AMBIGUOUS if "  (" in message else NONE
    if gap and tag.endswith(")"):
        tag = tag[:-1]
    else:
        cut = _cut_suffix(rest)
        if cut is None:
            return None
        message, tag, flags = cut, None, _TRUNCATED
    if text[0] == "\x1b":
        message = message.removesuffix(COLOR_END)
    return Line(None, level, uid_of(uid.lstrip(" ")) if uid else None, int(pid), None, tag, message, flags)


def _cut_suffix(rest: str) -> str | None:
    """Give the message before a tag that liblog cut; ``None`` where no tag of the cut's length stands at the end."""
    data = rest.encode(errors="surrogateescape")
    message, suffix = data[:-_SUFFIX_BYTES], data[-_SUFFIX_BYTES:]
    begins = len(suffix) == _SUFFIX_BYTES and suffix.removeprefix(COLOR_END.encode()).startswith(b"  (")
    return message.decode(errors="surrogateescape") if begins else None


def _read_thread(text: str) -> Line | None:
    match = _THREAD.match(text)
    if match is None:
        return None
    level, uid, pid, tid, message = match.groups()
    return Line(None, level, uid_of(uid.lstrip(" ")) if uid else None, int(pid), tid_of(tid), None, message, NONE)


def read_long_header(text: str) -> Line | None:
    """Read the line above a message in ``long``; its message is empty, or what follows where the header was cut."""
    match = _LONG.match(text)
    if match is None:
        return None
    time, uid, pid, tid, level, rest = match.groups()
    fields = time, level, uid_of(uid) if uid else None, int(pid), tid_of(tid)
    tag, message, flags = rest[:-2], "", NONE
    if not rest.endswith(" ]") or _is_cut(text, len(text) + 1):
        if not _is_cut(text):
            return None
        header = text.encode(errors="surrogateescape")[:HEADER_BYTES].decode(errors="surrogateescape")
        tag = header[match.start(6) : -2] if header.endswith(" ]") else None
        message, flags = _behind_header(text), _TRUNCATED
    return Line(*fields, None if tag is None else unpadded(tag), message, flags)


def _read_raw(text: str) -> Line | None:
    return None if SEPARATOR.fullmatch(text) else Line(None, None, None, None, None, None, text, NONE)


def uid_of(text: str) -> int | str:
    """Give a uid's number, or the name that stands in its place."""
    return int(text) if text.isdigit() else text


def tid_of(text: str) -> int:
    """Give a thread's number; Android before 4 printed it in hexadecimal."""
    return int(text, 16) if text.startswith("0x") else int(text)


def unpadded(tag: str) -> str:
    """Take the padding from a tag: a field that is narrower than liblog's had its padding cut by somebody else."""
    if not tag.endswith(" "):
        return tag
    size = len(tag) if tag.isascii() else len(tag.encode(errors="surrogateescape"))
    return tag.rstrip(" ") if size <= _TAG_WIDTH else tag


def _is_cut(text: str, header_end: int | None = None) -> bool:
    """Whether a header that ends there (``None``: nowhere in the line) is longer than liblog's buffer."""
    if header_end is not None and text.isascii():
        return header_end > HEADER_BYTES
    if len(text) >= HEADER_BYTES and header_end is None:
        return True
    return len(text[:header_end].encode(errors="surrogateescape")) >= HEADER_BYTES + (header_end is not None)


def _behind_header(text: str) -> str:
    """Give what follows a header that liblog cut."""
    if text.isascii():
        return text[HEADER_BYTES:]
    return text.encode(errors="surrogateescape")[HEADER_BYTES:].decode(errors="surrogateescape")


LONG = TextFormat(source=Source.LONG, read=read_long_header, share=0.01)
THREADTIME = TextFormat(source=Source.THREADTIME, read=_read_threadtime, share=0.05)
TIME_FORMAT = TextFormat(source=Source.TIME, read=_read_time, share=0.05)
BRIEF = TextFormat(source=Source.BRIEF, read=_read_brief, share=0.3)
PROCESS = TextFormat(source=Source.PROCESS, read=_read_process, share=0.3)
THREAD = TextFormat(source=Source.THREAD, read=_read_thread, share=0.3)
TAG = TextFormat(source=Source.TAG, read=_read_tag, share=0.7)
RAW = TextFormat(source=Source.RAW, read=_read_raw, share=1.0)
