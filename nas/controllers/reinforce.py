"""REINFORCE (Williams, 1992), as MnasNet and ProxylessNAS search: a softmax over each slot's choices, one scalar reward.

Notation::

    θ_t  logits of slot t, shape (A_t,)        π  softmax of θ_t over the choices that are open
    R  accuracy · (y/T)^w        b  moving average of R, the baseline        σ  moving deviation from it
"""

from __future__ import annotations

import numpy as np

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.limits.drawing import Walkers, draw, start, step
from nas.trellis import BoolArray, Choices, FloatArray

LEARNING_RATE = 0.3
AVERAGE_WEIGHT = 0.1
STARTS = 16
_DRAWS = 64


class Reinforce:
    """Follow the gradient of the expected reward.

    Args:
        given: what is open, and how the first networks are drawn.
        seed: of the draws.
    """

    def __init__(self, given: Assistance, *, seed: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        self._logits = [np.zeros(step.shape[1]) for step in given.budget.steps]
        self._asked: dict[Choices, float] = {}
        self._baseline: float | None = None
        self._variance = 0.0

    def propose(self) -> Choices | None:
        """Name a network by the policy; what is drawn again is learned from again, and is no query."""
        for _ in range(_DRAWS if len(self._asked) >= STARTS else 0):
            choices: Choices = tuple(draw(self._given.budget, self._scores, 1, self._random)[0].tolist())
            if choices not in self._asked:
                return choices
            self._follow(choices)
        return self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Take one step along R's gradient."""
        self._asked[choices] = self._given.worth(choices, accuracy)
        self._follow(choices)

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit; what was learned stays."""
        self._given = given

    def _scores(self, walkers: Walkers, mask: BoolArray) -> FloatArray:
        return np.broadcast_to(self._logits[walkers.slot], mask.shape)

    def _follow(self, choices: Choices) -> None:
        """θ_t ← θ_t + α (R - b)/σ · (1[a_t] - π): the gradient of log π(a_t), in units of R's deviation."""
        reward = self._asked[choices]
        deviation = 0.0 if self._baseline is None else reward - self._baseline
        self._baseline = reward if self._baseline is None else self._baseline + AVERAGE_WEIGHT * deviation
        self._variance += AVERAGE_WEIGHT * (deviation**2 - self._variance)
        advantage = deviation / max(self._variance**0.5, 1e-3)
        budget, walkers = self._given.budget, start(self._given.budget, 1)
        for slot, choice in enumerate(choices):
            mask = budget.allowed(slot, walkers.nodes, walkers.spent)[0]
            weights = np.where(mask, np.exp(self._logits[slot] - self._logits[slot][mask].max()), 0.0)
            gradient = -weights / weights.sum()
            gradient[choice] += 1
            self._logits[slot] = self._logits[slot] + LEARNING_RATE * advantage * gradient
            walkers = step(walkers, budget, np.array([choice]))
