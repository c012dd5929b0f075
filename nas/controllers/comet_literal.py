"""Algorithm 1 as printed, for the record: nothing in it is repaired, and no predictor's help is given to it.

Every decision makes a whole network, with the backbone's blocks where nothing is decided yet, and each of these is asked about.
Potential and Q move by the printed equations, ε by Eq. 3, and the policy is softmax(Q + ε Φ). Nothing holds the limit: the
secondary reward is the latency itself, as a utility: r_S = -y/T. What the paper leaves open is settled in the plainest
way: one gradient step of a perceptron per decision, a value of 0 behind the last slot, where the next network begins, and a budget
of queries in place of "while Δ >= τ", which would end most searches behind a few networks.

Notation::

    s, a  network so far, choice        N_t  network behind step t        Δ  Acc_t - Acc_(t-1)
    Q, Φ  perceptrons Θ_P and Θ_S        ε  weight of Φ        β  learning rate of Φ
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nas.controllers.assistance import Assistance
from nas.controllers.controller import Regulation
from nas.controllers.encoding import Encoder, Float32Array
from nas.equations import printed_epsilon, printed_potential_update, printed_q_update
from nas.limits.drawing import sample_softmax
from nas.trellis import NOWHERE, Choices, FloatArray
from nas.value import LEARNING_RATE, Ensemble

BETA = 0.1
THRESHOLD = 0.01
"""Where ε is set to 0."""
_STEPS = 1000
"""Decisions that may lead to no new network before the search counts as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """(s, a), and the network that it makes."""

    choice: int
    after: Float32Array
    """What the perceptrons see of it, shape (1, size)."""
    network: Choices


class CometLiteral:
    """Co-regulated shaping reinforcement, equation by equation.

    Args:
        given: says what fits together and what a network costs, as a share of the limit; its mask is not used.
        encoder: writes the states.
        seed: of first weights and draws.
    """

    def __init__(self, given: Assistance, encoder: Encoder, *, seed: int) -> None:
        self._given, self._encoder, self._trellis = given, encoder, given.budget.trellis
        self._random = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        self._q = Ensemble(encoder.size, members=1, generator=generator)
        self._phi = Ensemble(encoder.size, members=1, generator=generator)
        self._q_steps = torch.optim.Adam(self._q.parameters(), lr=LEARNING_RATE, fused=True)
        self._phi_steps = torch.optim.Adam(self._phi.parameters(), lr=LEARNING_RATE, fused=True)
        self._asked: dict[Choices, float] = {}
        self._epsilon = 1.0
        self._accuracy: float | None = None
        self._growth = 0.0
        self._decided: tuple[int, ...] = ()
        self._now = self._decide(())

    def propose(self) -> Choices | None:
        """Name the network behind the next decision; one that is known already is learned from again, and is no query."""
        for _ in range(_STEPS):
            if self._now.network not in self._asked:
                return self._now.network
            self._step(self._asked[self._now.network])
        return None

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Take in the accuracy of the network behind this decision."""
        self._asked[choices] = accuracy
        self._step(accuracy)

    def regulation(self) -> Regulation:
        """Say how the potential is weighed now."""
        return Regulation(epsilons=(self._epsilon,), growth=self._growth)

    def aim(self, given: Assistance) -> None:
        """Go on under another limit; what was learned stays."""
        self._given = given

    def _decide(self, decided: tuple[int, ...]) -> _Decision:
        """Choose a block by the policy (line 6), which makes N_t (line 7)."""
        states, fits = self._options(decided)
        logits = self._values(self._q, states) + self._epsilon * self._values(self._phi, states)
        choice = int(sample_softmax(np.where(fits, logits, -np.inf)[None], self._random)[0])
        network = self._trellis.complete((*decided, choice))
        return _Decision(choice=choice, after=states[choice][None], network=network)

    def _step(self, accuracy: float) -> None:
        """Take lines 10 to 17 of Algorithm 1 for the decision at hand."""
        now = self._now
        following = (*self._decided, now.choice)
        ends = len(following) == self._trellis.slots
        decided = () if ends else following
        coming = self._decide(decided)
        # Δ = r_P(t) - r_P(t-1)
        self._growth = 0.0 if self._accuracy is None else accuracy - self._accuracy
        # δ = r_S(s, a) + γ Φ(s', a') - Φ(s, a), Φ(s, a) ← Φ(s, a) + β δ, and its function approximator
        phi = self._value(self._phi, now)
        next_phi = 0.0 if ends else self._value(self._phi, coming)
        updated = printed_potential_update(phi, -self._given.share(now.network), next_phi, beta=BETA)
        self._approximate(self._phi, self._phi_steps, now, updated)
        # ε ← ε · e^Δ (Eq. 3)
        self._epsilon = printed_epsilon(self._epsilon, self._growth, threshold=THRESHOLD)
        # Q'(s, a) = Q(s, a) + r_P + [γ max_a Q(s', a) - Q(s, a)] + ε Φ(s, a) (Eq. 2), and its function approximator
        best = 0.0 if ends else self._best(decided)
        target = printed_q_update(self._value(self._q, now), accuracy, best, [updated], [self._epsilon])
        self._approximate(self._q, self._q_steps, now, target)
        self._accuracy, self._decided, self._now = accuracy, decided, coming

    def _best(self, decided: tuple[int, ...]) -> float:
        """Give max_a Q(s, a) over the choices that fit."""
        states, fits = self._options(decided)
        return float(self._values(self._q, states)[fits].max())

    def _options(self, decided: tuple[int, ...]) -> tuple[Float32Array, np.ndarray]:
        """Write what every choice of the next slot leads to, shape (A, size), and tell which fit, shape (A,)."""
        slot, node = len(decided), self._trellis.path(decided)[-1]
        fits = self._trellis.successors[slot][node] != NOWHERE
        shares = [
            self._shares(self._trellis.complete((*decided, choice)))
            if fits[choice]
            else np.ones(len(self._given.budget.start))
            for choice in range(len(fits))
        ]
        prefix = self._encoder.prefix(np.array([decided], dtype=np.int64).reshape(1, slot))
        spent = np.minimum(np.array([shares]), 1.0)
        return self._encoder.afterstates(slot, prefix, np.array([node]), spent)[0], fits

    def _shares(self, network: Choices) -> FloatArray:
        """Give a network's costs as shares, shape (C,): the first one of its limit, which the budget itself may not hold."""
        budget = self._given.budget
        return np.append(self._given.share(network), budget.share(budget.ticks(network))[1:])

    def _value(self, perceptron: Ensemble, decision: _Decision) -> float:
        return float(self._values(perceptron, decision.after)[0])

    def _values(self, perceptron: Ensemble, states: Float32Array) -> FloatArray:
        with torch.no_grad():
            return np.asarray(perceptron.member(0, torch.from_numpy(states)).numpy(), dtype=np.float64)

    def _approximate(
        self, perceptron: Ensemble, optimiser: torch.optim.Optimizer, decision: _Decision, target: float
    ) -> None:
        """Take one step of gradient descent towards an updated value."""
        loss = (perceptron.member(0, torch.from_numpy(decision.after)) - target).square().sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
