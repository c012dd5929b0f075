"""Shaping potentials: how much a decision leaves open of what the secondary reward asks for.

With the secondary reward r_S = c · log(y/T) of a finished network that costs y within its limit T (minus infinity beyond
it: spend the budget, never break it), the potential of a decision is the soft value of all ways to finish::

    Φ(s, a) = log Σ exp r_S = log Σ (y/T)^c        over the completions of (s, a) that keep y <= T

Predicted costs alone decide it, so it is known before the first accuracy query, where the paper learns it online by
δ = r_S + γ Φ(s', a') - Φ(s, a) (Section III-D). Here the reward comes at the end and γ = 1: Φ has to rank decisions by
how their networks end, not by how soon.

Notation::

    c  sharpness        T  limit        y  cost        p  what is spent so far, and m what a completion adds, in limits
    n_k, m_k  how many completions fall into cost bucket k, and their mean cost        K  buckets in [0, 1]
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from nas.costs import Budget
from nas.trellis import NOWHERE, FloatArray, IntArray

BUCKETS = 4096


class Potential(Protocol):
    """The potential of one secondary signal."""

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give Φ(s, a) of every choice: shape (n, A_t), minus infinity where no completion keeps the limit.

        Args:
            slot: which decision.
            nodes: where n networks stand, shape (n,).
            spent: ticks of the limit that they have cost so far, shape (n,).
        """
        ...


def secondary_reward(share: FloatArray, sharpness: float) -> FloatArray:
    """Give r_S = c · log(y/T) where y/T = ``share`` is at most 1, minus infinity beyond."""
    with np.errstate(divide="ignore"):
        return np.where(share <= 1, sharpness * np.log(share), -np.inf)


class ExactPotential:
    """Φ by dynamic programming over (slot, carried shape, cost bucket).

    Completions are counted, not listed: behind every node stands a histogram of what the completions cost. Buckets keep
    their mean, and what is spent so far enters exactly, so the grid only blurs the border of the limit: against
    enumeration Φ is right to 0.01 where several completions are left, and exact where one is. For a whole c the sum
    over buckets is a polynomial in p::

        Σ_k n_k (p + m_k)^c = Σ_j binom(c, j) p^(c-j) Σ_k n_k m_k^j

    whose inner sums, cumulative over k, are laid down once; a value costs one search and c + 1 terms.

    Args:
        budget: the limit over the trellis.
        sharpness: c, a whole number; 0 counts completions, so that drawing by softmax(Φ) is uniform over them.
        buckets: K.
    """

    def __init__(self, budget: Budget, *, sharpness: int, buckets: int = BUCKETS) -> None:
        self.budget, self.sharpness = budget, sharpness
        steps = budget.trellis.successors
        counts, means = [np.ones((len(budget.end), 1))], [budget.share(budget.end)[:, :1]]
        histograms = [_histograms(counts[0], means[0], buckets)]
        for slot in reversed(range(len(steps))):
            shares = budget.share(budget.steps[slot])[..., 0]
            histograms.append(_step_back(histograms[-1], steps[slot], shares, buckets))
        self._histograms = histograms[::-1]
        self._moments = [[_cumulative_moments(*node, sharpness) for node in nodes] for nodes in self._histograms]
        self._binomials = np.array([math.comb(sharpness, j) for j in range(sharpness + 1)], dtype=float)

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give Φ(s, a); see :class:`Potential`."""
        budget = self.budget
        allowed = budget.allowed(slot, nodes, spent)
        after = budget.add(spent[:, None], budget.steps[slot][nodes])[..., 0]
        following = budget.trellis.successors[slot][nodes]
        values = np.full(allowed.shape, -np.inf)
        for node in np.unique(following[allowed]):
            chosen = allowed & (following == node)
            values[chosen] = self._soft_value(slot + 1, int(node), after[chosen])
        return values

    def log_networks(self) -> float:
        """Give the soft value of the whole space: with sharpness 0, the logarithm of how many networks keep the limit."""
        return float(self._soft_value(0, 0, self.budget.start[:1])[0])

    def _soft_value(self, slot: int, node: int, spent: IntArray) -> FloatArray:
        """Give log Σ (y/T)^c over the completions of a node that keep the limit, for several amounts spent."""
        means = self._histograms[slot][node][1]
        moments = self._moments[slot][node]
        p = spent / self.budget.limit_ticks[0]
        last = np.searchsorted(means, 1 - p + 1e-12, side="right") - 1
        powers = p[:, None] ** np.arange(self.sharpness, -1, -1)
        total = np.sum(self._binomials * powers * moments[np.maximum(last, 0)], axis=1)
        # A bucket at the border whose mean is beyond it may hold a completion that is not: the cheapest one stands in.
        cheapest = (p + self.budget.share(self.budget.cheapest[slot][node])[0]) ** self.sharpness
        return np.asarray(np.log(np.where(last >= 0, total, cheapest)))


Histogram = tuple[FloatArray, FloatArray]
"""How many completions each occupied bucket holds, and their mean cost as a share of the limit; means rise."""


def _histograms(counts: FloatArray, means: FloatArray, buckets: int) -> list[Histogram]:
    return [_gather(count, mean, buckets) for count, mean in zip(counts, means, strict=True)]


def _step_back(following: list[Histogram], successor: IntArray, shares: FloatArray, buckets: int) -> list[Histogram]:
    """Go one slot back: a node's completions are those of its successors, each with its choice's cost on top."""
    histograms = []
    for node in range(len(successor)):
        fitting = np.flatnonzero(successor[node] != NOWHERE)
        parts = [following[successor[node, choice]] for choice in fitting]
        counts = np.concatenate([count for count, _ in parts])
        means = np.concatenate([mean + shares[node, c] for (_, mean), c in zip(parts, fitting, strict=True)])
        histograms.append(_gather(counts, means, buckets))
    return histograms


def _gather(counts: FloatArray, means: FloatArray, buckets: int) -> Histogram:
    """Merge completions that fall into one bucket; what is beyond the limit can be in no network that keeps it."""
    inside = means <= 1
    counts, means = counts[inside], means[inside]
    place = np.floor(means * buckets).astype(np.int64)
    total: FloatArray = np.bincount(place, weights=counts).astype(np.float64)
    cost: FloatArray = np.bincount(place, weights=counts * means).astype(np.float64)
    occupied = total > 0
    return total[occupied], cost[occupied] / total[occupied]


def _cumulative_moments(counts: FloatArray, means: FloatArray, sharpness: int) -> FloatArray:
    """Sum n_k · m_k^j over all buckets up to each, shape (K, c + 1); one empty row where there is no bucket."""
    if not len(counts):
        return np.zeros((1, sharpness + 1))
    return np.cumsum(counts[:, None] * means[:, None] ** np.arange(sharpness + 1), axis=0)
