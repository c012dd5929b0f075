"""Device configs: what a tier or a phone is, how it is measured, and how its modelled rows are scaled.

One TOML file per tier and per known phone. A name is looked up in ``./device_configs`` first, then in the copy installed
beside the packages, so no command needs the checkout as its current folder. A key that is not understood is an error:
a misspelt limit must not silently be no limit.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from parsers.errors import DeviceConfigError
from parsers.schema import Context

FOLDER = "device_configs"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


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
    latency_limit_ms: float
    """The longest that a searched network may take."""
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
    if _NAME.fullmatch(name_or_path):
        for folder in _folders():
            if (path := folder / f"{name_or_path}.toml").is_file():
                return _read(path)
    known = ", ".join(available_device_configs()) or "none"
    message = f"No tier or phone {name_or_path!r} in {FOLDER}. Known: {known}. A path to a .toml file works too."
    raise DeviceConfigError(message)


def available_device_configs() -> tuple[str, ...]:
    """Name the configs that :func:`load_device_config` finds, in order."""
    return tuple(sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")}))


def _folders() -> tuple[Path, Path]:
    return Path(FOLDER), Path(__file__).resolve().parent.parent / FOLDER


def _read(path: Path) -> DeviceConfig:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise DeviceConfigError(f"Cannot read the device config {path}: {exc.strerror or exc}.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise DeviceConfigError(f"{path} is no TOML: {exc}. Correct the file.") from exc
    table = _Table(path=path, prefix="")
    if "name" in values:
        table.fail("name", "is not understood: a config's name is its file's")
    context = {**_section(values, "context", table), **_task(_section(values, "task", table), table)}
    rest = {key: value for key, value in values.items() if key != "task"}
    config: DeviceConfig = table.build(DeviceConfig, {**rest, "name": path.stem, "context": context})
    return config


def _section(values: Mapping[str, Any], key: str, table: _Table) -> Mapping[str, Any]:
    section: Any = values.get(key)
    if not isinstance(section, dict):
        table.fail(key, f"is missing: add a [{key}] table")
    return section


def _task(section: Mapping[str, Any], table: _Table) -> Mapping[str, int]:
    """Turn ``[task]`` text, multi_entity and roi into the context's task attributes."""
    wanted = ("text", "multi_entity", "roi")
    if unknown := sorted(set(section) - set(wanted)):
        table.fail(f"task.{unknown[0]}", f"is not understood. Known: {', '.join(wanted)}")
    for key in wanted:
        if not isinstance(section.get(key), bool):
            table.fail(f"task.{key}", "must be true or false")
    return {f"task_{key}": int(section[key]) for key in wanted}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Builds frozen values from TOML tables; knows the file, so that every complaint names it."""

    path: Path
    prefix: str

    def fail(self, key: str, complaint: str) -> NoReturn:
        raise DeviceConfigError(f"{self.prefix}{key} in {self.path} {complaint}.")

    def build(self, record: type[Any], values: Mapping[str, Any]) -> Any:
        """Make a record whose fields are the table's keys, checking names and types."""
        known = {item.name: item for item in fields(record)}
        if unknown := sorted(set(values) - set(known)):
            self.fail(unknown[0], f"is not understood. Known: {', '.join(sorted(set(known) - {'name'}))}")
        for name, item in known.items():
            if name not in values and item.default is MISSING:
                self.fail(name, "is missing")
        hints = get_type_hints(record)
        return record(**{name: self._value(name, hints[name], value) for name, value in values.items()})

    def _value(self, name: str, wanted: Any, value: Any) -> Any:
        if isinstance(wanted, UnionType):
            wanted = next(kind for kind in get_args(wanted) if kind is not type(None))
        if hasattr(wanted, "__dataclass_fields__"):
            if not isinstance(value, dict):
                self.fail(name, "must be a table")
            return _Table(path=self.path, prefix=f"{self.prefix}{name}.").build(wanted, value)
        if get_origin(wanted) is Literal:
            if value not in get_args(wanted):
                self.fail(name, f"must be one of {', '.join(get_args(wanted))}, not {value!r}")
            return value
        if get_origin(wanted) is tuple:
            if not isinstance(value, list) or not value or not all(type(item) is int and item > 0 for item in value):
                self.fail(name, "must be a list of positive whole numbers")
            return tuple(value)
        return self._scalar(name, wanted, value)

    def _scalar(self, name: str, wanted: type[Any], value: Any) -> Any:
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            self.fail(name, f"must be of type {wanted.__name__}, not {value!r}")
        if wanted is not str and value < 0:
            self.fail(name, f"must not be negative, but is {value}")
        return value
