"""The signals that a search can be asked to limit, shape by or maximise: their names and units, and limits as written.

Accuracy is asked of a network itself. Costs are known beforehand: some from the predictor, two from the network alone,
and any that the user computes (``nas.limits.user_signal``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from nas.errors import SettingsError

ACCURACY = "accuracy"
THROUGHPUT = "throughput"
_THROUGHPUT_UNIT = "/s"

UNITS: Mapping[str, str] = MappingProxyType(
    {"latency": "ms", "energy": "mJ", "power": "mW", "memory": "MB", "macs": "", "weights": ""}
)
"""Costs and their units, in the order in which they are written down; macs and weights are numbers of them.

Energy is a network's, power that of the layer that draws most, memory what the runtime, all weights and the largest live
activations take.
"""
COUNTED = frozenset({"macs", "weights"})
"""Costs that a network has without a predictor: whole numbers."""

_LARGEST = 1e6
_LARGEST_NUMBER = 1e15
"""Limits from here on are none."""
_THOUSANDS: Mapping[str, float] = MappingProxyType({"k": 1e3, "M": 1e6, "G": 1e9})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that a network may cost."""

    target: str
    value: float
    """In the target's unit."""

    @property
    def unit(self) -> str:
        """The unit of :attr:`value`."""
        return UNITS.get(self.target, "")

    def __str__(self) -> str:
        """Write it as :func:`parse_limit` reads it."""
        return f"{self.target}={self.value!r}{self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSignal:
    """A cost that a search counted."""

    name: str
    unit: str
    limit: float | None
    """In the unit."""
    manual: float
    """What the backbone by hand costs."""


def parse_limit(text: str, own: Collection[str] = ()) -> Limit:
    """Read ``latency=25ms``, ``energy=3mJ``, ``macs=3M``, ``throughput=40/s`` (a unit may be left out).

    A throughput is at least so much, one inference after the other: a latency of at most its inverse.

    Args:
        text: what is written.
        own: names of the user's signals, which have no unit.

    Raises:
        SettingsError: another form, an unknown cost, or a limit that is not positive.
    """
    target, _, written = (part.strip() for part in text.partition("="))
    known = (*UNITS, THROUGHPUT, *own)
    if target not in known:
        raise SettingsError(f"Cannot limit {target!r}. Write a limit as latency=25ms; known costs: {', '.join(known)}.")
    unit = _THROUGHPUT_UNIT if target == THROUGHPUT else UNITS.get(target, "")
    factor = 1.0 if unit else _THOUSANDS.get(written[-1:], 1.0)
    try:
        value = float(written.removesuffix(unit) if factor == 1 else written[:-1]) * factor
    except ValueError as exc:
        example = "3M" if target in COUNTED else f"25{unit}"
        raise SettingsError(f"The limit {text!r} has no number. Write it as {target}={example}.") from exc
    largest = _LARGEST if unit else _LARGEST_NUMBER
    if not 0 < value < largest:
        raise SettingsError(f"The limit {text!r} must be above zero and below {largest:g} {unit}".rstrip() + ".")
    if target == THROUGHPUT:
        return Limit(target="latency", value=1e3 / value)
    return Limit(target=target, value=value)


def parse_limits(written: Sequence[str], own: Collection[str] = ()) -> tuple[Limit, ...]:
    """Read several limits, one per cost at most.

    Raises:
        SettingsError: see :func:`parse_limit`; or two limits on one cost.
    """
    found: dict[str, list[str]] = {}
    limits = [parse_limit(text, own) for text in written]
    for limit, text in zip(limits, written, strict=True):
        found.setdefault(limit.target, []).append(text)
    for target, texts in found.items():
        if len(texts) > 1:
            raise SettingsError(f"{target} has {len(texts)} limits: {', '.join(texts)}. Give one.")
    return tuple(limits)


def check_signals(names: Sequence[str], own: Collection[str], *, option: str) -> None:
    """Refuse costs that nobody knows, or that are named twice.

    Raises:
        SettingsError: a name that is no cost and none of the user's.
    """
    known = (*UNITS, *own)
    for name in names:
        if name not in known:
            raise SettingsError(f"No signal {name!r} for {option}. Known: {', '.join(known)}.")
    if len(set(names)) < len(names):
        raise SettingsError(f"{option} names a signal twice: {', '.join(names)}. Name each once.")


def column_name(name: str) -> str:
    """Name a cost's column in a table: with its unit, as ``latency_ms``."""
    unit = UNITS.get(name, "")
    return f"{name}_{unit.lower()}" if unit else name
