"""Tables of an external power monitor: Monsoon's samples, and the sums that android-runner makes of them.

``monsoon``
    The CSV files of PowerTool (``Time (s),Main Avg Current (mA),Main Avg Voltage (V)``) and of PyMonsoon
    (``Time(ms),Main(mA),Main Voltage(V),``), columns found by name, by the rule of :mod:`parsers.monsoon`: PyMonsoon heads its
    seconds ``ms``, and what would be faster than a Monsoon can sample is taken for seconds.
``android-runner-energy``
    ``Aggregated_Results`` of S2-group/android-runner with the Monsoon profiler: ``energy_joules,duration_ms,error_flag`` a run,
    behind columns that say which device and subject.

A monitor stands in the battery's place, so its current is what the phone draws, in the unit that the header names.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, cells_of, first_lines, read_lines
from parsers.dump_numbers import decimal
from parsers.errors import DumpError
from parsers.monsoon import CURRENT, FASTEST_S, TIME, VOLTAGE

_LOOKED_AT = 1000
"""Samples whose times tell their unit."""
_NUMPY = re.compile(r"np\.float64\(([^()]{0,40})\)")
"""How NumPy 2 prints itself into PyMonsoon's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSample:
    """One sample of a monitor's main channel."""

    offset: int
    time_s: float
    """As the file counts it."""
    current_ma: float
    voltage_v: float
    power_mw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where a table's columns stand, and what turns its times into seconds."""

    time: int
    current: int
    voltage: int
    width: int
    second: float

    def sample(self, line: Line) -> MonitorSample | None:
        """Read a row; ``None`` where it is cut, or a cell is no number."""
        text = _NUMPY.sub(r"\1", line.text) if "np." in line.text else line.text
        cells = _cells(text)
        if len(cells) != self.width:
            return None
        time, current_ma, voltage_v = (decimal(cells[place]) for place in (self.time, self.current, self.voltage))
        if time is None or current_ma is None or voltage_v is None:
            return None
        return MonitorSample(
            offset=line.offset,
            time_s=time * self.second,
            current_ma=current_ma,
            voltage_v=voltage_v,
            power_mw=current_ma * voltage_v,
        )


def _cells(text: str) -> list[str]:
    """Split a row; a spreadsheet may have put its cells in quotes."""
    return cells_of(text) if '"' in text else text.split(",")


def _place(heads: Sequence[str], name: re.Pattern[str]) -> tuple[int, str] | None:
    """Find a column by name, and its unit."""
    for place, head in enumerate(heads):
        found = name.search(head)
        if found:
            return place, str(found.groups()[-1]).lower()
    return None


def _columns(header: str, rows: Sequence[Line], notes: list[str]) -> _Columns | None:
    heads = _cells(header)
    time, current, voltage = (_place(heads, name) for name in (TIME, CURRENT, VOLTAGE))
    if time is None or current is None or voltage is None:
        return None
    columns = _Columns(time=time[0], current=current[0], voltage=voltage[0], width=len(heads), second=1.0)
    seconds = 1.0
    if time[1] == "ms":
        times = [sample.time_s for sample in map(columns.sample, rows) if sample is not None]
        step = statistics.median(later - earlier for earlier, later in itertools.pairwise(times)) if times[1:] else 1.0
        seconds = 1.0 if step * 1e-3 < 0.99 * FASTEST_S else 1e-3
        if seconds == 1.0:
            notes.append(f"time in s: steps of {step:g} ms are faster than a Monsoon's {FASTEST_S * 1e3:g} ms")
    left_out = [
        head.strip()
        for place, head in enumerate(heads)
        if head.strip() and place not in {time[0], current[0], voltage[0]}
    ]
    if left_out:
        notes.append(f"columns left out: {', '.join(left_out)}")
    return _Columns(time=time[0], current=current[0], voltage=voltage[0], width=len(heads), second=seconds)


