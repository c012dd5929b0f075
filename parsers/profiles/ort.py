"""ONNX Runtime's profile (``enable_profiling``) as records, one a node, and rows of those that are layers.

:mod:`parsers.ort_profile` reads it, a run at a time: a session may have been run with inputs of several shapes, whose times
must not be averaged. Runs of one sort are a section. Of several, the first is taken for warm-up: its time is
``first_ms``, and the row holds the trimmed mean of the others. A run in which a line cannot be read is left out whole.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects
from parsers.errors import OrtProfileError
from parsers.operators import NETWORK
from parsers.ort_profile import NodeTime, is_layout, parse_ort_profile, trimmed_mean_us
from parsers.placement import provider_name
from parsers.profiles.json_events import event_lines
from parsers.profiles.operator_time import LayerShape, OperatorTime
from parsers.profiles.ort_shapes import layer_type, shape_of
from parsers.profiles.rows import Findings, Session, TimedLayer, dump_of

_NAME = "ort-profile"
_RUN, _NODE, _SESSION = "model_run", "Node", "Session"
_EVENTS_AT_A_TIME = 64
_KEPT = (
    "op_name",
    "node_index",
    "provider",
    "input_type_shape",
    "output_type_shape",
    "activation_size",
    "parameter_size",
)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


@dataclass(frozen=True, slots=True)
class _Event:
    """An event reduced to what the profile's reader needs of it: a profile's arguments are long."""

    text: bytes
    sort: int
    """Equal for a node that reads tensors of the same shapes."""
    ends_run: bool


@dataclass(slots=True)
class _Run:
    """The events of one run."""

    offset: int = 0
    end: int = 0
    events: list[_Event] = field(default_factory=list)
    is_damaged: bool = False

    @property
    def sort(self) -> int:
        """Equal for runs of the same nodes on the same shapes, in whatever order they ran."""
        return hash(tuple(sorted(event.sort for event in self.events)))


@dataclass(slots=True)
class _Section:
    """Runs of one sort."""

    nodes: dict[tuple[int, str], NodeTime] = field(default_factory=dict)
    """As they were in the first run."""
    times_us: dict[tuple[int, str], array[float]] = field(default_factory=dict)
    """Of each node in each run."""
    run_us: array[float] = field(default_factory=lambda: array("d"))

    def add(self, nodes: Mapping[tuple[int, str], NodeTime], run_us: float) -> None:
        """Take a run."""
        self.run_us.append(run_us)
        for key, node in nodes.items():
            self.nodes.setdefault(key, node)
            self.times_us.setdefault(key, array("d")).append(node.kernel_us[0])


def _runs(data: Buffer, rejects: Rejects) -> Iterator[_Run]:
    """Yield the runs of a profile; what stands before the first node and behind the last run is none of them."""
    run = _Run()
    for line in event_lines(data, rejects):
        events = _events(line)
        if events is None:
            rejects.add(line, "an event that cannot be read")
            run.is_damaged = True
            continue
        for event in events:
            run.events.append(event)
            run.end = line.end
            if event.ends_run:
                yield run
                run = _Run(offset=line.end)
    if run.events:
        rejects.add_piece(run.offset, run.end, "a run whose end is missing")


def _events(line: Line) -> list[_Event] | None:
    """Read the events on a line, which is one in ONNX Runtime's files; ``None`` where a piece of it cannot be read."""
    text, position, events = line.text, 0, []
    try:
        while position < len(text):
            if text[position] in "[], \t":
                position += 1
                continue
            event, position = _DECODER.raw_decode(text, position)
            if not isinstance(event, dict):
                return None
            if event.get("cat") == _NODE or event.get("name") == _RUN:
                events.append(_slim(event))
    except (ValueError, RecursionError):
        return None
    return events


def _slim(event: Mapping[str, Any]) -> _Event:
    arguments = event.get("args")
    kept = {name: arguments[name] for name in _KEPT if name in arguments} if isinstance(arguments, dict) else {}
    slim = {name: event[name] for name in ("cat", "name", "dur") if name in event} | {"args": kept}
    return _Event(
        text=json.dumps(slim).encode(),
        sort=hash(json.dumps([event.get("name"), kept.get("input_type_shape")])),
        ends_run=event.get("cat") == _SESSION and event.get("name") == _RUN,
    )


