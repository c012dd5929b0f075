"""The two ways in which Android Studio shows a log as text, which people copy and save.

Until Electric Eel (``AndroidLogcatFormatter`` of JetBrains/android): ``2018-02-06 17:16:28.555 123-456/com.example I/Tag: text``,
before 2018 without the year, and on request without the time. Spaces in a tag are written as no-break spaces. From Dolphin
on (``MessageFormatter``): columns of time, ``pid-tid``, tag, process, level and text, the tag in at most 23 letters. In both
the further lines of a message have no header but are moved to the right: under the text, or by four spaces.

A view with other columns (the compact one, a custom one) is not read: what they mean does not stand in it.
"""

from __future__ import annotations

import re

from parsers.logcat.formats import DATE_TIME, NONE, TIME, TextFormat
from parsers.logcat.record import Line, RecordFlag, Source

FEW_SPACES = 4

_NUMBER = "([0-9]{1,10})"
_TEXT = re.compile(rf"(?:{TIME} +)?{_NUMBER}-{_NUMBER}/([^ ]+) +([VDIWEFA])/([^ ]*): ?(.*)", re.DOTALL)
_VIEW_START = re.compile(rf"({DATE_TIME}) +{_NUMBER}-{_NUMBER} +")
_VIEW_LEVEL = re.compile("  ([VDIWEFA])  ")
_TAG_LETTERS = 23
_NO_TAG = "<no-tag>"
_NO_BREAK_SPACE = "\u00a0"


def _read_text(text: str) -> Line | None:
    match = _TEXT.match(text)
    if match is None:
        return None
    time, pid, tid, _, level, tag, message = match.groups()
    return Line(time, level, None, int(pid), int(tid), tag.replace(_NO_BREAK_SPACE, " "), message, NONE)


def _read_view(text: str) -> Line | None:
    start = _VIEW_START.match(text)
    level = start and _VIEW_LEVEL.search(text, start.end())
    if not start or not level:
        return None
    names = text[start.end() : level.start()].rstrip(" ")
    tag, gap, _ = names.rpartition(" ")
    if not gap:
        return None
    tag = tag.rstrip(" ")
    shortened = len(tag) == _TAG_LETTERS and ("..." in tag or "\u2026" in tag)
    flags = RecordFlag.TRUNCATED if shortened else NONE
    known = None if shortened else "" if tag == _NO_TAG else tag
    return Line(start[1], level[1], None, int(start[2]), int(start[3]), known, text[level.end() :], flags)


STUDIO_TEXT = TextFormat(source=Source.STUDIO_TEXT, read=_read_text, share=0.05)
STUDIO_VIEW = TextFormat(source=Source.STUDIO_VIEW, read=_read_view, share=0.05)
