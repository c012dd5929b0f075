"""Shaping potentials: how much a decision leaves open of what a secondary reward asks for.

With the secondary reward r_S = c · log(y/T) of a finished network that costs y within its limit T (minus infinity beyond
it: spend the budget, never break it), the potential of a decision is the soft value of all ways to finish::

    Φ(s, a) = log Σ exp r_S = log Σ (y/T)^c        over the completions of (s, a) that keep y <= T

Predicted costs alone decide it, so it is known before the first accuracy query, where the paper learns it online by
δ = r_S + γ Φ(s', a') - Φ(s, a) (Section III-D). Here the reward comes at the end and γ = 1: Φ has to rank decisions by
how their networks end, not by how soon.

There is one potential per secondary signal, each of its own cost and limit; what the other limits forbid is the mask's
business. Costs that add up, with a limit, are here; maxima, and costs without a limit, in ``nas.potentials.level_potential``.

Notation::

    c  sharpness        T  limit        y  cost        p  what is spent so far, and m what a completion adds, in limits
    n_k, m_k  how many completions fall into cost bucket k, and their mean cost        K  buckets in [0, 1]
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from typing import Protocol

import numpy as np

from nas.limits.completions import BLOCKED
from nas.limits.costs import Budget
from nas.limits.drawing import Scores
from nas.potentials.levels import Levels
from nas.trellis import FloatArray, IntArray, Trellis

BUCKETS = 4096
FEWER_BUCKETS = 2048
"""Where many nodes would need much memory."""
LEVELS = 16
"""Of what takes a maximum beside what adds up (live activations beside weights)."""
MOST_NODES = 10_000
"""Of one slot: with more, too much is carried from slot to slot to be tabulated."""
MOST_NODES_IN_ALL = 40_000

_FINE_NODES = 4_000
"""Of all slots, up to which buckets are many."""
_MOMENTS = 1 << 25
"""Figures that are kept ready at most; beyond, those not used for longest are laid down again when they are needed."""
_ROUNDING = 1e-12
_TINY = np.finfo(np.float64).tiny


class Potential(Protocol):
    """The potential of one secondary signal."""

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give Φ(s, a) of every choice: shape (n, A_t), minus infinity where no completion keeps the limits.

        Args:
            slot: which decision.
            nodes: where n networks stand, shape (n,).
            spent: ticks that they have cost so far, shape (n, C).
        """
        ...


def exact_obstacle(trellis: Trellis) -> str | None:
    """Say why the exact potential of a space cannot be tabulated; None where it can."""
    nodes = [trellis.nodes(slot) for slot in range(trellis.slots + 1)]
    if max(nodes) > MOST_NODES:
        slot = nodes.index(max(nodes)) + 1
        where = f"slot {slot}" if slot <= trellis.slots else "the head"
        return f"{max(nodes)} shapes can be carried into {where}, more than {MOST_NODES}"
    if sum(nodes) > MOST_NODES_IN_ALL:
        return f"{sum(nodes)} shapes can be carried from slot to slot, more than {MOST_NODES_IN_ALL}"
    return None


def by_potentials(*potentials: Potential) -> Scores:
    """Score choices by potentials alone, so that networks are drawn by softmax(Σ Φ_i)."""
    return lambda at, _: np.sum([one.values(at.slot, at.nodes, at.spent) for one in potentials], axis=0)


