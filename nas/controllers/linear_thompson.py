"""Thompson sampling from a Bayesian linear model: which choice in every slot, and which pair of choices in every two.

A model is drawn from the posterior, and the best network by it, of many drawn afresh and the neighbours of the best
ones so far, is asked about.

Notation::

    x  features of a network, shape (D,): 1, a one-hot of each slot, a one-hot of each pair of slots
    w ~ N(0, s² I)  weights        y = x·w + N(0, σ²)  standardised worth        X  networks asked about, shape (n, D)

A draw from the posterior is a draw from the prior, corrected by what was seen (Matheron's rule)::

    w = w_0 + s² X' (s² X X' + σ² I)^-1 (y - X w_0 - e),        w_0 ~ N(0, s² I),  e ~ N(0, σ² I)
"""

from __future__ import annotations

import itertools

import numpy as np

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.equations import standardised
from nas.trellis import Choices, FloatArray, IntArray

STARTS = 10
CANDIDATES = 256
ELITE = 5
NOISE = 0.1
"""σ."""


class LinearThompson:
    """Ask about the best network by a model drawn from the posterior.

    Args:
        given: what is open, and how candidates are drawn.
        seed: of draws and models.
    """

    def __init__(self, given: Assistance, *, seed: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        widths = [step.shape[1] for step in given.budget.steps]
        pairs = list(itertools.combinations(range(len(widths)), 2))
        sizes = [1, *widths, *(widths[i] * widths[j] for i, j in pairs)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        self._widths = np.array(widths)
        self._scale = 1 / len(sizes)  # s²: every network has as many features of 1, so that its worth varies by 1
        self._asked: dict[Choices, float] = {}
        self._features = np.zeros((0, int(self._starts[-1])))

    def propose(self) -> Choices | None:
        """Name a fresh network at first, then the best by a drawn model."""
        if len(self._asked) >= STARTS:
            best = sorted(self._asked, key=lambda item: -self._asked[item])[:ELITE]
            around = [one for choices in best for one in self._given.neighbours(choices)]
            candidates = list(dict.fromkeys(around + self._given.draw(CANDIDATES, self._random)))
            candidates = [one for one in candidates if one not in self._asked]
            if candidates:
                values = self._sums(candidates, self._weights())
                return candidates[int(np.argmax(values))]
        return self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Remember what a network is worth."""
        self._asked[choices] = self._given.worth(choices, accuracy)
        row = np.zeros((1, self._features.shape[1]))
        row[0, self._active([choices])[0]] = 1
        self._features = np.concatenate([self._features, row])

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit; what was learned stays."""
        self._given = given

    def _weights(self) -> FloatArray:
        """Draw w from the posterior, shape (D,)."""
        x, y = self._features, standardised(np.array(list(self._asked.values())))
        prior = self._random.normal(0, self._scale**0.5, x.shape[1])
        noise = self._random.normal(0, NOISE, len(x))
        covariance = self._scale * x @ x.T + NOISE**2 * np.eye(len(x))
        return np.asarray(prior + self._scale * x.T @ np.linalg.solve(covariance, y - x @ prior - noise))

    def _sums(self, candidates: list[Choices], weights: FloatArray) -> FloatArray:
        return np.asarray(weights[self._active(candidates)].sum(axis=1))

    def _active(self, networks: list[Choices]) -> IntArray:
        """Give the places of every network's features of 1, shape (n, 1 + slots + pairs)."""
        choices = np.array(networks, dtype=np.int64)
        first, second = choices[:, self._pairs[:, 0]], choices[:, self._pairs[:, 1]]
        both = first * self._widths[self._pairs[:, 1]] + second
        constant = np.zeros((len(choices), 1), dtype=np.int64)
        return np.asarray(np.concatenate([constant, choices, both], axis=1) + self._starts[:-1])
