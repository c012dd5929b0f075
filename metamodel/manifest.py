"""What a model folder says about itself, as values and as JSON.

Everything that a prediction rests on beside the trees is here: features and vocabularies, offsets and units, the set B,
the network corrections; and everything that tells what the model stands on: rows by origin, scores, parent tables.
Reading is strict: an unknown or missing key, or a value of another type, is an error that names its place.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from metamodel.adaptation import PhoneAdaptation
from metamodel.correction import Correction
from metamodel.errors import ModelError
from metamodel.evaluate import Evaluation
from metamodel.feasibility import FeasibilityRecord
from metamodel.features import FeatureSpace
from metamodel.model import ResponseRecord, SettingRecord
from metamodel.outside import OutsideCheck
from metamodel.rows import Infeasible, Reject, RowCount

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What the model was fitted with."""

    autocomet: str
    numpy: str
    pandas: str
    scikit_learn: str
    xgboost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentTable:
    """A table that the model was fitted to."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A fitted model without its trees."""

    schema_version: int
    versions: Versions
    seed: int
    space: FeatureSpace
    feature_names: tuple[str, ...]
    responses: tuple[ResponseRecord, ...]
    missing: tuple[str, ...]
    """Responses that the tables do not hold, each with the reason."""
    rows: tuple[RowCount, ...]
    """What the bags were fitted to."""
    network_rows: tuple[RowCount, ...]
    """What the step from layers to networks was fitted to."""
    rejects: tuple[Reject, ...]
    infeasible: tuple[Infeasible, ...]
    """Known members of the set B."""
    feasibility: FeasibilityRecord
    """How likely ones are told."""
    outside: OutsideCheck | None
    """What was seen; None where an earlier release did not say."""
    corrections: tuple[Correction, ...]
    settings: tuple[SettingRecord, ...]
    memory_base_mb: float | None
    """Over all settings, for one that was never seen; None where no row holds memory."""
    evaluations: tuple[Evaluation, ...]
    tables: tuple[ParentTable, ...]
    parent: str | None
    """SHA-256 of the manifest of the model that this one was made from; None for one that was fitted."""
    adaptations: tuple[PhoneAdaptation, ...]
    """Phones that were learned from a few layers each, since the bags were fitted."""

    @property
    def network_factor(self) -> float | None:
        """The widest conformal factor of a network's latency that held-out networks asked for; None where they were too few."""
        return max((one.network_factor for one in self.evaluations if one.network_factor is not None), default=None)


def to_json(value: Any) -> Any:
    """Turn a value of frozen dataclasses into what JSON can hold."""
    if dataclasses.is_dataclass(value):
        return {item.name: to_json(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def from_json(kind: type[Value], value: Any, *, where: str) -> Value:
    """Read a value of a type back; the inverse of :func:`to_json`.

    Args:
        kind: a frozen dataclass, an enumeration, a tuple of one type, a scalar, or one of these or None.
        value: what JSON held.
        where: its place, for messages.

    Raises:
        ModelError: a key is unknown or missing, or a value has another type.
    """
    return cast("Value", _read(kind, value, where))


def _read(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (kind,) = (part for part in get_args(kind) if part is not types.NoneType)
    if dataclasses.is_dataclass(kind):
        return _read_record(kind, value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ModelError(f"{where} must be a list, not {value!r}.")
        return tuple(_read(get_args(kind)[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if issubclass(kind, Enum):
        if value not in [member.value for member in kind]:
            raise ModelError(
                f"{where} must be one of {', '.join(str(member.value) for member in kind)}, not {value!r}."
            )
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ModelError(f"{where} must be of type {kind.__name__}, not {value!r}.")
    return value


def _read_record(kind: Any, value: Any, where: str) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict) or set(value) != set(hints):
        found = ", ".join(sorted(value)) if isinstance(value, dict) else repr(value)
        raise ModelError(f"{where} must hold {', '.join(sorted(hints))}, not {found}.")
    return kind(**{name: _read(hints[name], item, f"{where}.{name}") for name, item in value.items()})


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """Resolve a record's annotations, which takes longer than reading it."""
    return get_type_hints(kind)
