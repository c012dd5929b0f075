"""The operator tables that TFLite's ``benchmark_model --enable_op_profiling=true`` prints.

It prints them to its log, or as CSV with ``--profiling_output_csv_file`` (LiteRT: ``--op_profiling_output_mode=csv``). As
``profile_summarizer.cc``, ``profile_summary_formatter.cc`` and ``profiling_listener.cc`` of TensorFlow 2 and LiteRT write
them: a table of the initialisation and one of the regular runs, each in run order, then the same operators by time, then
their types; for every subgraph, and for what a delegate did inside of its partitions. A log may hold several.

Rows are the regular runs' operators in run order, the only table that has each once. A delegate's partition is one
operator there, as TFLite runs it: what the delegate did inside would count twice, and stays a record.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, read_lines
from parsers.dump_numbers import whole
from parsers.profiles.operator_time import OperatorTime
from parsers.profiles.rows import Findings, Session, TimedLayer, dump_of, stem_of
from parsers.profiles.tflite_table import Entry, Header, entry_of, header_of, is_header
from parsers.profiles.types import TFLITE

_NAME = "tflite-profile"
_LOGCAT = re.compile(r"[VDIWEF][ /]tflite *(?:\( *[0-9]+\))?: ")
_LONGEST_PREFIX = 120
_TITLE = re.compile(r"={3,} ([A-Za-z][A-Za-z ]{0,60}) ={3,}")
_RUNS = "runs"
_PHASES = {
    "Profiling Info for Benchmark Initialization:": "initialization",
    "Operator-wise Profiling Info for Regular Benchmark Runs:": _RUNS,
}
_GRAPH = re.compile(r"(?:Primary graph|Subgraph \(index: ([0-9]{1,9})).{0,200}\bprofile:")
_DELEGATE_INTERNAL = "Delegate internal:"
_MODEL = re.compile(r"Graph: \[([^\]]{1,400})\]")
_THREADS = re.compile(r"(?:Num threads: \[|#threads used for CPU inference: \[)([0-9]{1,4})\]")
_RUN_COUNT = re.compile(r"Timings \(microseconds\): count=([0-9]{1,9})\b")
_RUN_ORDER = "run order"
_NO_TITLE = "a table without title"
_STRAY = "a line of a table without its header"


@dataclass(slots=True)
class _Place:
    """What a log has said up to a line: whose times the next table holds."""

    phase: str = _RUNS
    """Old releases do not say it, and profile the runs alone."""
    graph: str = ""
    session: Session = field(default_factory=Session)
    blocks: Counter[str] = field(default_factory=Counter)
    sections: Counter[str] = field(default_factory=Counter)

    def take(self, text: str) -> bool:
        """Learn from a line; false where it tells nothing."""
        phase = next((name for words, name in _PHASES.items() if words in text), None)
        if phase is not None:
            self.phase, self.graph = phase, ""
            self.blocks[phase] += 1
        elif text == _DELEGATE_INTERNAL:
            self.graph = "delegate internal"
        elif graph := _GRAPH.fullmatch(text):
            self.graph = f"subgraph {int(graph[1])}" if graph[1] else ""
        elif model := _MODEL.search(text):
            self.session = replace(self.session, network=stem_of(model[1]))
        elif text == "STARTING!":
            self.session = Session()
        elif threads := _THREADS.search(text):
            self.session = replace(self.session, threads=int(threads[1]))
        else:
            return False
        return True

    def section(self, title: str) -> str:
        """Name the next table, differently from all before it."""
        number = self.blocks[self.phase]
        phase = f"{self.phase} {number}" if number > 1 else self.phase
        named = f"{phase}, {self.graph}: {title}" if self.graph else f"{phase}: {title}"
        self.sections[named] += 1
        return f"{named} ({self.sections[named]})" if self.sections[named] > 1 else named

    def has_layers(self, title: str) -> bool:
        """Say whether the table lists operators of the runs, each once."""
        return (self.phase, title) == (_RUNS, _RUN_ORDER)


@dataclass(slots=True)
class _Table:
    """A table whose end has not come."""

    title: str
    is_prefixed: bool
    header: Header | None = None
    section: str = ""
    seen: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class _Reader:
    """Reads a log line by line."""

    findings: Findings
    times: list[OperatorTime] = field(default_factory=list)
    """Read, and not yet handed on."""
    layers: list[TimedLayer] = field(default_factory=list)
    """Of the newest table: how many runs its means are of stands below it."""
    inside_delegates: int = 0
    several_calls: int = 0
    place: _Place = field(default_factory=_Place)
    table: _Table | None = None

    def take(self, line: Line) -> None:
        """Take the next line."""
        prefix = _LOGCAT.search(line.text, 0, _LONGEST_PREFIX)
        text = line.text[prefix.end() :] if prefix else line.text
        bare = text.strip()
        if is_header(bare):
            self._begin(line, bare, is_prefixed=prefix is not None)
        elif title := _TITLE.fullmatch(bare):
            self.table = _Table(title=title[1].lower(), is_prefixed=prefix is not None)
        elif self.table is not None and self.table.is_prefixed and prefix is None:
            if _is_like_an_entry(bare):
                self.findings.rejects.add(line, _STRAY)
        elif not bare or self._is_context(bare):
            self.table = None
        elif self.table is not None:
            self._take_entry(line, text, self.table)
        elif _is_like_an_entry(bare):
            self.findings.rejects.add(line, _STRAY)

    def _is_context(self, bare: str) -> bool:
        if runs := _RUN_COUNT.search(bare):
            self.flush(int(runs[1]))
            return True
        return self.place.take(bare) or bare.startswith(("Number of nodes executed", "Memory (bytes)"))

    def flush(self, runs: int | None = None) -> None:
        """Hand the newest table's layers on; its foot says how many runs its means are of."""
        for layer in self.layers:
            self.findings.add_layer(replace(layer, session=replace(layer.session, samples=runs)))
        self.layers.clear()

    def _begin(self, line: Line, bare: str, *, is_prefixed: bool) -> None:
        header = header_of(bare)
        if header is None:
            self.findings.rejects.add(line, "a table's header without node type and avg ms, or with a column twice")
        table = self.table
        if table is None or table.header is not None:
            if table is not None and table.header == header:
                return self.findings.rejects.add(line, "a table's header that stands there twice")
            table = _Table(title=_NO_TITLE, is_prefixed=is_prefixed)
        table.header, self.table = header, table
        if header is not None:
            table.section = self.place.section(table.title)
            if self.place.has_layers(table.title):
                self.flush()
        return None

    def _take_entry(self, line: Line, text: str, table: _Table) -> None:
        if table.header is None:
            return self.findings.rejects.add(line, "a line of a table whose header was not understood")
        entry = entry_of(table.header, text)
        if isinstance(entry, str):
            return self.findings.rejects.add(line, entry)
        if (entry.type, entry.name) in table.seen:
            return self.findings.rejects.add(line, "a line of a table that stands there twice")
        time = _time_of(entry, section=table.section, order=len(table.seen))
        table.seen.add((entry.type, entry.name))
        self.times.append(time)
        if self.place.has_layers(table.title):
            self._add_layer(time)
        return None

    def _add_layer(self, time: OperatorTime) -> None:
        if self.place.graph == "delegate internal" or _is_inside_delegate(time):
            self.inside_delegates += 1
        elif not _is_step(time) and time.calls != 0:
            self.several_calls += time.calls is not None and time.calls > 1
            self.layers.append(TimedLayer(time=time, type=layer_type(time.type), session=self.place.session))


