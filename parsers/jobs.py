"""What a campaign's folder says about itself: the device it was measured on, and each job's specification.

``profiler`` writes these files before it measures; ``parsers.evidence`` reads them back. They are plain JSON, so that a
campaign can be parsed on another machine, years later, without the program that collected it.

::

    runs/<campaign>/campaign.json            settings, so that the same command finds its own work again
    runs/<campaign>/<device>/device.json     DeviceRecord
    runs/<campaign>/<device>/<job>/job.json  JobSpec
    runs/<campaign>/<device>/<job>/run-<n>/  runner.log and profile.json, one folder per process; logcat.txt where Android's
                                             log has lines of it; verdict.json where something was found out against it
                                             later
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from parsers.errors import StatsError
from parsers.schema import (
    Context,
    DeviceKind,
    Layer,
    Scope,
    Status,
    context_from_values,
    layer_from_values,
    layer_to_json,
)

DEVICE_FILE = "device.json"
JOB_FILE = "job.json"
RUN_PREFIX = "run-"
FIRST_POWER_RUN = 1000
"""Runs from this number on measure power: the cache is another one in them, so their times do not count."""
RUN_LOG = "runner.log"
RUN_LOGCAT = "logcat.txt"
"""The lines of Android's log that are the run's; beside the runs of a batch, all that are the runner's."""
RUN_PROFILE = "profile.json"
RUN_VERDICT = "verdict.json"
"""Written by the program that collects, where it learns afterwards that a run cannot be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """A device as the campaign found it. ``context`` describes all of it; a job says which cores it could use."""

    device: str
    kind: DeviceKind
    soc: str | None
    os_build: str | None
    runtime_version: str
    runner_sha256: str
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLayer:
    """A layer of a job, and the graph nodes and tensors by which a runtime's profile names its work."""

    name: str
    layer: Layer
    nodes: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One model on one device, with one provider and thread count: one layer alone, or all layers of a network."""

    job: str
    scope: Scope
    networks: tuple[str, ...]
    layers: tuple[JobLayer, ...]
    provider: str
    threads: int
    cpus: tuple[int, ...]
    spinning: bool
    processes: int
    evict_kb: int
    model_sha256: str
    context: Context | None = None
    """What its cluster of cores is, where that is not what the device's record says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is held against a run that by itself went well."""

    status: Status
    reason: str


def write_verdict(folder: Path, *, status: Status, reason: str) -> None:
    """Say beside a run's evidence that it does not count, and why."""
    part = folder / f"{RUN_VERDICT}.part"
    part.write_text(json.dumps({"status": status.value, "reason": reason}) + "\n", encoding="utf-8")
    part.replace(folder / RUN_VERDICT)


def read_verdict(folder: Path) -> Verdict | None:
    """Read what is held against a run; ``None`` where nothing is, StatsError where the file is wrong."""
    if not (folder / RUN_VERDICT).is_file():
        return None
    document = _read_object(folder / RUN_VERDICT)
    try:
        return Verdict(status=Status(document["status"]), reason=str(document["reason"]))
    except (KeyError, ValueError) as error:
        raise StatsError(
            f"{folder / RUN_VERDICT}: not a verdict ({error}). Remove the run and collect again."
        ) from error


def device_to_json(record: DeviceRecord) -> str:
    """Write a device record as a JSON document."""
    document = {item.name: getattr(record, item.name) for item in fields(record)}
    document["context"] = _context_to_values(record.context)
    return json.dumps(document, indent=1) + "\n"


def read_device(folder: Path) -> DeviceRecord:
    """Read ``device.json`` of a device's folder; raises StatsError where it is absent or wrong."""
    document = _read_object(folder / DEVICE_FILE)
    try:
        values = {**document, "kind": DeviceKind(document["kind"]), "context": context_from_values(document["context"])}
        return DeviceRecord(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise StatsError(
            f"{folder / DEVICE_FILE}: not a device record ({error}). Collect the campaign again."
        ) from error


def job_to_json(spec: JobSpec) -> str:
    """Write a job's specification as a JSON document."""
    document = {item.name: getattr(spec, item.name) for item in fields(spec)}
    document["layers"] = [
        {"name": part.name, "layer": layer_to_json(part.layer), "nodes": part.nodes, "tensors": part.tensors}
        for part in spec.layers
    ]
    if spec.context is None:
        del document["context"]
    else:
        document["context"] = _context_to_values(spec.context)
    return json.dumps(document, indent=1) + "\n"


def read_job(folder: Path) -> JobSpec:
    """Read ``job.json`` of a job's folder; raises StatsError where it is absent or wrong."""
    document = _read_object(folder / JOB_FILE)
    try:
        layers = tuple(_job_layer(part) for part in document["layers"])
        values = {
            **document,
            "scope": Scope(document["scope"]),
            "networks": tuple(document["networks"]),
            "cpus": tuple(document["cpus"]),
            "layers": layers,
            "context": context_from_values(document["context"]) if "context" in document else None,
        }
        return JobSpec(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise StatsError(f"{folder / JOB_FILE}: not a job specification ({error}). Collect the job again.") from error


def _context_to_values(context: Context) -> dict[str, Any]:
    return {item.name: getattr(context, item.name) for item in fields(context)}


def _job_layer(part: Mapping[str, Any]) -> JobLayer:
    return JobLayer(
        name=part["name"],
        layer=layer_from_values(part["layer"]),
        nodes=tuple(part["nodes"]),
        tensors=tuple(part["tensors"]),
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StatsError(f"{path}: cannot be read ({error.strerror}). Is this a campaign's folder?") from error
    except ValueError as error:
        raise StatsError(f"{path}: not JSON ({error}). Collect it again.") from error
    if not isinstance(document, dict):
        raise StatsError(f"{path}: a JSON object is expected, found {type(document).__name__}.")
    return document
