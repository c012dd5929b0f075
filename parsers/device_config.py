"""Device configs: what a tier or a phone is, how it is measured, and how its modelled rows are scaled.

One TOML file per tier and per known phone. A name is looked up in ``./device_configs`` first, then in the copy installed
beside the packages, so no command needs the checkout as its current folder. A key that is not understood is an error:
a misspelt limit must not silently be no limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from parsers.errors import DeviceConfigError
from parsers.schema import Context
from parsers.toml_table import TomlTable, read_toml

FOLDER = "device_configs"
SOC_TABLE = "socs"
"""The table of SoCs by which a phone's config is filled in."""
PHONE_TABLE = "published_phones"
"""The phones that other people published measurements of."""
NO_CONFIGS = frozenset({SOC_TABLE, PHONE_TABLE})
"""The files of the folder that are no configs."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_UNKNOWN_ON_A_PHONE = {"cores": None, "memory_gb": None, "clock_freq_ghz": None}
"""What a tier must say and a phone may not have told: ``profile detect`` leaves out what it could not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementPolicy:
    """How ``profile collect`` measures each job."""

    policy: Literal["strict", "quick"]
    """``strict`` measures again what was throttled or contended; ``quick`` only says so."""
    processes: int
    """Child processes per job, spread over the campaign."""
    warmup: int
    """Iterations before the first that counts."""
    checkpoints: tuple[int, ...]
    """Iterations after which the error is looked at, rising."""
    target_relative_error: float
    """A job stops at the first checkpoint whose standard error over the mean is below it."""
    budget_ms: float
    """Time of one process's measured iterations after which it stops at the next checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineScale:
    """The two scale factors of a tier's modelled rows, and where they come from."""

    efficiency: float
    """Factor on the families' shares of the peak."""
    overhead_ms: float
    """What every operator costs beside its work."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """One tier or phone."""

    name: str
    title: str
    kind: Literal["tier", "phone"]
    soc: str | None = None
    context: Context
    provider: str
    threads: int
    latency_limit_ms: float | None = None
    """The longest that a searched network may take; a phone's config may leave it to the search."""
    measurement: MeasurementPolicy
    roofline: RooflineScale | None = None
    """Absent where no rows are modelled."""
    source: str
    """Where the hardware figures come from, and which are assumptions."""


def load_device_config(name_or_path: str) -> DeviceConfig:
    """Read a config by name (``flagship``) or by path (anything that ends in ``.toml``).

    Raises:
        DeviceConfigError: no such config (the message names those there are), no TOML, or a key or value that is not
            understood (the message names the key and the file).
    """
    if name_or_path.endswith(".toml"):
        return _read(Path(name_or_path))
    if _NAME.fullmatch(name_or_path) and name_or_path not in NO_CONFIGS:
        path = find_in_folder(name_or_path)
        if path is not None:
            return _read(path)
    known = ", ".join(available_device_configs()) or "none"
    message = f"No tier or phone {name_or_path!r} in {FOLDER}. Known: {known}. A path to a .toml file works too."
    raise DeviceConfigError(message)


def available_device_configs() -> tuple[str, ...]:
    """Name the configs that :func:`load_device_config` finds, in order."""
    return tuple(sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")} - NO_CONFIGS))


def find_in_folder(name: str) -> Path | None:
    """Find ``<name>.toml`` in ``./device_configs``, then in the copy installed beside the packages."""
    return next((path for folder in _folders() if (path := folder / f"{name}.toml").is_file()), None)


def _folders() -> tuple[Path, Path]:
    return Path(FOLDER), Path(__file__).resolve().parent.parent / FOLDER


def _read(path: Path) -> DeviceConfig:
    values = read_toml(path)
    table = TomlTable(path=path, prefix="")
    if "name" in values:
        table.fail("name", "is not understood: a config's name is its file's")
    unknown = _UNKNOWN_ON_A_PHONE if values.get("kind") == "phone" else {}
    context = {**unknown, **_section(values, "context", table), **_task(_section(values, "task", table), table)}
    rest = {key: value for key, value in values.items() if key != "task"}
    config: DeviceConfig = table.build(DeviceConfig, {**rest, "name": path.stem, "context": context})
    if config.kind == "tier" and config.latency_limit_ms is None:
        table.fail("latency_limit_ms", "is missing")
    return config


def _section(values: Mapping[str, Any], key: str, table: TomlTable) -> Mapping[str, Any]:
    section: Any = values.get(key)
    if not isinstance(section, dict):
        table.fail(key, f"is missing: add a [{key}] table")
    return section


def _task(section: Mapping[str, Any], table: TomlTable) -> Mapping[str, int]:
    """Turn ``[task]`` text, multi_entity and roi into the context's task attributes."""
    wanted = ("text", "multi_entity", "roi")
    if unknown := sorted(set(section) - set(wanted)):
        table.fail(f"task.{unknown[0]}", f"is not understood. Known: {', '.join(wanted)}")
    for key in wanted:
        if not isinstance(section.get(key), bool):
            table.fail(f"task.{key}", "must be true or false")
    return {f"task_{key}": int(section[key]) for key in wanted}
