"""What every controller does: name the next network, and learn what it was worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nas.trellis import Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Regulation:
    """How strongly the secondary signals steer a controller now."""

    epsilons: tuple[float, ...]
    """One weight per secondary signal."""
    growth: float
    """Δ: the last accuracy minus the moving average of those before it."""


class Controller(Protocol):
    """Searches by asking and being told."""

    def propose(self) -> Choices | None:
        """Name a network that keeps the limits and was not asked about before; None where none is to be found."""
        ...

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Take in what a network is worth, in [0, 1]."""
        ...

    def regulation(self) -> Regulation | None:
        """Say how the secondary signals are weighed; None for a controller that weighs none."""
        ...