def _samples(data: Buffer, columns: _Columns, rejects: Rejects, notes: list[str]) -> Iterator[MonitorSample]:
    """Give the samples, and at the end their sums: a gap in time is bridged by the sample before it."""
    count, energy_mj, steps_back = 0, 0.0, 0
    first_s = last_s = last_mw = 0.0
    for line in itertools.islice(read_lines(data, rejects), 1, None):
        if not line.text.strip():
            continue
        sample = columns.sample(line)
        if sample is None:
            rejects.add(line, "a row that is cut or holds no number")
            continue
        if not count:
            first_s = sample.time_s
        elif sample.time_s < last_s:
            steps_back += 1
        else:
            energy_mj += (sample.power_mw + last_mw) / 2 * (sample.time_s - last_s)
        count, last_s, last_mw = count + 1, sample.time_s, sample.power_mw
        yield sample
    duration_s = last_s - first_s
    if steps_back:
        notes.append(f"time steps back {steps_back} times, so that there is no sum")
    elif duration_s > 0:
        mean_mw = energy_mj / duration_s
        notes.append(f"{count} samples in {duration_s:.6g} s: {energy_mj / 1000:.6g} J, {mean_mw:.6g} mW in the mean")


def _looks_like_monsoon(head: bytes, _name: str) -> bool:
    header = "".join(first_lines(head, 1))
    return all(name.search(header) for name in (TIME, CURRENT, VOLTAGE))


def _read_monsoon(data: Buffer, _settings: DumpSettings) -> Dump:
    rows = list(itertools.islice(read_lines(data, Rejects(data)), _LOOKED_AT))
    notes = ["current and voltage: as the header names their units; a monitor's current is drawn"]
    columns = _columns(rows[0].text, rows[1:], notes) if rows else None
    if columns is None:
        raise DumpError(
            "Its first line names no time, main current (mA) and main voltage (V). Export the main channel."
        )
    rejects = Rejects(data)
    return Dump(records=_samples(data, columns, rejects, notes), rejects=rejects, notes=notes)


_ENERGY, _DURATION, _ERROR = "energy_joules", "duration_ms", "error_flag"
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnergy:
    """The whole phone's energy over one run, idle power included."""

    offset: int
    device: str | None
    subject: str | None
    """What was run."""
    energy_mj: float
    duration_ms: float
    mean_power_mw: float | None
    error: bool | None
    """The monitor reported an error in the run."""
    labels: tuple[tuple[str, str], ...]
    """Further columns, as they stand."""


def _runs(data: Buffer, heads: Sequence[str], rejects: Rejects) -> Iterator[RunEnergy]:
    for line in itertools.islice(read_lines(data, rejects), 1, None):
        if not line.text.strip():
            continue
        run = _run(line, heads)
        if run is None:
            rejects.add(line, "a row that is cut or holds no number")
        else:
            yield run


def _run(line: Line, heads: Sequence[str]) -> RunEnergy | None:
    cells = cells_of(line.text)
    if len(cells) != len(heads):
        return None
    values = dict(zip(heads, cells, strict=True))
    energy_j, duration_ms = decimal(values.pop(_ENERGY)), decimal(values.pop(_DURATION))
    flag = values.pop(_ERROR, "").strip().lower()
    if energy_j is None or duration_ms is None or (flag and flag not in _FLAGS):
        return None
    return RunEnergy(
        offset=line.offset,
        device=values.pop("device", None),
        subject=values.pop("subject", None),
        energy_mj=energy_j * 1000,
        duration_ms=duration_ms,
        mean_power_mw=energy_j * 1e6 / duration_ms if duration_ms > 0 else None,
        error=_FLAGS.get(flag),
        labels=tuple(values.items()),
    )


def _heads(data: Buffer) -> list[str]:
    header = next(read_lines(data, Rejects(data)), None)
    return [] if header is None else [head.strip() for head in cells_of(header.text)]


def _looks_like_runs(head: bytes, _name: str) -> bool:
    return {_ENERGY, _DURATION} <= set(_heads(head))


def _read_runs(data: Buffer, _settings: DumpSettings) -> Dump:
    heads = _heads(data)
    if not {_ENERGY, _DURATION} <= set(heads) or len(set(heads)) < len(heads):
        raise DumpError(f"Its first line has no columns {_ENERGY} and {_DURATION}, or one of them twice.")
    rejects = Rejects(data)
    notes = ["energy: J of the whole phone over the run, as the header says; idle power is in it"]
    return Dump(records=_runs(data, heads, rejects), rejects=rejects, notes=notes)


KINDS = (
    Kind(
        name="monsoon",
        meaning="Monsoon power monitor: samples, from PowerTool or PyMonsoon",
        looks_like=_looks_like_monsoon,
        read=_read_monsoon,
    ),
    Kind(
        name="android-runner-energy",
        meaning="S2-group/android-runner: energy of each run",
        looks_like=_looks_like_runs,
        read=_read_runs,
    ),
)
