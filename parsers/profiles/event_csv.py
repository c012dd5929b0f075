"""QNN's events as CSV: what ONNX Runtime's QNN provider writes, and ``qnn-profile-viewer --output`` in the same form.

Columns are found by name (``Message``, ``Time``, ``Unit of Measurement``, ``Event Identifier``), as ONNX Runtime's
``qnn_profile_serializer.cc`` writes them. It quotes nothing, so that an identifier with a comma is wider than its column
where that is the last one. Operators are events ``NODE``; a run begins where one of them comes again.
"""

from __future__ import annotations

import math
import re
import statistics
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from parsers.dump import Buffer
from parsers.dump_lines import Rejects, cells_of, read_lines
from parsers.errors import DumpError
from parsers.profiles.operator_time import OperatorTime, figure_of
from parsers.profiles.rows import Findings, Session, TimedLayer

_MESSAGE, _TIME, _UNIT, _IDENTIFIER = "message", "time", "unit of measurement", "event identifier"
_NEEDED = (_MESSAGE, _TIME, _UNIT, _IDENTIFIER)
_LEVEL, _IS_LEVEL = "event level", re.compile(r"[A-Z][A-Z_-]{1,20}")
_NODE = "NODE"


@dataclass(slots=True)
class _Node:
    """An operator, over the runs."""

    run: int = 0
    """The newest that it ran in."""
    times_ms: array[float] = field(default_factory=lambda: array("d"))
    """NaN where the figure is no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    message: str
    identifier: str
    value: float
    unit: str


def is_event_header(text: str) -> bool:
    """Tell the header of an event table."""
    return set(_NEEDED) <= {name.strip().lower() for name in text.split(",")}


def read_events(data: Buffer, findings: Findings, provider: str) -> Iterator[OperatorTime]:
    """Yield all figures of an event table; those operators whose figures are times are layers.

    Raises:
        DumpError: the first line that is not blank does not name the columns.
    """
    nodes: dict[str, _Node] = {}
    run, in_run, others = 1, 0, 0
    for event in _events(data, findings.rejects):
        if event.message != _NODE:
            yield _record(event, "events", others, event.message, provider)
            others += 1
            continue
        node = nodes.setdefault(event.identifier, _Node())
        if node.run == run:
            run, in_run = run + 1, 0
        node.run = run
        time = _record(event, sys.intern(f"operators, run {run}"), in_run, "", provider)
        in_run += 1
        node.times_ms.append(math.nan if time.time_ms is None else time.time_ms)
        yield time
    for number, (name, node) in enumerate(nodes.items()):
        _add_layer(name, node, number, provider, findings)
    if run > 1 and findings.layer_count:
        findings.notes.append("The events do not say which runs are warm-up: a row holds the median over all runs.")


def _record(event: _Event, section: str, order: int, type_: str, provider: str) -> OperatorTime:
    return OperatorTime(
        section=section,
        order=order,
        type=sys.intern(type_),
        name=event.identifier,
        value=event.value,
        unit=sys.intern(event.unit),
        provider=provider,
    )


def _add_layer(name: str, node: _Node, number: int, provider: str, findings: Findings) -> None:
    """Make an operator's median over the runs a layer, where all of its figures are times."""
    middle_ms = statistics.median(node.times_ms)
    if not any(math.isnan(time_ms) for time_ms in node.times_ms):
        time = OperatorTime(
            section="operators",
            order=number,
            type="",
            name=name,
            value=middle_ms,
            unit="ms",
            provider=provider,
        )
        findings.add_layer(TimedLayer(time=time, type="", session=Session(samples=len(node.times_ms))))


def _events(data: Buffer, rejects: Rejects) -> Iterator[_Event]:
    columns: list[str] = []
    for line in read_lines(data, rejects):
        if not line.text.strip():
            continue
        cells = cells_of(line.text)
        if not columns:
            columns = [cell.strip().lower() for cell in cells]
            if not set(_NEEDED) <= set(columns) or len(set(columns)) < len(columns):
                raise DumpError(f"This is no table of events: its first line does not name {', '.join(_NEEDED)}.")
        elif is_event_header(line.text):
            rejects.add(line, "the header again")
        elif (event := _event(columns, cells)) is None:
            rejects.add(line, "an event that does not fit the header")
        else:
            yield event
    if not columns:
        raise DumpError("This is no table of events: it is empty.")


def _event(columns: Sequence[str], cells: Sequence[str]) -> _Event | None:
    last = len(columns) - 1
    if len(cells) > len(columns) and columns[last] == _IDENTIFIER:
        cells = [*cells[:last], ",".join(cells[last:])]
    if len(cells) != len(columns):
        return None
    named = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
    if _LEVEL in named and not _IS_LEVEL.fullmatch(named[_LEVEL]):
        return None  # a cell is lost, and a comma of the identifier makes up for it
    value = figure_of(named[_TIME])
    if value is None or not named[_UNIT]:
        return None
    return _Event(message=named[_MESSAGE], identifier=named[_IDENTIFIER], value=value, unit=named[_UNIT])
