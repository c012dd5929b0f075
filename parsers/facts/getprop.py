"""``getprop``: the properties of an Android phone, as ``[key]: [value]``.

Android's toolbox prints them in ``toolbox/getprop.cpp`` (Android 8 and later; before it ``toolbox/getprop.c``), sorted, a
property a line. Nothing is escaped: a value may hold brackets and line breaks. So a value ends with the last bracket that
ends a line before the next property begins. A value that is not closed before a line that looks like a property is
refused together with it: either a line is cut off, or the line belongs to the value, and nobody can tell which. One that
holds a closed bracket *and* a line that looks like a property cannot be told from two properties.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import LONGEST_LINE, Line, Rejects, at_least_one, encoding_of, first_lines, read_lines
from parsers.printable import printable

_BEGIN = re.compile(r"\[([^\]\[\r\n]{1,512})\]: \[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property."""

    offset: int
    name: str
    value: str
    """Line breaks as they stand; those of Windows are Unix's."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """A property that may go on in the next line."""

    offset: int
    name: str
    value_from: int
    """Characters before its value."""
    end: int
    """Byte behind the last line that may belong to it."""
    closed_at: int | None = None
    """Byte behind the last line that ends with a bracket."""
    refused: str | None = None
    """Why it is none."""


def read_getprop(data: Buffer, settings: DumpSettings) -> Dump:
    """Read what ``getprop`` printed.

    Raises:
        DumpError: there is no property in it.
    """
    rejects = Rejects(data)
    complaint = f"{settings.name or 'The file'} has no line '[key]: [value]', as getprop prints. Try --kind."
    return Dump(records=at_least_one(_properties(data, rejects), complaint), rejects=rejects)


def parse_properties(text: str) -> dict[str, str]:
    """Read what ``getprop`` printed: empty values left out, control characters too, for a person will read them."""
    data = text.encode(errors="backslashreplace")
    found = _properties(data, Rejects(data))
    return {one.name: value for one in found if (value := printable(one.value))}


def _properties(data: Buffer, rejects: Rejects) -> Iterator[Property]:
    current: _Open | None = None
    for line in read_lines(data, rejects):
        begin = _BEGIN.match(line.text)
        if begin and (current is None or current.closed_at is not None):
            if current is not None:
                yield from _close(current, data, rejects)
            current = _Open(offset=line.offset, name=begin[1], value_from=begin.end(), end=line.end)
        elif current is None:
            if line.text.strip(" \t"):
                rejects.add(line, "before the first property")
            continue
        else:
            _go_on(current, line, is_property=begin is not None)
        if line.text.endswith("]"):
            current.closed_at = line.end
    if current is not None:
        yield from _close(current, data, rejects)


def _go_on(current: _Open, line: Line, *, is_property: bool) -> None:
    if is_property:
        current.refused = "a value that is not closed before another property"
    elif line.offset != current.end:
        current.refused = "a value that holds a line longer than 64 KiB"
    current.end = line.end


def _close(current: _Open, data: Buffer, rejects: Rejects) -> Iterator[Property]:
    """Give the property, or refuse it; what stands between its end and the next one belongs to nobody."""
    closed_at = current.closed_at
    if closed_at is None:
        rejects.add_piece(current.offset, current.end, "a value that is not closed")
        return
    refused = current.refused
    if refused is None and closed_at - current.offset > LONGEST_LINE:
        refused = "a value longer than 64 KiB"
    if refused is not None:
        rejects.add_piece(current.offset, closed_at, refused)
    else:
        encoding, _ = encoding_of(data)
        text = bytes(data[current.offset : closed_at]).decode(encoding, errors="backslashreplace")
        if text.endswith("\r\n"):
            text = text.replace("\r\n", "\n")
        value = text.removesuffix("\n").removesuffix("\r").removesuffix("]")[current.value_from :]
        yield Property(offset=current.offset, name=current.name, value=value)
    if bytes(data[closed_at : min(current.end, closed_at + LONGEST_LINE)]).strip(b" \t\r\n\0"):
        rejects.add_piece(closed_at, current.end, "between properties")


def _looks_like(head: bytes, _name: str) -> bool:
    lines = first_lines(head, 1)
    return bool(lines) and _BEGIN.match(lines[0]) is not None


KIND = Kind(
    name="getprop",
    meaning="getprop of Android: a phone's properties",
    looks_like=_looks_like,
    read=read_getprop,
)
