"""MNN's times: of networks, which ``benchmark.out`` prints, and of operators, which ``timeProfile.out`` prints.

As ``benchmark/benchmark.cpp`` and ``tools/cpp/Profiler.cpp`` of MNN print them, in 2019 and since. MNN publishes results of
its benchmark as Markdown pages with a heading for each phone: then the headings are the devices. A table of operators is
parted by tabs, and its columns are found by their names; operators of one name stand there as one. Only the table by name
becomes rows: the one by type sums up the same times.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, read_lines
from parsers.dump_numbers import decimal, whole
from parsers.operators import NETWORK
from parsers.profiles.operator_time import OperatorTime, figure_of
from parsers.profiles.rows import Findings, Session, TimedLayer, dump_of, stem_of
from parsers.profiles.table_lines import Misfit, NetworkTimes, Outside, UniqueNames, network_times, table_lines
from parsers.profiles.types import MNN
from parsers.schema import Scope

_NAME = "mnn-profile"
_BULLET = "[ - ] "
_HEADING = re.compile(r"#{2,6} {1,8}(\S.{0,120})")  # one alone is a shell's prompt
_FORWARD = re.compile(
    r"Forward type: (?:\*\*)?([A-Za-z/]{1,16})(?:\*\*)? thread=([0-9]{1,4})(?:(?:\*\*)? precision=.{0,200})?"
)
_LOOP = re.compile(r"-{2,}> Benchmarking\.\.\. loop = ([0-9]{1,9})\b.{0,40}")
_BACKEND = re.compile(r"Use extra forward type: ([0-9]{1,3})")
_THREADS = re.compile(r"Set ThreadNumber = ([0-9]{1,4})")
_MODEL = re.compile(r"Open Model (.{1,400})")
_CONTEXT = (_HEADING, _FORWARD, _LOOP, _BACKEND, _THREADS, _MODEL)
_FORWARD_TYPES = {0: "cpu", 1: "metal", 2: "cuda", 3: "opencl", 5: "nn", 6: "opengl", 7: "vulkan"}
_FEWEST_COLUMNS = 4
_AVERAGE, _TYPE, _NODE, _BY_TYPE, _SHARE, _CALLS = "avg(ms)", "op type", "node name", "node type", "%", "called times"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    is_by_name: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    type: str
    name: str
    time_ms: float
    percent: float | None
    calls: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context(Outside):
    match: re.Match[str]


_Line = _Columns | _Operator | _Context | NetworkTimes


class _Lines:
    """Reads one line after the other, and knows which columns the table has that it is in."""

    def __init__(self) -> None:
        self._columns: tuple[str, ...] | None = None
        """Empty in a table whose header was not understood; None outside of tables."""

    def read(self, text: str) -> _Line | Misfit | None:
        """Say what a line tells."""
        if text.startswith(_BULLET):
            return network_times(text.removeprefix(_BULLET)) or Misfit("a network's line without its times")
        if network_times(text) is not None:
            return Misfit("a network's times that do not stand behind '[ - ]'")
        cells = [cell.strip() for cell in text.split("\t")]
        if len(cells) > 1 and cells[0].lower() in {_NODE, _BY_TYPE}:
            return self._header(tuple(cell.lower() for cell in cells))
        if len(cells) > 1 and (self._columns is not None or len(cells) >= _FEWEST_COLUMNS):
            return self._operator(cells)
        if text:
            self._columns = None
        found = next((found for pattern in _CONTEXT if (found := pattern.fullmatch(text))), None)
        return _Context(match=found) if found else None

    def _header(self, names: tuple[str, ...]) -> _Columns | Misfit:
        if _AVERAGE not in names or len(set(names)) < len(names):
            self._columns = ()
            return Misfit("a table's header without Avg(ms), or with a column twice")
        self._columns = names
        return _Columns(is_by_name=names[0] == _NODE)

    def _operator(self, cells: list[str]) -> _Operator | Misfit:
        columns = self._columns
        if columns is None:
            return Misfit("a line of a table without its header")
        if not columns:
            return Misfit("a line of a table whose header was not understood")
        if len(cells) != len(columns):
            return Misfit("a line of a table that does not fit its header")
        named = dict(zip(columns, cells, strict=True))
        time_ms = figure_of(named[_AVERAGE])
        if time_ms is None:
            return Misfit("a line of a table whose time is no number")
        return _Operator(
            type=sys.intern(named.get(_TYPE) or named.get(_BY_TYPE, "")),
            name=named.get(_NODE, ""),
            time_ms=time_ms,
            percent=decimal(named.get(_SHARE, "")),
            calls=whole(named.get(_CALLS, "")),
        )


@dataclass(slots=True)
class _Reader:
    """Collects times, and what was said before them of device, backend and threads."""

    findings: Findings
    devices: set[str] = field(default_factory=set)
    """That times were told of."""
    names: UniqueNames = field(default_factory=UniqueNames)
    session: Session = field(default_factory=Session)
    backend: str = ""
    section: str = ""
    order: int = 0
    is_by_name: bool = False

    def take(self, line: _Line) -> OperatorTime | None:
        """Take what a line says; give its time, where it is one."""
        match line:
            case _Operator():
                return self._operator(line)
            case NetworkTimes():
                return self._network(line)
            case _Columns():
                self.is_by_name = line.is_by_name
                self._begin("operators by name" if line.is_by_name else "operators by type")
            case _Context():
                self._take_context(line.match)
        return None

    def _take_context(self, match: re.Match[str]) -> None:
        told = match[1]
        if match.re is _HEADING:
            self.session, self.backend = Session(device=told.strip()), ""
        elif match.re is _FORWARD:
            self.backend = "" if told == "N/A" else told.lower()
            self.session = replace(self.session, threads=int(match[2]), samples=None)
        elif match.re is _BACKEND:
            self.backend = _FORWARD_TYPES.get(int(told), "")
        elif match.re is _MODEL:
            self.session = replace(self.session, network=stem_of(told))
            self.backend = self.backend or "cpu"  # timeProfile.out says only what is not its default
        elif match.re is _THREADS:
            self.session = replace(self.session, threads=int(told))
        else:
            self.session = replace(self.session, samples=int(told))
        self.section = ""

    def _begin(self, what: str) -> None:
        parts = (self.session.device, self.backend, self.session.network, what)
        self.section, self.order = self.names.give(", ".join(part for part in parts if part)), 0

    def _provider(self) -> str:
        return f"mnn-{self.backend}" if self.backend else "mnn"

    def _operator(self, line: _Operator) -> OperatorTime:
        time = OperatorTime(
            section=self.section,
            order=self.order,
            type=line.type,
            name=line.name,
            value=line.time_ms,
            unit="ms",
            provider=self._provider(),
            percent=line.percent,
            calls=line.calls,
        )
        self.order += 1
        if self.is_by_name:
            type_ = MNN.get(line.type, line.type)
            self.findings.add_layer(TimedLayer(time=time, type=type_, session=self.session))
        return time

    def _network(self, line: NetworkTimes) -> OperatorTime:
        if not self.section:
            self._begin("networks")
        self.devices.add(self.session.device)
        time = OperatorTime(
            section=self.section,
            order=self.order,
            type=NETWORK,
            name=line.network,
            value=line.avg_ms,
            unit="ms",
            provider=self._provider(),
            min_ms=line.min_ms,
            max_ms=line.max_ms,
        )
        self.order += 1
        session = replace(self.session, network=stem_of(line.network))
        self.findings.add_layer(TimedLayer(time=time, type=NETWORK, session=session, scope=Scope.NETWORK))
        return time


def _looks_like(head: bytes, _name: str) -> bool:
    lines = _Lines()
    found = [lines.read(line.text.strip()) for line in read_lines(head, Rejects(head))]
    bullets = any(isinstance(line, NetworkTimes) for line in found)
    return bullets or any(isinstance(line, _Columns) and line.is_by_name for line in found)


def _scan(data: Buffer, findings: Findings) -> Iterator[OperatorTime]:
    reader = _Reader(findings=findings)
    lines: Iterator[_Line] = table_lines(read_lines(data, findings.rejects), _Lines().read, findings.rejects)
    for line in lines:
        time = reader.take(line)
        if time is not None:
            yield time
    if len(reader.devices) > 1:
        findings.notes.append("The headings name several devices: rows carry these names, and no device's context.")


def _read(data: Buffer, settings: DumpSettings) -> Dump:
    complaint = "This holds no times of MNN: no table of timeProfile.out, no '[ - ]' lines of benchmark.out."
    return dump_of(_scan, data, settings, _NAME, complaint)


KIND = Kind(
    name=_NAME,
    meaning="MNN: benchmark.out, timeProfile.out",
    looks_like=_looks_like,
    read=_read,
)
