"""The paper's own potential: learned while the search goes on, by SARSA on the secondary reward (Algorithm 1, lines 11-13).

For every decision of a network that was asked about, with r_S of the finished network at the last one and 0 before::

    δ = r_S + γ Φ(s', a') - Φ(s, a),        Φ(s, a) ← Φ(s, a) + β δ

and a perceptron (the paper's Θ_S) takes gradient steps towards those values. It begins as knowing nothing, where the
exact potential knows everything; the mask is exact all the same.
"""

from __future__ import annotations

import numpy as np
import torch

from nas.equations import printed_potential_update
from nas.limits.costs import Budget
from nas.limits.drawing import start, step
from nas.trellis import Choices, FloatArray, IntArray
from nas.value import LEARNING_RATE, Ensemble

BETA = 0.5
"""β, the learning rate of Φ."""
UPDATES = 8
"""Gradient steps per network towards the updated values."""


class OnlinePotential:
    """Φ by one perceptron for all slots, learned from the networks that were asked about.

    Args:
        budget: the limit over the trellis; its mask is exact.
        sharpness: c of r_S.
        seed: of the weights.
        signal: which one of the budget's is the potential of.
    """

    def __init__(self, budget: Budget, *, sharpness: float, seed: int, signal: int = 0) -> None:
        self.budget, self.sharpness, self.signal = budget, sharpness, signal
        columns = len(budget.columns.of([signal]))
        inputs = budget.trellis.slots + 1 + budget.trellis.carried[0].shape[1] + 3 * columns
        self._perceptron = Ensemble(inputs, members=1, generator=torch.Generator().manual_seed(seed))
        self._optimiser = torch.optim.Adam(self._perceptron.parameters(), lr=LEARNING_RATE, fused=True)

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give Φ(s, a) as learned so far; see :class:`nas.potentials.potential.Potential`."""
        allowed = self.budget.allowed(slot, nodes, spent)
        following = self.budget.trellis.successors[slot][nodes]
        after = self.budget.add(spent[:, None], self.budget.steps[slot][nodes])
        values = np.full(allowed.shape, -np.inf)
        states = self._inputs(slot + 1, following[allowed], after[allowed])
        with torch.no_grad():
            values[allowed] = self._perceptron.member(0, torch.from_numpy(states)).numpy()
        return values

    def learn(self, choices: Choices) -> None:
        """Learn from one network that keeps the limit: SARSA along its decisions, the last one first."""
        states, reward_at_end = self._walk(choices)
        for _ in range(UPDATES):
            values = self._perceptron.member(0, states)
            phi = values.detach().numpy().astype(np.float64)
            reward = np.zeros(len(choices))
            reward[-1] = reward_at_end
            updated = printed_potential_update(phi, reward, np.append(phi[1:], 0.0), beta=BETA)
            loss = (values - torch.from_numpy(updated.astype(np.float32))).square().mean()
            self._optimiser.zero_grad()
            torch.autograd.backward(loss)
            self._optimiser.step()

    def _walk(self, choices: Choices) -> tuple[torch.Tensor, float]:
        """Give the inputs behind every decision, shape (T, inputs), and r_S of the finished network."""
        walkers, states = start(self.budget, 1), []
        for choice in choices:
            walkers = step(walkers, self.budget, np.array([choice]))
            states.append(self._inputs(walkers.slot, walkers.nodes, walkers.spent))
        finished = self.budget.add(walkers.spent, self.budget.end[walkers.nodes])
        reward = self.budget.reward(self.signal, finished, self.sharpness)
        return torch.from_numpy(np.concatenate(states)), float(reward[0])

    def _inputs(self, slot: int, nodes: IntArray, spent: IntArray) -> np.ndarray:
        """Give what Φ hangs on: which slot is next, what is carried, what the limit leaves, and what is to spare of it."""
        trellis, budget = self.budget.trellis, self.budget
        which = np.zeros((len(nodes), trellis.slots + 1))
        which[:, slot] = 1
        own = budget.columns.of([self.signal])
        left = 1 - budget.share(spent)[:, own]
        spare = left - budget.share(budget.cheapest[slot][nodes])[:, own]
        columns = (
            which,
            trellis.carried[slot][nodes],
            np.column_stack([left, spare, np.log(np.maximum(spare, 0.0) + 1e-2) / 5]),
        )
        return np.concatenate(columns, axis=1, dtype=np.float32)
