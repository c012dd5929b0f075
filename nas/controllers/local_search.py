"""Local search (White et al., 2021): climb to the better of two neighbours until none is better, then begin elsewhere."""

from __future__ import annotations

import numpy as np

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.trellis import Choices

STARTS = 10


class LocalSearch:
    """Ask about a network's neighbours, one slot changed, in random order; move as soon as one is better.

    Args:
        given: what is open, and how starts are drawn.
        seed: of draws and orders.
    """

    def __init__(self, given: Assistance, *, seed: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        self._asked: set[Choices] = set()
        self._starting = STARTS
        self._here: tuple[float, Choices] | None = None
        self._ahead: list[Choices] = []

    def propose(self) -> Choices | None:
        """Name one of the first few networks, then a neighbour that was not asked about, then a new start."""
        if self._starting:
            return self._given.fresh(self._asked, self._random)
        while self._ahead:
            choices = self._ahead.pop()
            if choices not in self._asked:
                return choices
        self._here = None  # a local optimum: nothing around it is better
        return self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Move where it is better."""
        self._asked.add(choices)
        worth = self._given.worth(choices, accuracy)
        better = self._here is None or worth > self._here[0]
        if better:
            self._here = (worth, choices)
        self._starting = max(0, self._starting - 1)
        if self._here and not self._starting and (better or not self._ahead):
            self._look_around(self._here[1])

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit; where the search stands, it stays, and what lies around is open or not."""
        self._given = given
        self._ahead = [choices for choices in self._ahead if given.offers(choices)]

    def _look_around(self, choices: Choices) -> None:
        neighbours = [one for one in self._given.neighbours(choices) if one not in self._asked]
        self._ahead = [neighbours[int(index)] for index in self._random.permutation(len(neighbours))]
