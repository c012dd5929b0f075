"""TOML tables as frozen records: every key is known and of the right type, or the complaint names key and file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from parsers.errors import DeviceConfigError


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises DeviceConfigError where it is absent or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise DeviceConfigError(f"Cannot read the device config {path}: {exc.strerror or exc}.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise DeviceConfigError(f"{path} is no TOML: {exc}. Correct the file.") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlTable:
    """Builds frozen values from TOML tables; knows the file, so that every complaint names it."""

    path: Path
    prefix: str

    def fail(self, key: str, complaint: str) -> NoReturn:
        """Complain about a key of this table."""
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
            if value is None:
                return None
            wanted = next(kind for kind in get_args(wanted) if kind is not type(None))
        if hasattr(wanted, "__dataclass_fields__"):
            if not isinstance(value, dict):
                self.fail(name, "must be a table")
            return TomlTable(path=self.path, prefix=f"{self.prefix}{name}.").build(wanted, value)
        if get_origin(wanted) is Literal:
            if value not in get_args(wanted):
                self.fail(name, f"must be one of {', '.join(get_args(wanted))}, not {value!r}")
            return value
        if get_origin(wanted) is tuple:
            return self._list(name, get_args(wanted)[0], value)
        return self._scalar(name, wanted, value)

    def _list(self, name: str, wanted: type[Any], value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, list) else []
        if not items or not all(type(item) is wanted and (wanted is str or item > 0) for item in items):
            self.fail(name, f"must be a list of {'words' if wanted is str else 'positive whole numbers'}")
        return tuple(items)

    def _scalar(self, name: str, wanted: type[Any], value: Any) -> Any:
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            self.fail(name, f"must be of type {wanted.__name__}, not {value!r}")
        if wanted is not str and value < 0:
            self.fail(name, f"must not be negative, but is {value}")
        return value
