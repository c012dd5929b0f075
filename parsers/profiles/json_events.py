"""The events of a JSON list, each with its place, whichever way the list is laid out.

A runtime writes an event a line, and so that a cut or damaged line costs only itself, such a file is read by lines. What a
program has written anew holds them all on one line, or one of them on many; there an event ends where its braces do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from parsers.dump import Buffer
from parsers.dump_lines import LONGEST_LINE, Line, Rejects, encoding_of, read_lines

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}]', re.DOTALL)
_ENDS = ("}", "},", "}]", "]")


def event_lines(data: Buffer, rejects: Rejects) -> Iterator[Line]:
    """Yield pieces of a list, each of whole events, or damaged."""
    return read_lines(data, rejects) if _has_an_event_a_line(data) else _objects(data)


def _has_an_event_a_line(data: Buffer) -> bool:
    """Look at the first line that is more than the list's bracket."""
    if encoding_of(data)[0] != "utf-8":
        return True
    head = bytes(data[:LONGEST_LINE])
    if b"\n" not in head.rstrip() and len(head) < len(data):
        return False
    lines = (line.text.strip() for line in read_lines(head, Rejects(head)))
    first = next((text for text in lines if text not in {"", "["}), "")
    return first.endswith(_ENDS)


def _objects(data: Buffer) -> Iterator[Line]:
    """Yield what stands between braces that belong together, in at most LONGEST_LINE bytes."""
    start = data.find(b"{")
    while start >= 0:
        end = _end_of_object(data, start)
        yield Line(offset=start, end=end, text=bytes(data[start:end]).decode(errors="backslashreplace"))
        start = data.find(b"{", end)


def _end_of_object(data: Buffer, start: int) -> int:
    """Find where an object ends; where it does not, as far as one may reach."""
    depth = 0
    limit = min(start + LONGEST_LINE, len(data))
    for match in _TOKEN.finditer(data, start, limit):
        depth += {b"{": 1, b"}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return limit
