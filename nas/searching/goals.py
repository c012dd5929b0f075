"""What is asked of networks: the primary signal, limits, which costs shape the search, and how sure the limits are to be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from nas.errors import SettingsError
from nas.limits.signals import ACCURACY, UNITS, Limit, check_signals
from nas.limits.user_signal import UserSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """The reward vector ⟨r_P, {r_S}⟩, and what no network may cost.

    Raises:
        SettingsError: a signal that nobody knows, or a confidence outside [0, 1).
    """

    limits: tuple[Limit, ...] = ()
    primary: str = ACCURACY
    """Accuracy, a cost (the lower, the better), or a signal of the user's (the higher, the better)."""
    secondary: tuple[str, ...] = ()
    """Costs that are to have a shaping potential; see :attr:`shaping` for none."""
    confidence: float = 0.0
    """The share of networks that are to keep a limit once they are measured; 0 takes predictions as they are."""
    own: tuple[UserSignal, ...] = ()

    def __post_init__(self) -> None:
        """Check the names."""
        names = self.own_names
        check_signals(self.secondary, names, option="--secondary")
        check_signals([limit.target for limit in self.limits], names, option="--limit")
        check_primary(self.primary, names)
        check_confidence(self.confidence)

    @property
    def own_names(self) -> tuple[str, ...]:
        """Names of the user's signals."""
        return tuple(signal.name for signal in self.own)

    @property
    def shaping(self) -> tuple[str, ...]:
        """The costs that have a potential: those named, else those that are limited.

        A limit's potential asks to spend it. Where a cost is to be as low as it can, that would pull the other way, and
        its own potential, which asks for low costs, stands in.
        """
        limited = tuple(limit.target for limit in self.limits)
        if self.secondary or self.primary not in UNITS:
            return self.secondary or limited
        return () if self.primary in limited else (self.primary,)

    def counted(self, predicted: Collection[str]) -> tuple[str, ...]:
        """Name all costs that are counted, in a fixed order; latency is, wherever it is known.

        Args:
            predicted: what the predictor knows.
        """
        asked = {limit.target for limit in self.limits} | set(self.secondary) | {self.primary}
        asked |= {"latency"} & set(predicted)
        if asked == {ACCURACY}:
            asked = {"macs"}
        # A signal of the user's that is primary alone is asked of whole networks, and no cost.
        costs = {limit.target for limit in self.limits} | set(self.secondary)
        return (*(name for name in UNITS if name in asked), *(name for name in self.own_names if name in costs))


def check_confidence(confidence: float) -> None:
    """Refuse what is no share.

    Raises:
        SettingsError: a confidence outside [0, 1).
    """
    if not 0 <= confidence < 1:
        raise SettingsError(f"A confidence of {confidence:g} cannot be. Give --confidence 0.9, or 0 for none.")


def check_primary(name: str, own: Collection[str]) -> None:
    """Refuse a primary signal that nobody knows.

    Raises:
        SettingsError: a name that is no signal.
    """
    known = (ACCURACY, *UNITS, *own)
    if name not in known:
        raise SettingsError(f"No signal {name!r} for --primary. Known: {', '.join(known)}.")