def _sections(data: Buffer, rejects: Rejects) -> tuple[list[_Section], list[str]]:
    """Sort the runs; and say of each that is left out why it is."""
    sections: dict[int, _Section] = {}
    complaints: list[str] = []
    for run in _runs(data, rejects):
        if run.is_damaged:
            complaints.append("A line of it is no JSON event.")
            continue
        try:
            nodes, run_us = _read_run(run)
        except OrtProfileError as error:
            rejects.add_piece(run.offset, run.end, "a run whose events contradict each other")
            complaints.append(str(error))
            continue
        sections.setdefault(run.sort, _Section()).add(nodes, run_us)
    return list(sections.values()), complaints


def _read_run(run: _Run) -> tuple[dict[tuple[int, str], NodeTime], float]:
    """Read a run's nodes and duration, some events at a time: a run may be the whole file."""
    nodes: dict[tuple[int, str], NodeTime] = {}
    end = run.events[-1].text
    run_us = 0.0
    for first in range(0, len(run.events), _EVENTS_AT_A_TIME):
        some = [event.text for event in run.events[first : first + _EVENTS_AT_A_TIME] if not event.ends_run]
        profile = parse_ort_profile(b"[" + b",".join([*some, end]) + b"]")
        run_us = profile.run_us[0]
        for node in profile.nodes:
            before = nodes.get((node.index, node.name))
            earlier_us = before.kernel_us[0] if before is not None else 0.0  # of a node in a loop
            nodes[node.index, node.name] = replace(before or node, kernel_us=(earlier_us + node.kernel_us[0],))
    return nodes, run_us


def _records(section: _Section, named: str) -> Iterator[tuple[OperatorTime, NodeTime | None]]:
    """Yield the nodes of a section in order, and the whole run behind them."""
    for order, (key, node) in enumerate(section.nodes.items()):
        yield _record(node, section.times_us[key], named, order, shape_of(node)), node
    run = NodeTime(name=_RUN, op=NETWORK, provider="", index=0, kernel_us=())
    yield _record(run, section.run_us, named, len(section.nodes), None), None


def _record(
    node: NodeTime, times_us: Sequence[float], section: str, order: int, shape: LayerShape | None
) -> OperatorTime:
    measured = times_us[1:] or times_us
    mean_us = trimmed_mean_us(measured)
    return OperatorTime(
        section=section,
        order=order,
        type=_clean(node.op),
        name=_clean(node.name),
        value=mean_us,
        unit="us",
        provider=_clean(provider_name(node.provider)),
        first_ms=times_us[0] / 1000,
        min_ms=min(measured) / 1000,
        max_ms=max(measured) / 1000,
        shape=shape,
    )


def _clean(text: str) -> str:
    """Write half a surrogate pair, which JSON may hold and a table may not, as its escape."""
    return text.encode(errors="backslashreplace").decode()


def _looks_like(head: bytes, _name: str) -> bool:
    start = head[:4096].lstrip()
    return start.startswith(b"[") and b'"cat"' in start and b'"model_loading' in start


def _scan(data: Buffer, findings: Findings) -> Iterator[OperatorTime]:
    sections, complaints = _sections(data, findings.rejects)
    layout_nodes = 0
    for number, section in enumerate(sections, start=1):
        session = Session(samples=max(len(section.run_us) - 1, 1))
        for time, node in _records(section, f"runs {number}" if len(sections) > 1 else "runs"):
            if node is not None and is_layout(node.op, node.name):
                layout_nodes += 1
            elif node is not None:
                type_ = _clean(layer_type(node, time.shape))
                findings.add_layer(TimedLayer(time=time, type=type_, session=session))
            yield time
    if len(sections) > 1:
        runs = ", ".join(str(len(section.run_us)) for section in sections)
        findings.notes.append(f"Runs differ in shapes or nodes: {len(sections)} sorts, of {runs} runs, are kept apart.")
    if any(len(section.run_us) > 1 for section in sections):
        findings.notes.append("Of several runs of a sort, the first is taken for warm-up: first_ms, not in the mean.")
    if complaints:
        findings.notes.append(f"{len(complaints)} runs are left out. The first: {complaints[0]}")
    if layout_nodes:
        findings.notes.append(f"{layout_nodes} nodes only reorder data for the kernels: records, but no rows.")


def _read(data: Buffer, settings: DumpSettings) -> Dump:
    complaint = (
        "This holds no whole run of an ONNX Runtime profile: it is the JSON file that a session with enable_profiling "
        "writes, not the session's log."
    )
    return dump_of(_scan, data, settings, _NAME, complaint)


KIND = Kind(
    name=_NAME,
    meaning="ONNX Runtime: JSON that enable_profiling writes",
    looks_like=_looks_like,
    read=_read,
)
