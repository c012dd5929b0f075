"""Random search: what the assistance draws, network after network."""

from __future__ import annotations

import numpy as np

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.trellis import Choices


class RandomSearch:
    """Draw networks that were not asked about.

    A fair choice in every slot would not do: choices that leave few ways to finish would be as likely as those that
    leave many. The assistance's potential counts the ways: of sharpness 0, it makes the draw uniform over networks, and a
    sharper one draws near the limit.

    Args:
        given: what is open, and what it is drawn by.
        seed: of the draws.
    """

    def __init__(self, given: Assistance, *, seed: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        self._asked: set[Choices] = set()

    def propose(self) -> Choices | None:
        """Name a network at random that was not asked about before."""
        return self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:  # noqa: ARG002 - random search learns nothing
        """Remember that a network was asked about."""
        self._asked.add(choices)

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit."""
        self._given = given
