"""ncnn's times: of layers, which a build with NCNN_BENCHMARK prints, and of networks, which ``benchncnn`` prints.

As ``src/benchmark.cpp`` and ``benchmark/benchncnn.cpp`` of ncnn print them. A layer's line holds its type, name, time,
and where it has one input and output their shapes, width first, with the number of elements that are
packed together in the last side::

    Convolution              conv1                              3.21ms    | [224, 224,   3 *1] -> [112, 112,   8 *4]       kernel: 3 x 3     stride: 2 x 2

Older releases print ``feature_map: 224 x 224    inch: 3    outch: 32``, which does not tell the packing, so that these
channels are not believed. Padding, dilation and groups are never told.

Layers are printed at every run, warm-up included, so their rows hold the median over the runs: over the last
``loop_count`` where benchncnn says that number, else over all.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, read_lines
from parsers.operators import NETWORK
from parsers.profiles.operator_time import LayerShape, OperatorTime, figure_of
from parsers.profiles.rows import Findings, Session, TimedLayer, dump_of
from parsers.profiles.table_lines import Misfit, NetworkTimes, Outside, UniqueNames, network_times, table_lines
from parsers.profiles.types import NCNN
from parsers.schema import Scope, Shape

_NAME = "ncnn-profile"
_BAR = "ms    |"
_OPTION = re.compile(r"(loop_count|num_threads|gpu_device|powersave|cooling_down) = (-?[0-9]{1,9})")
_MAT = re.compile(r"\[ {0,12}([0-9]{1,9}(?:, {0,12}[0-9]{1,9}){0,2}) \*([0-9]{1,3})\]")
_OLD_MAP = re.compile(
    r"feature_map: {1,8}([0-9]{1,9}) x ([0-9]{1,9}) {1,16}inch: {1,8}[0-9]{1,9} {1,16}outch: {1,8}[0-9]{1,9}"
)
_WINDOW = re.compile(
    r"kernel: ([0-9]{1,6}) x ([0-9]{1,6})\s{1,32}stride: ([0-9]{1,6}) x ([0-9]{1,6})$"
)  # width before height
_DENSE = frozenset({"Convolution", "Deconvolution"})
"""Grouped ones are layers of another type in ncnn."""
_INPUT = "Input"


@dataclass(frozen=True, slots=True, kw_only=True)
class _LayerTime:
    """A layer's line; one run has a layer once."""

    type: str
    name: str
    time_ms: float
    shape: LayerShape | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option(Outside):
    name: str
    value: int


_Line = _LayerTime | NetworkTimes | _Option


@dataclass(slots=True)
class _Reader:
    """Collects runs until the line that names their network."""

    findings: Findings
    times: list[OperatorTime] = field(default_factory=list)
    """Read, and not yet handed on."""
    runs: list[list[_LayerTime]] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    options: dict[str, int] = field(default_factory=dict)
    names: UniqueNames = field(default_factory=UniqueNames)
    networks: int = 0
    has_warm_up: bool = False
    """Whether there are runs of which nobody says which are warm-up."""
    is_uneven: bool = False
    """Whether runs of one network list different layers."""
    has_depthwise: bool = False

    def take(self, line: _Line) -> None:
        """Take what a line says."""
        match line:
            case _Option():
                if line.name == "loop_count":
                    self.flush("")
                    self.options = {}
                self.options[line.name] = line.value
            case NetworkTimes():
                self.flush(line.network)
                self._add_network(line)
            case _LayerTime():
                self._add_layer(line)

    def _add_layer(self, layer: _LayerTime) -> None:
        key = layer.type, layer.name
        if not self.runs or key in self.seen:
            self.runs.append([])
            self.seen = set()
        self.seen.add(key)
        self.runs[-1].append(layer)

    def _add_network(self, network: NetworkTimes) -> None:
        time = OperatorTime(
            section="networks",
            order=self.networks,
            type=NETWORK,
            name=network.network,
            value=network.avg_ms,
            unit="ms",
            provider=self._provider(),
            min_ms=network.min_ms,
            max_ms=network.max_ms,
        )
        session = self._session(network.network, self.options.get("loop_count"))
        self.networks += 1
        self.times.append(time)
        self.findings.add_layer(TimedLayer(time=time, type=NETWORK, session=session, scope=Scope.NETWORK))

    def _provider(self) -> str:
        device = self.options.get("gpu_device")
        if device is None:
            return "ncnn"
        return "ncnn-cpu" if device < 0 else "ncnn-vulkan"

    def _session(self, network: str, samples: int | None) -> Session:
        return Session(network=network, threads=self.options.get("num_threads"), samples=samples)

    def flush(self, network: str) -> None:
        """Turn the runs up to here into records, and their layers into rows."""
        runs, self.runs, self.seen = self.runs, [], set()
        if not runs:
            return
        section, provider = self.names.give(network or "layers"), self._provider()
        for number, run in enumerate(runs, start=1):
            named = sys.intern(f"{section}, run {number}")
            self.times += [_record(layer, named, order, provider) for order, layer in enumerate(run)]
        loops = self.options.get("loop_count", 0)
        known = 0 < loops <= len(runs)
        self.has_warm_up |= len(runs) > 1 and not known
        self.is_uneven |= len({len(run) for run in runs}) > 1
        self.has_depthwise |= any(layer.type.endswith("DepthWise") for layer in runs[0])
        for order, same in enumerate(_by_layer(runs[-loops:] if known else runs)):
            if same[0].type != _INPUT:
                middle = replace(same[0], time_ms=statistics.median(layer.time_ms for layer in same))
                self.findings.add_layer(
                    TimedLayer(
                        time=_record(middle, section, order, provider),
                        type=NCNN.get(middle.type, middle.type),
                        session=self._session(network, len(same)),
                    )
                )


