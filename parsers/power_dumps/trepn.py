"""The CSV export of Qualcomm's Trepn Profiler (version 6), as android-runner's Trepn plug-in reads it, too.

Some lines say which phone and profile it was; then a line of column heads, in which several data points stand side by side, each
behind a time of its own: ``Time  [ms],Battery Power [uW] (Raw),Battery Power [uW] (Delta),Time  [ms],Memory Usage [KB]``. A data
point has its own pace, so a row leaves blank what has no value in it. Behind a blank line follow statistics (``System
Statistics:`` …), counted in a note.

A value is in the unit that its head names; powers are given in mW beside it. ``(Delta)`` is the difference to a baseline that the
app took before, no power of the phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, cells_of, read_lines
from parsers.dump_numbers import decimal
from parsers.errors import DumpError

_TIME = re.compile(r"Time\s{1,4}\[(ms|s)\]")
_HEAD = re.compile(r"(?P<name>[^\[\]]{1,80}?)(?:\[(?P<unit>[^\[\]]{1,20})\])?(?:\s{0,4}\((?P<variant>[^()]{1,20})\))?")
_STATISTICS = re.compile(r'"?[A-Za-z ]{1,40} Statistics:"?,*')
_HEADERS_AT_MOST = 40
"""Lines among which the column heads must be."""
_MILLIWATT = {"uW": 1e-3, "µW": 1e-3, "mW": 1.0, "W": 1000.0}
_MILLISECOND = {"ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrepnValue:
    """One value of one data point."""

    offset: int
    """Of the row."""
    time_ms: float
    """Since the profile began."""
    name: str
    unit: str | None
    """As the column's head names it."""
    variant: str | None
    """``Raw``, ``Delta``, …, where the head says so."""
    value: float | None
    text: str | None
    """What stands there in words, as the states of applications do; ``None`` where it is a number."""
    power_mw: float | None
    """The value, where its unit is a power's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A column, and that of its time."""

    time: int
    millisecond: float
    place: int
    name: str
    unit: str | None
    variant: str | None


def _points(heads: Sequence[str]) -> list[_Point] | None:
    """Read the column heads; ``None`` where a line is none."""
    points: list[_Point] = []
    time: tuple[int, float] | None = None
    for place, head in enumerate(heads):
        found_time, found = _TIME.fullmatch(head.strip()), _HEAD.fullmatch(head.strip())
        if found_time:
            time = place, _MILLISECOND[found_time[1]]
        elif head.strip() and (time is None or found is None):
            return None
        elif found and time:
            points.append(
                _Point(
                    time=time[0],
                    millisecond=time[1],
                    place=place,
                    name=found["name"].strip(),
                    unit=found["unit"],
                    variant=found["variant"],
                )
            )
    return points or None


def _header(data: Buffer) -> tuple[int, Line, list[_Point]] | None:
    """Find the column heads: how many lines stand above them, their line, and what they name."""
    for number, line in zip(range(_HEADERS_AT_MOST), read_lines(data, Rejects(data)), strict=False):
        if "[ms]" in line.text or "[s]" in line.text:
            points = _points(cells_of(line.text))
            if points is not None:
                return number, line, points
    return None


def _values(
    data: Buffer, header: Line, points: Sequence[_Point], rejects: Rejects, notes: list[str]
) -> Iterator[TrepnValue]:
    statistics = 0
    in_statistics = False
    width = len(cells_of(header.text))
    for line in read_lines(data, rejects):
        if line.offset <= header.offset or not line.text.strip():
            continue
        in_statistics = in_statistics or _STATISTICS.fullmatch(line.text.strip()) is not None
        if in_statistics:
            statistics += 1
            continue
        cells = cells_of(line.text)
        values, complete = _row(line.offset, cells, points) if len(cells) == width else ([], False)
        if not complete:
            rejects.add(line, "a row that is cut, or a cell that is no number")
        yield from values
    if statistics:
        notes.append(f"statistics: {statistics} lines behind the values were left out")


def _row(offset: int, cells: Sequence[str], points: Sequence[_Point]) -> tuple[list[TrepnValue], bool]:
    """Read a row's values, and whether that is all that stands in it."""
    values = []
    complete = True
    for point in points:
        cell = cells[point.place].strip()
        if not cell:
            continue
        time, value = decimal(cells[point.time]), decimal(cell)
        if time is None or (value is None and point.unit is not None):
            complete = False
            continue
        scale = _MILLIWATT.get(point.unit or "")
        values.append(
            TrepnValue(
                offset=offset,
                time_ms=time * point.millisecond,
                name=point.name,
                unit=point.unit,
                variant=point.variant,
                value=value,
                text=cell if value is None else None,
                power_mw=None if scale is None or value is None else value * scale,
            )
        )
    return values, complete


def _looks_like(head: bytes, _name: str) -> bool:
    return _header(head) is not None


def _read(data: Buffer, _settings: DumpSettings) -> Dump:
    found = _header(data)
    if found is None:
        raise DumpError(
            "There is no line of column heads 'Time [ms],…' near its top. Export the profile as CSV in Trepn."
        )
    number, header, points = found
    rejects = Rejects(data)
    notes = ["units: as the column heads name them"]
    if number:
        notes.append(f"{number} lines above the column heads say which profile it is, and were left out")
    return Dump(records=_values(data, header, points, rejects, notes), rejects=rejects, notes=notes)


KIND = Kind(
    name="trepn",
    meaning="Qualcomm Trepn Profiler: CSV export",
    looks_like=_looks_like,
    read=_read,
)
