"""Operators' times as rows of ``stats.parquet``: imported, in their network, with the context of a device that the user names.

Rows are made when they are asked for, by reading the profile again: a table's row is many times a profile's line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from parsers.device_config import DeviceConfig
from parsers.dump import Buffer, Dump, DumpSettings
from parsers.dump_lines import Rejects, at_least_one
from parsers.profiles.operator_time import OperatorTime
from parsers.schema import (
    Context,
    DeviceKind,
    Execution,
    Measurement,
    Origin,
    Provenance,
    Scope,
    Value,
    sparse_row_values,
)

UNKNOWN_DEVICE = "unknown"
_PROCESSORS = {"xnnpack": "cpu", "htp": "dsp", "hexagon": "dsp"} | dict.fromkeys(
    ("cuda", "metal", "opencl", "opengl", "vulkan", "webgpu"), "gpu"
)
_TASK = ("task_text", "task_multi_entity", "task_roi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a profile says of the session whose operators it timed."""

    network: str = ""
    threads: int | None = None
    device: str = ""
    """As a heading of the file names it."""
    samples: int | None = None
    """Runs that each time stands on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedLayer:
    """A record that is a row, too."""

    time: OperatorTime
    type: str
    """As ONNX spells it, where that is certain; empty where the profile tells none."""
    session: Session
    scope: Scope = Scope.IN_NETWORK


@dataclass(slots=True)
class Findings:
    """What a reader finds beside the records that it yields."""

    rejects: Rejects
    keeps_layers: bool = False
    layers: list[TimedLayer] = field(default_factory=list)
    """Those with a time, where they are kept."""
    layer_count: int = 0
    notes: list[str] = field(default_factory=list)
    """Complete when the records are used up."""

    def add_layer(self, layer: TimedLayer) -> None:
        """Count a layer, and keep it where layers are kept."""
        if layer.time.time_ms is not None:
            self.layer_count += 1
            if self.keeps_layers:
                self.layers.append(layer)


Scan = Callable[[Buffer, Findings], Iterator[OperatorTime]]
"""Reads a profile: yields its records in order, and leaves layers and notes with the findings."""


def dump_of(scan: Scan, data: Buffer, settings: DumpSettings, kind: str, complaint: str) -> Dump:
    """Read a profile as it is used.

    Args:
        scan: the reader; run once for the records, and again for the rows where these are asked for.
        data: the profile.
        settings: the device whose context the rows carry, and the campaign's name.
        kind: the campaign's name where the settings give none.
        complaint: the error's text where there is no record.

    Raises:
        DumpError: there is no record.
    """
    findings = Findings(rejects=Rejects(data))
    return Dump(
        records=at_least_one(scan(data, findings), complaint),
        rejects=findings.rejects,
        notes=findings.notes,
        cells=Rows(scan, data, settings, kind),
    )


class Rows(Sequence[Mapping[str, Value]]):
    """A profile's layers as rows."""

    def __init__(self, scan: Scan, data: Buffer, settings: DumpSettings, kind: str) -> None:
        self._scan, self._data, self._settings, self._kind = scan, data, settings, kind
        self._found: list[TimedLayer] | None = None

    def __len__(self) -> int:
        return len(self._layers())

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Value]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Value]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Value] | Sequence[Mapping[str, Value]]:
        if isinstance(index, slice):
            return [_row(layer, self._settings, self._kind) for layer in self._layers()[index]]
        return _row(self._layers()[index], self._settings, self._kind)

    def _layers(self) -> list[TimedLayer]:
        if self._found is None:
            findings = Findings(rejects=Rejects(self._data), keeps_layers=True)
            for _ in self._scan(self._data, findings):
                pass
            self._found = findings.layers
            if len({layer.session.device for layer in self._found}) > 1:
                self._settings = replace(self._settings, device=None)  # one context cannot be that of all of them
        return self._found


def _row(layer: TimedLayer, settings: DumpSettings, kind: str) -> dict[str, Value]:
    time, session, config = layer.time, layer.session, settings.device
    own_ms = _one_run_ms(time)
    is_network = layer.scope is Scope.NETWORK
    values = sparse_row_values(
        {"type": layer.type or None, **(time.shape.cells() if time.shape is not None else {})},
        context=_context(config, time.provider),
        execution=Execution(scope=layer.scope, provider=time.provider, provider_used=time.provider),
        measurement=Measurement(
            execution_time_ms=own_ms,
            wall_ms=own_ms if is_network else None,
            network_wall_ms=own_ms if is_network else None,
            samples=session.samples,
        ),
        provenance=Provenance(
            origin=Origin.IMPORTED,
            device_kind=DeviceKind.PHONE if config is not None and config.kind == "phone" else DeviceKind.NONE,
            device=config.name if config is not None else session.device or UNKNOWN_DEVICE,
            soc=config.soc if config is not None else None,
            campaign=settings.name or kind,
            job=f"{time.section}/{time.order:04d}-{time.name}",
            networks=(session.network,) if session.network else (),
        ),
    )
    return values | _unknowns(time, session, config)


def _one_run_ms(time: OperatorTime) -> float | None:
    """Time of all calls in one run of the network."""
    if time.time_ms is None or time.calls is None:
        return time.time_ms
    return time.time_ms * time.calls


def _context(config: DeviceConfig | None, provider: str) -> Context:
    """Give the device's context; of another processor than the config is of, only what the device shares."""
    if config is None:
        return Context(cores=None, memory_gb=None, clock_freq_ghz=None)
    known = config.context
    if processor_of(config.provider) == processor_of(provider):
        return known
    return Context(
        cores=None,
        memory_gb=known.memory_gb,
        clock_freq_ghz=None,
        memory_bw_gbs=known.memory_bw_gbs,
        task_text=known.task_text,
        task_multi_entity=known.task_multi_entity,
        task_roi=known.task_roi,
    )


def _unknowns(time: OperatorTime, session: Session, config: DeviceConfig | None) -> dict[str, Value]:
    """Make null what nobody said, where the schema has a default."""
    is_cpu = processor_of(time.provider) == "cpu"
    unknowns: dict[str, Value] = {"threads": session.threads if is_cpu else None}
    if config is None:
        unknowns |= dict.fromkeys(_TASK)
    same = config is not None and processor_of(config.provider) == processor_of(time.provider)
    if not same and not is_cpu:
        unknowns["compute_units"] = None
    return unknowns


def processor_of(provider: str) -> str:
    """Name the processor of a provider: ``cpu`` of ``mnn-cpu`` and ``tflite-xnnpack``, ``gpu`` of ``tflite-gpu``."""
    name = provider.lower().rpartition("-")[2]
    return _PROCESSORS.get(name, name)


def stem_of(path: str) -> str:
    """Give a model's name from its path, on any system: ``mobilenet`` of ``/data/local/tmp/mobilenet.tflite``."""
    name = re.split(r"[/\\]", path.strip())[-1]
    return name.rpartition(".")[0] or name
