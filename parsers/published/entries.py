"""The lookup tables' files: YAML of one layout only, a named entry per layer and its figures below.

::

    Conv-input:64x64x3-output:32x32x16:
      count: 100
      mean: 1.25
      std: 0.5

A strict reader of this layout stands here instead of a YAML library: it gives every entry its place in the file, sees that
an entry stands twice where a library keeps the last in silence, and reads ``1e-05`` as the number that it is (YAML 1.1 makes
it text).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from parsers.dump import Buffer, Reject
from parsers.published.lines import Line, lines_of, number_in

_FIGURES = frozenset({"count", "mean", "std", "var"})
_IGNORED = frozenset({"big", "small"})
"""Clock settings of one of the tables, not times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One layer's figures."""

    line: Line
    name: str
    figures: Mapping[str, float]
    """``count``, ``mean``, ``std``, ``var``, as far as they are there."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """An entry while it is read."""

    line: Line
    name: str
    figures: dict[str, float] = field(default_factory=dict)
    fault: str | None = None


def read_entries(data: Buffer, rejects: list[Reject]) -> list[Entry]:
    """Read the entries in the file's order; what stands twice, or is damaged, goes to ``rejects``."""
    opened = list(_opened(data, rejects))
    names: dict[str, int] = {}
    for one in opened:
        names[one.name] = names.get(one.name, 0) + 1
    entries: list[Entry] = []
    for one in opened:
        fault = "an entry whose name stands twice" if names[one.name] > 1 else one.fault
        if fault is None and not one.figures.get("mean"):
            fault = "an entry without a mean above zero"
        if fault is None:
            entries.append(Entry(line=one.line, name=one.name, figures=one.figures))
        else:
            rejects.append(one.line.reject(fault))
    return entries


def _opened(data: Buffer, rejects: list[Reject]) -> Iterator[_Open]:
    current: _Open | None = None
    for line in lines_of(data):
        text = (line.text or "").rstrip()
        if text[:1] not in {"", " "} and text.endswith(":"):
            if current is not None:
                yield current
            current = _Open(line=line, name=text[:-1])
        elif text[:1] == " " and current is not None:
            _take_figure(text, current)
        else:
            if current is not None:
                yield current
            current = None
            rejects.append(line.reject("a line that is no entry and no figure of one"))
    if current is not None:
        yield current


def _take_figure(text: str, current: _Open) -> None:
    name, colon, value = text.strip().partition(": ")
    number = number_in(value)
    if name in current.figures:
        current.fault = "an entry with a figure that stands twice"
    elif colon and name in _FIGURES and number is not None:
        current.figures[name] = number
    elif name not in _IGNORED:
        current.fault = "an entry with a figure that is none"
