"""Random search: every network that keeps the limit is as likely as any other."""

from __future__ import annotations

import numpy as np

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.controllers.drawing import draw
from nas.limits.costs import Budget
from nas.potentials.potential import ExactPotential, Potential
from nas.trellis import Choices

_ROUNDS = 64
_DRAWS = 16


class RandomSearch:
    """Draw uniformly from the networks that keep the limit.

    A fair choice in every slot would not do: choices that leave few ways to finish would be as likely as those that
    leave many. The potential of sharpness 0 counts the ways, which makes the draw uniform over networks.

    Args:
        budget: the limit.
        seed: of the draws.
        potential: another one to draw by; a sharper one draws near the limit.
    """

    def __init__(self, budget: Budget, *, seed: int, potential: Potential | None = None) -> None:
        self._budget = budget
        self._potential = potential or ExactPotential(budget, sharpness=0)
        self._random = np.random.default_rng(seed)
        self._asked: set[Choices] = set()

    def propose(self) -> Choices | None:
        """Name a network at random that was not asked about before."""
        for _ in range(_ROUNDS):
            drawn = draw(
                self._budget, lambda at, _: self._potential.values(at.slot, at.nodes, at.spent), _DRAWS, self._random
            )
            for row in drawn.tolist():
                if tuple(row) not in self._asked:
                    return tuple(row)
        return None

    def learn(self, choices: Choices, accuracy: float) -> None:  # noqa: ARG002 - random search learns nothing
        """Remember that a network was asked about."""
        self._asked.add(choices)

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit."""
        self._budget, self._potential = given.budget, given.potential