class ExactPotential:
    """Φ of a cost that adds up, by dynamic programming over (slot, carried shape, cost bucket).

    Completions are counted, not listed: behind every node stands a histogram of what the completions cost. Buckets keep
    their mean, and what is spent so far enters exactly, so the grid only blurs the border of the limit: against
    enumeration Φ is right to 0.01 where several completions are left, and exact where one is. For a whole c the sum
    over buckets is a polynomial in p::

        Σ_k n_k (p + m_k)^c = Σ_j binom(c, j) p^(c-j) Σ_k n_k m_k^j

    whose inner sums, cumulative over k, are laid down at once where they are few, else when a node is first looked at; a
    value costs one search and c + 1 terms.
    Where a maximum belongs to the cost (memory), there is one histogram per level of it, up to sixteen.

    Args:
        budget: the limits over the trellis.
        sharpness: c, a whole number; 0 counts completions, so that drawing by softmax(Φ) is uniform over them.
        signal: which one of the budget's; None takes the first that is limited. Without a limit, a cost counts as a
            share of the dearest network's, which only a sharpness of 0 makes sense of.
        buckets: K; fewer where there are many nodes.
    """

    def __init__(
        self, budget: Budget, *, sharpness: int, signal: int | None = None, buckets: int | None = None
    ) -> None:
        self.budget, self.sharpness = budget, sharpness
        columns = budget.columns.of([budget.leading if signal is None else signal])
        self._sum, self._peak = int(columns[0]), int(columns[1]) if len(columns) > 1 else None
        self._scale = int(budget.scale[self._sum])
        self._levels = Levels(budget, self._peak, most=LEVELS)
        trellis = budget.trellis
        nodes = sum(trellis.nodes(slot) for slot in range(trellis.slots + 1))
        self.buckets = buckets or (BUCKETS if nodes <= _FINE_NODES else FEWER_BUCKETS)
        # What every network has beside its completions, memory's base above all, takes no buckets.
        left = 1.0 if self._peak is None else 1 - float(budget.start[self._sum]) / self._scale
        self._per_share = self.buckets / left
        self._histograms = self._count()
        self._moments: OrderedDict[tuple[int, int, int, int], tuple[FloatArray, FloatArray]] = OrderedDict()
        self._room = _MOMENTS
        self._binomials = np.array([math.comb(sharpness, j) for j in range(sharpness + 1)], dtype=float)
        if nodes * self.buckets * (sharpness + 1) * self._levels.count <= _MOMENTS:
            self._lay_down()

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give Φ(s, a); see :class:`Potential`."""
        budget = self.budget
        allowed = budget.allowed(slot, nodes, spent)
        after = budget.add(spent[:, None], budget.steps[slot][nodes])
        following = budget.trellis.successors[slot][nodes]
        values = np.full(allowed.shape, -np.inf)
        for node in np.unique(following[allowed]):
            chosen = allowed & (following == node)
            values[chosen] = self._soft_value(slot + 1, int(node), after[chosen])
        return values

    def log_networks(self) -> float:
        """Give the soft value of the whole space: with sharpness 0, the logarithm of how many networks keep the limit."""
        return float(self._soft_value(0, 0, self.budget.start[None])[0])

    def _count(self) -> list[list[list[Histogram]]]:
        """Lay down histograms per slot and behind the last one, node and level."""
        budget, levels = self.budget, self._levels
        shares = budget.end[:, self._sum] / self._scale
        last = [
            [self._gather(np.ones(1), share[None]) if level == place else _EMPTY for place in range(levels.count)]
            for share, level in zip(shares, levels.end, strict=True)
        ]
        found = [last]
        for slot in reversed(range(budget.trellis.slots)):
            successor, step = budget.trellis.successors[slot], budget.steps[slot][..., self._sum]
            following = found[-1]
            rows = []
            for node in range(len(successor)):
                choices = np.flatnonzero(step[node] < BLOCKED)
                behind = [following[successor[node, choice]] for choice in choices]
                rows.append(
                    self._step_back(behind, step[node, choices] / self._scale, levels.steps[slot][node, choices])
                )
            found.append(rows)
        return found[::-1]

    def _step_back(self, behind: list[list[Histogram]], shares: FloatArray, own: IntArray) -> list[Histogram]:
        """Go one slot back: a node's completions are those of its successors, each with its choice's cost on top."""
        found = []
        for level in range(self._levels.count):
            parts = [
                (histograms[place], share)
                for histograms, share, least in zip(behind, shares, own, strict=True)
                for place in range(level + 1)
                if max(place, least) == level and len(histograms[place][0])
            ]
            counts = [count for (count, _), _ in parts]
            means = [mean + share for (_, mean), share in parts]
            found.append(self._gather(np.concatenate(counts), np.concatenate(means)) if parts else _EMPTY)
        return found

    def _soft_value(self, slot: int, node: int, spent: IntArray) -> FloatArray:
        """Give log Σ (y/T)^c over the completions of a node that keep the limit, for several amounts spent, (n, C)."""
        total = np.zeros(len(spent))
        place = np.zeros(len(spent), np.int64) if self._peak is None else self._levels.place(spent[:, self._peak])
        for level in np.unique(place).tolist():
            rows = place == level
            # Completions at levels up to the one reached leave it as it is; each higher level raises it.
            total[rows] += self._powers_up_to_limit(slot, node, 0, level, self._with_peak(spent[rows], 0))
            for higher in range(level + 1, self._levels.count):
                reached = self._with_peak(spent[rows], int(self._levels.ticks[higher]))
                total[rows] += self._powers_up_to_limit(slot, node, higher, higher, reached)
        # A bucket at the border whose mean is beyond it may hold a completion that is not: the cheapest one stands in.
        cheapest = self.budget.cheapest[slot][node]
        least = self._with_peak(spent, 0 if self._peak is None else int(cheapest[self._peak])) / self._scale
        alone = np.minimum(least + cheapest[self._sum] / self._scale, 1.0) ** self.sharpness
        return np.asarray(np.log(np.maximum(np.where(total > 0, total, alone), _TINY)))

    def _powers_up_to_limit(self, slot: int, node: int, lowest: int, highest: int, reached: IntArray) -> FloatArray:
        """Give Σ (y/T)^c over the completions of some levels that keep the limit, for several ticks reached, (n,)."""
        means, moments = self._ready(slot, node, lowest, highest)
        if not len(means):
            return np.zeros(len(reached))
        p = reached / self._scale
        last = np.searchsorted(means, 1 - p + _ROUNDING, side="right") - 1
        powers = p[:, None] ** np.arange(self.sharpness, -1, -1)
        sums = np.sum(self._binomials * powers * moments[np.maximum(last, 0)], axis=1)
        return np.where(last >= 0, sums, 0.0)

    def _lay_down(self) -> None:
        """Make every node's sums ready, so that the first draws take no longer than later ones."""
        for slot, histograms in enumerate(self._histograms):
            for node, level in itertools.product(range(len(histograms)), range(self._levels.count)):
                self._ready(slot, node, level, level)

    def _with_peak(self, spent: IntArray, peak: int) -> IntArray:
        """Put the largest part on top of what is added up so far, in ticks, shape (n,)."""
        if self._peak is None:
            return spent[:, self._sum]
        return spent[:, self._sum] + np.maximum(spent[:, self._peak], peak)

    def _ready(self, slot: int, node: int, lowest: int, highest: int) -> tuple[FloatArray, FloatArray]:
        """Give a node's bucket means m_k at some levels, and Σ n_k · m_k^j over all buckets up to each, (K, c + 1)."""
        key = (slot, node, lowest, highest)
        if key in self._moments:
            self._moments.move_to_end(key)
            return self._moments[key]
        levels = self._histograms[slot][node][lowest : highest + 1]
        counts, means = levels[0] if len(levels) == 1 else self._gather(*map(np.concatenate, zip(*levels, strict=True)))
        ready = (means, np.cumsum(counts[:, None] * np.vander(means, self.sharpness + 1, increasing=True), axis=0))
        self._moments[key] = ready
        self._room -= ready[1].size
        while self._room < 0 and len(self._moments) > 1:
            self._room += self._moments.popitem(last=False)[1][1].size
        return ready

    def _gather(self, counts: FloatArray, means: FloatArray) -> Histogram:
        """Merge completions that fall into one bucket; what is beyond the limit can be in no network that keeps it."""
        inside = means <= 1
        counts, means = counts[inside], means[inside]
        place = np.floor(means * self._per_share).astype(np.int64)
        total: FloatArray = np.bincount(place, weights=counts).astype(np.float64)
        cost: FloatArray = np.bincount(place, weights=counts * means).astype(np.float64)
        occupied = total > 0
        return total[occupied], cost[occupied] / total[occupied]


Histogram = tuple[FloatArray, FloatArray]
"""How many completions each occupied bucket holds, and their mean cost as a share of the limit; means rise."""

_EMPTY: Histogram = (np.zeros(0), np.zeros(0))
