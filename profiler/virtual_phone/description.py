"""What a virtual phone is: one TOML file per phone, in ``phones/`` or the user's own.

The three that ship are the three tiers of ``device_configs``; a test holds them equal.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from profiler.errors import VirtualPhoneError
from profiler.virtual_phone.gauge import GaugeParameters

PHONES = Path(__file__).parent / "phones"

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Cores that are alike and share a clock."""

    first_cpu: int
    cores: int
    part: str
    """MIDR part, as ``0xd05``; the implementer is Arm (0x41)."""
    variant: int
    revision: int
    frequencies_khz: tuple[int, ...]
    """Rising; the last is the clock that the cluster runs at when nothing holds it back."""
    level_1_kb: int
    level_2_kb: int

    @property
    def cpus(self) -> range:
        """The cluster's CPU numbers."""
        return range(self.first_cpu, self.first_cpu + self.cores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What the phone says of its GPU; nothing can be run on it."""

    vendor: str
    renderer: str
    version: str
    sysfs_file: str = ""
    """Path of the driver's node that holds the model's name; empty where the driver has none."""
    sysfs_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What the phone takes from its battery."""

    idle_ma: float
    """Awake, screen on, nothing to do."""
    wander_ma: float
    """Standard deviation of the idle draw's slow wandering."""
    core_ma: tuple[float, ...]
    """One busy core of each cluster, at its highest clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneDescription:
    """One virtual phone."""

    name: str
    sdk: int
    """Android's API level: it decides which services there are."""
    clusters: tuple[Cluster, ...]
    features: str
    """The ``Features`` line of ``/proc/cpuinfo``."""
    memory_kb: int
    """As its kernel counts it: somewhat less than what is built in."""
    last_level_cache_kb: int
    """Shared by all cores; equal to a cluster's level 2 where there is no level 3."""
    gpu: Gpu
    battery: GaugeParameters
    draw: Draw
    odpm_rails: tuple[str, ...] = ()
    """Rails of the on-device power monitor, as ``NAME:SUBSYSTEM``; empty where the phone has none."""
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def cpus(self) -> int:
        """Number of CPUs."""
        return sum(cluster.cores for cluster in self.clusters)


def load_description(tier_or_path: str) -> PhoneDescription:
    """Read a phone by name (``low``) or by path (anything that ends in ``.toml``).

    Raises:
        VirtualPhoneError: no such phone, no TOML, or a key that is missing or not understood.
    """
    path = Path(tier_or_path) if tier_or_path.endswith(".toml") else PHONES / f"{tier_or_path}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        known = ", ".join(sorted(phone.stem for phone in PHONES.glob("*.toml")))
        message = (
            f"No virtual phone {tier_or_path!r}: {exc.strerror}. Known: {known}. A path to a .toml file works too."
        )
        raise VirtualPhoneError(message) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise VirtualPhoneError(f"{path} is no TOML: {exc}. Correct the file.") from exc
    parts = {
        "clusters": tuple(_record(Cluster, table, path) for table in values.get("clusters", ())),
        "gpu": _record(Gpu, values.get("gpu", {}), path),
        "battery": _record(GaugeParameters, values.get("battery", {}), path),
        "draw": _record(Draw, values.get("draw", {}), path),
    }
    description = _record(PhoneDescription, {**values, **parts, "name": path.stem}, path)
    if [cpu for cluster in description.clusters for cpu in cluster.cpus] != list(range(description.cpus)):
        raise VirtualPhoneError(f"The clusters in {path} must hold CPUs 0, 1, ... without a gap, in order.")
    if len(description.draw.core_ma) != len(description.clusters):
        raise VirtualPhoneError(f"draw.core_ma in {path} must hold one figure for each of the clusters.")
    return description


def _record(kind: type[_Record], table: Mapping[str, Any], path: Path) -> _Record:
    """Make a record of a table whose keys are the record's fields."""
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]  # every kind here is a dataclass
    needed = {name for name, item in known.items() if item.default is MISSING and item.default_factory is MISSING}
    for keys, complaint in ((set(table) - set(known), "is not understood"), (needed - set(table), "is missing")):
        if keys:
            raise VirtualPhoneError(f"Key {min(keys)!r} of {kind.__name__} in {path} {complaint}.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
