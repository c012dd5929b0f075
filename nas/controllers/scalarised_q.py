"""The paper's NAS+Predictor (Section IV): AutoCoMET's Q-learning without its shaping, on one reward of accuracy and cost.

Everything but the shaping is AutoCoMET's own: states, ensemble, replay, softmax policy and screening. What the secondary
signal says reaches it through the reward only, a weighted product (:meth:`nas.controllers.assistance.Assistance.worth`).
"""

from __future__ import annotations

import numpy as np

from nas.controllers.assistance import Assistance
from nas.controllers.comet import Comet
from nas.controllers.controller import Regulation
from nas.controllers.encoding import Encoder
from nas.trellis import Choices

STARTS = 16


class ScalarisedQ:
    """Q-learning from a scalarised reward.

    Args:
        given: what is open, and how the first networks are drawn.
        encoder: writes the states.
        seed: of draws, first weights and replay.
    """

    def __init__(self, given: Assistance, encoder: Encoder, *, seed: int) -> None:
        self._given, self._random = given, np.random.default_rng(seed)
        self._q = Comet(given.budget, encoder, [], seed=seed)
        self._asked: set[Choices] = set()

    def propose(self) -> Choices | None:
        """Name a fresh network at first, then one by softmax of Q."""
        choices = self._q.propose() if len(self._asked) >= STARTS else None
        return choices or self._given.fresh(self._asked, self._random)

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Learn Q from accuracy and cost at once."""
        self._asked.add(choices)
        self._q.learn(choices, self._given.worth(choices, accuracy))

    def regulation(self) -> Regulation | None:
        """Weigh nothing."""
        return None

    def aim(self, given: Assistance) -> None:
        """Go on under another limit; what was learned stays."""
        self._given = given
        self._q.aim(given.budget, [])
