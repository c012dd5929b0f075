"""Energy in a Perfetto trace that was written as text (``traceconv text``): power rails and Android's energy estimates.

Per Perfetto's ``power_rails.proto`` and ``android_energy_estimation_breakdown.proto`` energies are µWs since boot, and
``timestamp_ms`` counts since boot, too. Without it, the packet's ``timestamp`` (ns) is the time, where its clock is the default one
or CLOCK_BOOTTIME by number; in any other clock the time is unknown. Packets of other kinds are counted in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, first_lines, holds, read_lines
from parsers.dump_numbers import whole
from parsers.errors import DumpError

_BOOTTIME = 6
"""``BUILTIN_CLOCK_BOOTTIME``."""
_DEEPEST = 64
_ESCAPED = re.compile(r"\\([\\\"'])")
_ITEM = re.compile(
    r"\s*+(?:(?P<name>[A-Za-z_][A-Za-z_0-9]{0,80})\s*+(?::\s*+(?P<value>\"(?:[^\"\\]++|\\.)*+\"|[^\s{}\"]{1,40}+)|:?\s*+(?P<open>\{))"
    r"|(?P<close>\})|#.*+)\s*+"
)
_RAILS, _BREAKDOWN = "power_rails", "android_energy_estimation_breakdown"
_DESCRIPTORS = {
    ("packet", _RAILS, "rail_descriptor"): ("index", "rail_name", "subsys_name"),
    ("packet", _BREAKDOWN, "energy_consumer_descriptor", "energy_consumers"): ("energy_consumer_id", "name", "type"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEnergy:
    """One counter's value at one moment."""

    offset: int
    """Where its part of the packet begins."""
    source: str
    """``power_rails`` or ``android_energy_estimation_breakdown``."""
    index: int
    """The rail's or the consumer's number."""
    name: str | None
    """``None`` where the trace holds no descriptor of it above."""
    group: str | None
    """The rail's subsystem, or the consumer's type."""
    uid: int | None
    """Whose part of the consumer's energy it is; ``None`` for all of it."""
    time_ms: float | None
    """Since boot."""
    energy_uws: int


@dataclass(slots=True)
class _Message:
    """One message that is open, and its fields so far."""

    path: tuple[str, ...]
    line: Line
    values: dict[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        return whole(self.values.get(name, ""))


@dataclass(slots=True)
class _Reader:
    """The messages that are open, and what descriptors have said so far."""

    stack: list[_Message] = field(default_factory=list)
    too_deep: int = 0
    names: dict[tuple[str, int], tuple[str | None, str | None]] = field(default_factory=dict)
    found: list[_Message] = field(default_factory=list)
    others: int = 0

    def take(self, line: Line, item: re.Match[str]) -> _Message | None:
        """Take one item; gives a packet that it ends."""
        if item["open"]:
            self._open(line, item["name"])
        elif item["close"]:
            return self._close()
        elif item["value"] and self.stack and not self.too_deep:
            self.stack[-1].values[item["name"]] = _unquoted(item["value"])
        return None

    def _open(self, line: Line, name: str) -> None:
        if self.too_deep or len(self.stack) == _DEEPEST:
            self.too_deep += 1
            return
        above = self.stack[-1].path if self.stack else ()
        self.stack.append(_Message(path=(*above, name), line=line))

    def _close(self) -> _Message | None:
        if self.too_deep:
            self.too_deep -= 1
            return None
        if not self.stack:
            return None
        message = self.stack.pop()
        if message.path in _DESCRIPTORS:
            index_name, *others = _DESCRIPTORS[message.path]
            index = message.number(index_name)
            if index is not None:
                name, group = (message.values.get(other) for other in others)
                self.names[message.path[1], index] = name, group
        elif len(message.path) > 1 and message.path[1] in {_RAILS, _BREAKDOWN}:
            self.found.append(message)
        return message if message.path == ("packet",) else None

    def energies(self, packet: _Message, rejects: Rejects) -> Iterator[TracedEnergy]:
        """Give the energies of a packet that has ended; its time stands behind them."""
        found, self.found = sorted(self.found, key=lambda message: message.line.offset), []
        self.others += not found
        consumers = [message for message in found if message.path == ("packet", _BREAKDOWN)]
        parts: tuple[str, int | None, int | None, int | None]
        for message in found:
            match message.path:
                case ("packet", "power_rails", "energy_data"):
                    parts = (_RAILS, message.number("index"), None, message.number("energy"))
                case ("packet", "android_energy_estimation_breakdown") if "energy_uws" in message.values:
                    parts = (_BREAKDOWN, message.number("energy_consumer_id"), None, message.number("energy_uws"))
                case ("packet", "android_energy_estimation_breakdown", "per_uid_breakdown"):
                    index = consumers[-1].number("energy_consumer_id") if consumers else None
                    parts = (_BREAKDOWN, index, message.number("uid"), message.number("energy_uws"))
                case _:
                    continue
            source, index, uid, energy_uws = parts
            if index is None or energy_uws is None:
                rejects.add(message.line, "an energy without its number or its value")
                continue
            name, group = self.names.get((source, index), (None, None))
            yield TracedEnergy(
                offset=message.line.offset,
                source=source,
                index=index,
                name=name,
                group=group,
                uid=uid,
                time_ms=_time_ms(message, packet),
                energy_uws=energy_uws,
            )


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def _time_ms(message: _Message, packet: _Message) -> float | None:
    own = message.number("timestamp_ms")
    if own is not None:
        return float(own)
    clock = packet.number("timestamp_clock_id")
    timestamp_ns = packet.number("timestamp")
    known = "timestamp_clock_id" not in packet.values or clock == _BOOTTIME
    return timestamp_ns / 1e6 if known and timestamp_ns is not None else None


def _energies(data: Buffer, rejects: Rejects, notes: list[str]) -> Iterator[TracedEnergy]:
    reader = _Reader()
    for line in read_lines(data, rejects):
        position = 0
        while position < len(line.text):
            item = _ITEM.match(line.text, position)
            if item is None or item.end() == position:
                if line.text[position:].strip():
                    rejects.add(line, "no text of a trace")
                break
            position = item.end()
            packet = reader.take(line, item)
            if packet is not None:
                yield from reader.energies(packet, rejects)
    if reader.stack:
        rejects.add(reader.stack[0].line, "a packet that does not end")
    if reader.others:
        notes.append(f"{reader.others} packets of other kinds were left out")


def _looks_like(head: bytes, _name: str) -> bool:
    first = first_lines(head, 1)
    return bool(
        first and first[0].startswith("packet {") and any(holds(head, f"{name} {{") for name in (_RAILS, _BREAKDOWN))
    )


def _read(data: Buffer, _settings: DumpSettings) -> Dump:
    if not any(holds(data, name) for name in (_RAILS, _BREAKDOWN)):
        raise DumpError("There are no power rails in it. Write the trace as text: traceconv text TRACE FILE.")
    rejects = Rejects(data)
    notes = ["energy: µWs since boot, as Perfetto documents"]
    return Dump(records=_energies(data, rejects, notes), rejects=rejects, notes=notes)


KIND = Kind(
    name="perfetto-power-rails",
    meaning="Perfetto: a trace written as text, the energies in it",
    looks_like=_looks_like,
    read=_read,
)
