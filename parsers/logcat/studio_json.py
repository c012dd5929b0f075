"""Android Studio's ``.logcat`` export: one JSON object with ``metadata`` and a list ``logcatMessages``, since Dolphin.

After ``LogcatFileIo`` of JetBrains/android. A message is ``{"header": {"logLevel", "pid", "tid", "applicationId",
"processName", "tag", "timestamp": {"seconds", "nanos"}}, "message"}`` and keeps its lines. The list is read message by
message, so that a damaged one costs only itself and memory does not grow with the file. What logcat prints where a buffer
begins is a message of its own, dated 1970.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from parsers.dump import Buffer
from parsers.logcat.encoding import LONGEST_LINE
from parsers.logcat.formats import NONE, SEPARATOR
from parsers.logcat.messages import Entry
from parsers.logcat.record import Line, Source
from parsers.logcat.rejects import Rejects
from parsers.logcat.text import Mark

_LIST = re.compile(rb'"logcatMessages"\s{0,64}:\s{0,64}\[')
_MESSAGE = re.compile(rb'\{\s{0,256}"header"\s{0,64}:')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}]', re.DOTALL)
_LONGEST_MESSAGE = LONGEST_LINE
_LEVELS = {"VERBOSE": "V", "DEBUG": "D", "INFO": "I", "WARN": "W", "ERROR": "E", "ASSERT": "A"}
_MOST_SECONDS = 1 << 40
_NANOSECONDS = 10**9
_MOST_PID = 1 << 31
_DAMAGED = "no whole message of an Android Studio export"


def is_studio_json(head: bytes) -> bool:
    """Whether a dump begins as the export does."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and _LIST.search(head) is not None


def scan_studio_json(data: Buffer, rejects: Rejects) -> Iterator[Entry | Mark]:
    """Yield the entries of an export, and a mark where a buffer begins."""
    begin = _LIST.search(data)
    offset = begin.end() if begin else len(data)
    while (message := _MESSAGE.search(data, offset)) is not None:
        start = message.start()
        end = _end_of_object(data, start)
        found = _entry(start, data[start:end]) if end else None
        offset = message.end() if end is None or found is None else end
        if found is None:
            rejects.add(start, _DAMAGED, data[start : start + 200])
            continue
        rejects.end_row()
        yield found


def _end_of_object(data: Buffer, start: int) -> int | None:
    """Find where an object ends; ``None`` where it does not within the length of any message."""
    depth, last = 0, b""
    for number, match in enumerate(_TOKEN.finditer(data, start, start + _LONGEST_MESSAGE)):
        token = match[0]
        if token == b"{":
            depth += 1
        elif token == b"}":
            depth -= 1
            if depth == 0:
                return match.end()
        elif token == b'"header"' and last == b"{" and number > 1:
            return None  # another message begins
        last = token
    return None


def _entry(offset: int, data: bytes) -> Entry | Mark | None:
    try:
        message = json.loads(data.decode(errors="surrogateescape"))
        header = message["header"]
        line = _line(header, message["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    separator = SEPARATOR.fullmatch(line.message) if not line.tag and line.pid == 0 else None
    if separator:
        return Mark(separator[2], separator[1] == "beginning of")
    return Entry(offset, Source.STUDIO_JSON, line)


def _line(header: Any, message: object) -> Line:
    """Read a header; raises one of KeyError, TypeError and ValueError where it is none."""
    seconds = _whole(header["timestamp"]["seconds"], _MOST_SECONDS)
    nanoseconds = _whole(header["timestamp"]["nanos"], _NANOSECONDS)
    pid, tid = _whole(header["pid"], _MOST_PID), _whole(header["tid"], _MOST_PID)
    time = f"{seconds:19}.{nanoseconds:09}"
    return Line(time, _LEVELS[header["logLevel"]], None, pid, tid, _text(header["tag"]), _text(message), NONE)


def _whole(value: object, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    """Take a text; half a character, which JSON can hold, becomes the invalid bytes that UTF-8 would need for it."""
    if not isinstance(value, str):
        raise TypeError(value)
    if value.isascii():
        return value
    return value.encode(errors="surrogatepass").decode(errors="surrogateescape")
