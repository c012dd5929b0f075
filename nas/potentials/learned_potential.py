"""The paper's second perceptron (Θ_S): a potential learned offline from predicted costs alone.

It stands in for the exact one where too much is carried from slot to slot to be tabulated, and learns the same quantity
by soft value iteration: behind the last slot the value of a network is r_S, and one slot earlier::

    V(s) = log Σ_a exp Φ(s, a),        Φ(s, a) = V(s'),        over the choices that keep the limit

Costs and what is carried decide Φ, so these are its inputs; the accuracy of networks has no part in it.
"""

from __future__ import annotations

import numpy as np
import torch

from nas.limits.completions import BLOCKED
from nas.limits.costs import Budget
from nas.limits.drawing import Walkers, start, step
from nas.trellis import FloatArray, IntArray
from nas.value import LEARNING_RATE, Ensemble

SAMPLES = 2048
"""Half-made networks that each slot's perceptron learns from."""
UPDATES = 400
BATCH_SIZE = 256


class LearnedPotential:
    """Φ by one perceptron per slot, fitted from the last slot backwards.

    Args:
        budget: the limits over the trellis; its mask is exact.
        sharpness: c of r_S.
        seed: of the samples and the weights.
        signal: which one of the budget's is the potential of.
    """

    def __init__(self, budget: Budget, *, sharpness: float, seed: int, signal: int = 0) -> None:
        self.budget, self.sharpness, self.signal = budget, sharpness, signal
        random = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        visited = _visited(budget, int(budget.columns.first[signal]), random)
        self._fits: list[_Fit | None] = [None] * (budget.trellis.slots + 1)
        for slot in reversed(range(1, budget.trellis.slots)):
            values = self.values(slot, visited[slot].nodes, visited[slot].spent)
            targets = np.logaddexp.reduce(values, axis=1)
            self._fits[slot] = _Fit(self._inputs(slot, visited[slot].nodes, visited[slot].spent), targets, generator)

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give Φ(s, a); see :class:`nas.potentials.potential.Potential`."""
        budget = self.budget
        allowed = budget.allowed(slot, nodes, spent)
        after = budget.add(spent[:, None], budget.steps[slot][nodes])[allowed]
        following = budget.trellis.successors[slot][nodes][allowed]
        values = np.full(allowed.shape, -np.inf)
        fit = self._fits[slot + 1]
        if fit is None:
            values[allowed] = budget.reward(self.signal, budget.add(after, budget.end[following]), self.sharpness)
        else:
            values[allowed] = fit.values(self._inputs(slot + 1, following, after))
        return values

    def _inputs(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give what the value of a half-made network hangs on: what it carries, what is spent, what must be spent yet."""
        budget = self.budget
        columns = budget.columns.of([self.signal])
        left = 1 - budget.share(spent)[:, columns]
        spare = left - budget.share(budget.cheapest[slot][nodes])[:, columns]
        return np.column_stack(
            [budget.trellis.carried[slot][nodes], left, spare, np.log(np.maximum(spare, 0.0) + 1e-2)]
        )


class _Fit:
    """A perceptron fitted to standardised targets."""

    def __init__(self, inputs: FloatArray, targets: FloatArray, generator: torch.Generator) -> None:
        self.mean, self.deviation = float(targets.mean()), float(targets.std()) or 1.0
        self.centre, self.scale = inputs.mean(0), inputs.std(0) + 1e-6
        self.perceptron = Ensemble(inputs.shape[1], members=1, generator=generator)
        x = torch.from_numpy(self._normalised(inputs))
        y = torch.from_numpy(((targets - self.mean) / self.deviation).astype(np.float32))
        optimiser = torch.optim.Adam(self.perceptron.parameters(), lr=LEARNING_RATE)
        for update in range(UPDATES):
            for group in optimiser.param_groups:
                group["lr"] = LEARNING_RATE * (1 - update / UPDATES)
            batch = torch.randint(len(x), (BATCH_SIZE,), generator=generator)
            loss = (self.perceptron.member(0, x[batch]) - y[batch]).square().mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    def values(self, inputs: FloatArray) -> FloatArray:
        """Give the fitted values, shape (n, inputs) to (n,)."""
        with torch.no_grad():
            fitted = self.perceptron.member(0, torch.from_numpy(self._normalised(inputs)))
        return np.asarray(fitted.numpy() * self.deviation + self.mean, dtype=np.float64)

    def _normalised(self, inputs: FloatArray) -> np.ndarray:
        return np.asarray((inputs - self.centre) / self.scale, dtype=np.float32)


def _visited(budget: Budget, column: int, random: np.random.Generator) -> list[Walkers]:
    """Walk at random within the limit and keep where the walkers stand in front of every slot, and behind the last."""
    # Cheap and dear choices alike: each walker prefers either, which spreads what is spent over all of its range.
    preference = random.normal(size=(SAMPLES, 1)) * 30
    walkers = start(budget, SAMPLES)
    visited = [walkers]
    for slot in range(budget.trellis.slots):
        mask = budget.allowed(slot, walkers.nodes, walkers.spent)
        steps = budget.steps[slot][..., column]
        cost = (np.where(steps < BLOCKED, steps, 0) / budget.scale[column])[walkers.nodes]
        logits = np.where(mask, preference * cost, -np.inf)
        walkers = step(walkers, budget, np.argmax(logits + random.gumbel(size=logits.shape), axis=1))
        visited.append(walkers)
    return visited