def _by_layer(runs: Sequence[Sequence[_LayerTime]]) -> Collection[list[_LayerTime]]:
    """Gather each layer's times, in the order of its first run."""
    of_layer: dict[tuple[str, str], list[_LayerTime]] = {}
    for run in runs:
        for layer in run:
            of_layer.setdefault((layer.type, layer.name), []).append(layer)
    return of_layer.values()


def _record(layer: _LayerTime, section: str, order: int, provider: str) -> OperatorTime:
    return OperatorTime(
        section=section,
        order=order,
        type=layer.type,
        name=layer.name,
        value=layer.time_ms,
        unit="ms",
        provider=provider,
        shape=layer.shape,
    )


def _layer_reader() -> Callable[[str], _Line | Misfit | None]:
    """Give a function that reads a line; layers of one shape share it, since a log repeats them at every run."""
    shapes: dict[tuple[str, str], LayerShape | None] = {}

    def read(text: str) -> _Line | Misfit | None:
        """Say what a line tells."""
        if option := _OPTION.fullmatch(text):
            return _Option(name=option[1], value=int(option[2]))
        before, bar, behind = text.partition(_BAR)
        if not bar:
            times = network_times(text)
            has_unit = isinstance(times, NetworkTimes) and times.has_unit
            return Misfit("a network's times with a unit, which ncnn does not print") if has_unit else times
        words = before.split()
        time_ms = figure_of(words[-1]) if len(words) > 1 else None
        if time_ms is None:
            return Misfit("a layer's line without type and time")
        type_ = sys.intern(words[0])
        if (type_, behind) not in shapes:
            shapes[type_, behind] = _shape_of(type_, behind)
        if behind.strip() and shapes[type_, behind] is None:
            return Misfit("a layer's line whose shapes cannot be read")
        name = sys.intern(" ".join(words[1:-1]))
        return _LayerTime(type=type_, name=name, time_ms=time_ms, shape=shapes[type_, behind])

    return read


def _shape_of(type_: str, text: str) -> LayerShape | None:
    """Read what stands behind the bar; ``None`` where nothing does, or nothing that is understood."""
    text = text.strip()
    window = _WINDOW.search(text)
    kernel = (int(window[2]), int(window[1])) if window else None
    stride = (int(window[4]), int(window[3])) if window else None
    groups = 1 if type_ in _DENSE else None
    rest = text[: window.start()] if window else text
    if old := _OLD_MAP.fullmatch(rest.strip()):
        size = int(old[2]), int(old[1])
        return LayerShape(input_shapes=(), output_shapes=(), size=size, kernel=kernel, stride=stride, groups=groups)
    before, arrow, behind = rest.partition("->")
    source, target = _unpacked(before.strip()), _unpacked(behind.strip())
    if not arrow or source is None or target is None:
        return None
    return LayerShape(
        input_shapes=(source,) if source else (),
        output_shapes=(target,) if target else (),
        is_image=len(source) == 4,
        is_dense=type_ == "InnerProduct" and len(source) == len(target) == 2,
        kernel=kernel,
        stride=stride,
        groups=groups,
    )


def _unpacked(text: str) -> Shape | None:
    """Give a shape outermost first, with the batch that ncnn has not; elements are packed in the outermost side.

    No shape where ncnn prints none, of four sides; ``None`` where it is none.
    """
    mat = _MAT.fullmatch(text)
    if mat is None:
        return None if text else ()
    numbers = [int(side) for side in mat[1].split(",")]
    numbers[-1] *= int(mat[2])
    return 1, *reversed(numbers)


def _looks_like(head: bytes, _name: str) -> bool:
    read = _layer_reader()
    found = [read(line.text.strip()) for line in read_lines(head, Rejects(head))]
    layers = sum(isinstance(line, _LayerTime) for line in found)
    options = {line.name for line in found if isinstance(line, _Option)}
    networks = sum(isinstance(line, NetworkTimes) for line in found)
    return layers > 1 or (networks > 0 and {"loop_count", "num_threads"} <= options)


def _scan(data: Buffer, findings: Findings) -> Iterator[OperatorTime]:
    reader = _Reader(findings=findings)
    lines: Iterator[_Line] = table_lines(read_lines(data, findings.rejects), _layer_reader(), findings.rejects)
    for line in lines:
        reader.take(line)
        yield from reader.times
        reader.times.clear()
    reader.flush("")
    yield from reader.times
    if reader.has_warm_up:
        findings.notes.append("The log does not say which runs are warm-up: a row holds the median over all runs.")
    if reader.is_uneven:
        findings.notes.append("Runs of a network list different layers: lines of them are lost, or stand there twice.")
    if reader.has_depthwise:
        findings.notes.append(
            "ncnn's ...DepthWise layers may be grouped, and groups are not told: they keep ncnn's name."
        )


def _read(data: Buffer, settings: DumpSettings) -> Dump:
    complaint = "This holds no times of ncnn: no layers of a build with NCNN_BENCHMARK, no table of benchncnn."
    return dump_of(_scan, data, settings, _NAME, complaint)


KIND = Kind(
    name=_NAME,
    meaning="ncnn: layers of an NCNN_BENCHMARK build, benchncnn's table",
    looks_like=_looks_like,
    read=_read,
)
