"""Tree-structured Parzen estimator (Bergstra et al., 2011), Optuna's: choices that good networks have more often than others."""

from __future__ import annotations

import numpy as np
from optuna.samplers import TPESampler

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.controllers.studies import Study, Verdict
from nas.trellis import Choices

STARTS = 10
"""Networks drawn afresh before the estimator suggests any: Optuna's usual number."""


class TPE:
    """Ask about what Optuna's estimator suggests, told accuracy and cost as one figure, and the limit as a constraint.

    Args:
        given: what is open, and how the first networks are drawn.
        seed: of draws and suggestions.
    """

    def __init__(self, given: Assistance, *, seed: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        self._asked: dict[Choices, float] = {}
        self._study = Study(given, TPESampler(seed=seed, n_startup_trials=STARTS), ["maximize"], self._judge)

    def propose(self) -> Choices | None:
        """Name a fresh network at first, then what is suggested."""
        suggested = self._study.suggest(self._given, self._asked) if len(self._asked) >= STARTS else None
        return suggested or self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Tell the estimator."""
        self._asked[choices] = accuracy
        self._study.learn(choices, accuracy)

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit with what was learned."""
        self._given = given

    def _judge(self, choices: Choices, accuracy: float) -> Verdict:
        return Verdict(values=(self._given.worth(choices, accuracy),), excess=self._given.share(choices) - 1)