def _time_of(entry: Entry, *, section: str, order: int) -> OperatorTime:
    numbers = entry.numbers
    calls, type_ = numbers.get("times called"), sys.intern(entry.type)
    return OperatorTime(
        section=section,
        order=order,
        type=type_,
        name=entry.name,
        value=entry.average_ms,
        unit="ms",
        provider=provider_of(type_),
        first_ms=numbers.get("first"),
        percent=numbers.get("%", numbers.get("avg %")),
        memory_kb=numbers.get("mem kb"),
        calls=int(calls) if calls is not None else None,
    )


def _is_like_an_entry(text: str) -> bool:
    """Two shares in a row stand in no other line."""
    return text.count("%\t") > 1 or text.count("%, ") > 1


def _is_step(time: OperatorTime) -> bool:
    """Tell the interpreter's own steps, ``AllocateTensors/0``, from operators, which are named by their outputs."""
    before, _, number = time.name.rpartition("/")
    return before == time.type and whole(number) is not None


def _is_inside_delegate(time: OperatorTime) -> bool:
    return time.type == "DelegateOpInvoke" or time.name.startswith("Delegate/")


def provider_of(type_: str) -> str:
    """Name who ran an operator: TFLite's own kernels, or the delegate by whose name a partition goes."""
    lowered = type_.lower()
    if "delegate" not in lowered:
        return "tflite-cpu"
    name = lowered.replace("tflite", "").replace("delegate", "").partition("/")[0].strip()
    return sys.intern(f"tflite-{re.sub(r'v[0-9]{1,2}$', '', name) or 'delegate'}")


def layer_type(type_: str) -> str:
    """Spell an operator as ONNX does; what follows a slash tells how it ran, not what it is."""
    return TFLITE.get(type_.partition("/")[0], type_)


def _looks_like(head: bytes, _name: str) -> bool:
    return any(is_header(line.text) and header_of(line.text) is not None for line in read_lines(head, Rejects(head)))


def _scan(data: Buffer, findings: Findings) -> Iterator[OperatorTime]:
    reader = _Reader(findings=findings)
    for line in read_lines(data, findings.rejects):
        reader.take(line)
        yield from reader.times
        reader.times.clear()
    reader.flush()
    if reader.inside_delegates:
        findings.notes.append(
            f"{reader.inside_delegates} operators ran inside delegates' partitions: records, no rows."
        )
    if reader.several_calls:
        findings.notes.append(f"{reader.several_calls} operators ran several times a run; their rows hold all of it.")
    if not findings.layer_count:
        findings.notes.append("No table lists the runs' operators in run order, so there are no rows.")


def _read(data: Buffer, settings: DumpSettings) -> Dump:
    complaint = "This holds no operator table of TFLite: run benchmark_model with --enable_op_profiling=true."
    return dump_of(_scan, data, settings, _NAME, complaint)


KIND = Kind(
    name=_NAME,
    meaning="TFLite and LiteRT: operator tables of benchmark_model, text or CSV",
    looks_like=_looks_like,
    read=_read,
)
