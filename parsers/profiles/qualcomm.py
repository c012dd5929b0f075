"""Qualcomm's profiles: SNPE's, as ``snpe-diagview`` shows them, and QNN's, as ``qnn-profile-viewer`` does.

Their accelerators count cycles, which are no time: operators run beside each other, and the clock is not told. So an
operator in cycles is a record and no row. Nor do these profiles tell operators' types, only the network's own names of them.
``snpe-diagview``'s CSV is not documented; it is read where it has the columns of QNN's.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import first_lines, read_lines
from parsers.dump_numbers import whole
from parsers.profiles.event_csv import is_event_header, read_events
from parsers.profiles.operator_time import OperatorTime
from parsers.profiles.rows import Findings, Session, TimedLayer, dump_of
from parsers.profiles.statistics_text import Entry, entries_of

_SNPE_LAYERS = frozenset({"Layer Times", "Per-Layer Execution Times"})
_SNPE_TITLES = (
    "SNPE Create Statistics:",
    "SNPE Execute Statistics",
    "Dnn Runtime Load/Deserialize/Create",
    *(f"{title}:" for title in sorted(_SNPE_LAYERS)),
)
_QNN_MEANS = "Execute Stats (Average)"
_QNN_OPERATOR = "OpId_"
_QNN_TITLE = "Qnn Init/Prepare/Finalize"
_FIRST_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Viewer:
    """What differs between the two."""

    kind: str
    runtime: str
    is_operator: Callable[[Entry], bool]
    """Whether an entry is an operator's."""
    is_mean: Callable[[Entry], bool]
    """Whether it is the operator's own figure, not its least or greatest."""


def _is_snpe_layer(entry: Entry) -> bool:
    return entry.section in _SNPE_LAYERS


def _is_qnn_operator(entry: Entry) -> bool:
    return _QNN_OPERATOR in entry.label


_SNPE = _Viewer(kind="snpe-profile", runtime="snpe", is_operator=_is_snpe_layer, is_mean=_is_snpe_layer)
_QNN = _Viewer(
    kind="qnn-profile",
    runtime="qnn",
    is_operator=_is_qnn_operator,
    is_mean=lambda entry: entry.section == _QNN_MEANS,
)


def _scan(viewer: _Viewer, data: Buffer, findings: Findings) -> Iterator[OperatorTime]:
    is_csv = any(is_event_header(text) for text in first_lines(bytes(data[:4096]), 1))
    has_cycles = False
    for time in read_events(data, findings, viewer.runtime) if is_csv else _read_text(viewer, data, findings):
        has_cycles |= time.cycles is not None
        yield time
    if has_cycles:
        findings.notes.append("Figures in cycles are no times, since the clock is not told: records, but no rows.")
    if findings.layer_count:
        findings.notes.append("The profile does not tell operators' types: they are null in the rows.")


def _read_text(viewer: _Viewer, data: Buffer, findings: Findings) -> Iterator[OperatorTime]:
    places: Counter[str] = Counter()
    for entry in entries_of(read_lines(data, findings.rejects), findings.rejects):
        section = ", ".join(part for part in (entry.section, entry.graph) if part)
        section = sys.intern(f"log {entry.log}: {section}" if entry.log > 1 else section)
        is_operator = viewer.is_operator(entry)
        time = OperatorTime(
            section=section,
            order=places[section],
            type="",
            name=_name(entry.label) if is_operator else entry.label,
            value=entry.value,
            unit=sys.intern(entry.unit),
            provider=sys.intern(f"{viewer.runtime}-{entry.processor.lower()}" if entry.processor else viewer.runtime),
        )
        places[section] += 1
        if is_operator and viewer.is_mean(entry):
            findings.add_layer(TimedLayer(time=time, type="", session=Session()))
        yield time


def _name(label: str) -> str:
    """Give an operator's name without the number before it, which is its place."""
    number, colon, name = label.partition(":")
    return name.strip() if colon and whole(number) is not None else label


def _looks_like_snpe(head: bytes, _name: str) -> bool:
    return any(text.startswith(_SNPE_TITLES) for text in first_lines(head, _FIRST_LINES))


def _looks_like_qnn(head: bytes, _name: str) -> bool:
    texts = first_lines(head, _FIRST_LINES)
    is_text = any(text.startswith(_QNN_TITLE) for text in texts)
    return is_text or (bool(texts) and is_event_header(texts[0]))


def _read(viewer: _Viewer, data: Buffer, settings: DumpSettings) -> Dump:
    complaint = (
        f"This holds no figures of {viewer.runtime.upper()}: no titles with figures below them, no table of events."
    )
    return dump_of(partial(_scan, viewer), data, settings, viewer.kind, complaint)


KINDS = (
    Kind(
        name=_SNPE.kind,
        meaning="Qualcomm SNPE: text of snpe-diagview",
        looks_like=_looks_like_snpe,
        read=partial(_read, _SNPE),
    ),
    Kind(
        name=_QNN.kind,
        meaning="Qualcomm QNN: text of qnn-profile-viewer, events as CSV",
        looks_like=_looks_like_qnn,
        read=partial(_read, _QNN),
    ),
)
