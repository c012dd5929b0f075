"""Regularised evolution (Real et al., 2019): the best of a few survivors has a mutated child, and the oldest dies."""

from __future__ import annotations

from collections import deque

import numpy as np

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.trellis import Choices

POPULATION = 50
SAMPLE = 10
_SHARE_OF_BUDGET = 8
_FEWEST = 10


class Evolution:
    """Evolve a population whose oldest member makes room for every child.

    Args:
        given: what is open, and how the first population is drawn.
        seed: of draws, tournaments and mutations.
        budget: queries; a population of an eighth of them, at most 50, leaves most to the children, and a fifth of
            it takes part in a tournament, as 10 of 50.
    """

    def __init__(self, given: Assistance, *, seed: int, budget: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        self._size = min(POPULATION, max(_FEWEST, budget // _SHARE_OF_BUDGET))
        self._sample = max(2, self._size * SAMPLE // POPULATION)
        self._alive: deque[tuple[float, Choices]] = deque(maxlen=self._size)
        self._asked: set[Choices] = set()

    def propose(self) -> Choices | None:
        """Name a fresh network until the population is full, then a child of the best of a sample."""
        if len(self._alive) == self._size:
            for _ in range(self._size):
                entered = self._random.choice(self._size, self._sample, replace=False)
                _, parent = max(self._alive[int(index)] for index in entered)
                children = [child for child in self._given.neighbours(parent) if child not in self._asked]
                if children:
                    return children[int(self._random.integers(len(children)))]
        return self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Let a network join the population; the oldest leaves it."""
        self._asked.add(choices)
        self._alive.append((self._given.worth(choices, accuracy), choices))

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit; what was learned stays."""
        self._given = given
