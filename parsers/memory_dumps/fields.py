"""Blocks of ``Key: value`` lines, as Linux writes them of a process and of a mapping, into the fields of a record.

A known key's value has the form that the kernel gives it, or the line is a reject. Of an unknown key the value is kept
as text: every kernel has some of its own. A key that stands twice in a block is believed once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from parsers.dump_lines import Line, Rejects
from parsers.dump_numbers import whole

_MOST_OTHERS = 200
"""No kernel writes as many lines of one process or mapping."""
_FIELD = re.compile(r"([A-Za-z_][\w()/ .-]{0,63}):(.*)", re.ASCII)


class Form(Enum):
    """How a key's value is written."""

    SIZE_KB = auto()
    COUNT = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where a key's value goes."""

    name: str
    form: Form


@dataclass(slots=True, kw_only=True)
class Block:
    """What was read of one block so far."""

    line: Line
    values: dict[str, int | str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


def sizes(**names: str) -> dict[str, Field]:
    """Name the keys whose values are kilobytes, by the field that takes each."""
    return {key: Field(name=name, form=Form.SIZE_KB) for name, key in names.items()}


def size_kb(text: str) -> int | None:
    """Read ``1234 kB``; ``None`` where it is no size."""
    number, blank, unit = text.strip(" \t").partition(" ")
    size = whole(number) if blank and unit.strip(" \t") == "kB" else None
    return size if size is not None and size >= 0 else None


def add_field(block: Block, line: Line, known: Mapping[str, Field], rejects: Rejects) -> None:
    """Read one line of a block."""
    match = _FIELD.fullmatch(line.text)
    if match is None:
        rejects.add(line, "no 'key: value'")
        return
    key, text = match[1], match[2]
    place = known.get(key)
    if place is None:
        _add_other(block, line, key, text, rejects)
        return
    value = _value(place.form, text)
    if place.name in block.values:
        rejects.add(line, "a key that stands twice")
    elif value is None:
        rejects.add(line, "a value that is not of its key's form")
    else:
        block.values[place.name] = value


def _add_other(block: Block, line: Line, key: str, text: str, rejects: Rejects) -> None:
    if key in block.others:
        rejects.add(line, "a key that stands twice")
    elif len(block.others) >= _MOST_OTHERS:
        rejects.add(line, "more unknown keys than any kernel writes")
    else:
        block.others[key] = text.strip(" \t")


def _value(form: Form, text: str) -> int | str | None:
    if form is Form.TEXT:
        return text.removeprefix("\t")
    if form is Form.SIZE_KB:
        return size_kb(text)
    count = whole(text.strip(" \t"))
    return count if count is not None and count >= 0 else None
