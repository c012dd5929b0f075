"""NSGA-II (Deb et al., 2002), Optuna's: a population that spreads along the front of accuracy and latency."""

from __future__ import annotations

import math

import numpy as np
from optuna.samplers import NSGAIISampler

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.controllers.studies import Study, Verdict
from nas.trellis import Choices

POPULATION = 50
_SHARE_OF_BUDGET = 8
_FEWEST = 10


class NSGA2:
    """Ask about the children of a population that is judged by accuracy and log latency, and by the limit as a constraint.

    Args:
        given: what is open, and how the first population is drawn.
        seed: of draws and suggestions.
        budget: queries; a population has an eighth of them, at most 50, as that of :class:`nas.controllers.evolution.Evolution`.
    """

    def __init__(self, given: Assistance, *, seed: int, budget: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        self._size = min(POPULATION, max(_FEWEST, budget // _SHARE_OF_BUDGET))
        self._asked: dict[Choices, float] = {}
        sampler = NSGAIISampler(population_size=self._size, seed=seed)
        self._study = Study(given, sampler, ["maximize", "minimize"], self._judge)

    def propose(self) -> Choices | None:
        """Name fresh networks for the first population, then its children."""
        suggested = self._study.suggest(self._given, self._asked) if len(self._asked) >= self._size else None
        return suggested or self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Tell the sampler both values."""
        self._asked[choices] = accuracy
        self._study.learn(choices, accuracy)

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit with what was learned."""
        self._given = given

    def _judge(self, choices: Choices, accuracy: float) -> Verdict:
        share = self._given.share(choices)
        return Verdict(values=(accuracy, math.log(share)), excess=share - 1)
