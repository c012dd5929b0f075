"""Potentials of maxima, and of costs without a limit: exact without a grid over what adds up.

Φ(s, a) = log Σ exp r_S over the completions of (s, a), as everywhere (``nas.potentials.potential``). Two cases need no buckets:

- y is a maximum, and has a limit: r_S = c · log(y/T). What is spent and what a completion adds leave max(p, m), so counting
  completions per level of m is enough.
- y has no limit: r_S = -c · (y/y_m - 1). What adds up becomes a factor of exp r_S for every decision, and what takes a
  maximum is counted per level, each completion with its factor.

Both are one table over (slot, node, level of the maximum so far)::

    N_l(v) = Σ over completions of v at level l of their factors,        U(v, p) = log Σ_l N_l(v) · f(max(p, l))

with f(y) = (y/T)^c, or exp(-c · y/y_m). A value is one look into U.
"""

from __future__ import annotations

import numpy as np

from nas.limits.completions import BLOCKED
from nas.limits.costs import Budget
from nas.potentials.levels import Levels
from nas.trellis import FloatArray, IntArray

LEVELS = 512


class LevelPotential:
    """Φ of a maximum with a limit, or of any cost without one.

    Args:
        budget: the limits over the trellis.
        sharpness: c; 0 counts completions.
        signal: which one of the budget's.
        levels: how many levels a maximum has at most; with more values, each counts as the level above it.
    """

    def __init__(self, budget: Budget, *, sharpness: float, signal: int, levels: int = LEVELS) -> None:
        self.budget = budget
        columns = budget.columns.of([signal])
        maxima = [int(column) for column in columns if budget.columns.is_maximum[column]]
        sums = [int(column) for column in columns if not budget.columns.is_maximum[column]]
        self._peak = maxima[0] if maxima else None
        self._sum = sums[0] if sums else None
        self._limited = budget.limited[signal]
        self._sharpness = sharpness
        self._reference = float(budget.references[signal]) * budget.signals[signal].ticks_per_unit
        self._levels = Levels(budget, self._peak, most=levels)
        self._values = self._look_up_tables()

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:
        """Give Φ(s, a); see :class:`nas.potentials.potential.Potential`."""
        budget = self.budget
        allowed = budget.allowed(slot, nodes, spent)
        after = budget.add(spent[:, None], budget.steps[slot][nodes])[allowed]
        following = budget.trellis.successors[slot][nodes][allowed]
        place = np.zeros(len(after), np.int64) if self._peak is None else self._levels.place(after[:, self._peak])
        values = np.full(allowed.shape, -np.inf)
        values[allowed] = self._values[slot + 1][following, place] + self._factor(after)
        return values

    def log_networks(self) -> float:
        """Give the soft value of the whole space; with sharpness 0, the logarithm of how many networks can run."""
        start = self.budget.start[None]
        place = 0 if self._peak is None else int(self._levels.place(start[:, self._peak])[0])
        return float(self._values[0][0, place] + self._factor(start)[0])

    def _factor(self, costs: IntArray) -> FloatArray:
        """Give the logarithm of what adding up contributes to exp r_S, from (..., C) to (...)."""
        if self._limited or self._sum is None:
            return np.zeros(costs.shape[:-1])
        return np.asarray(-self._sharpness * costs[..., self._sum] / self._reference)

    def _level_rewards(self) -> FloatArray:
        """Give log f of every level, shape (J,), and of no limit the constant c with it."""
        share = self._levels.ticks / self._reference
        if self._limited:
            return np.asarray(self._sharpness * np.log(np.clip(share, 1e-300, 1.0)))
        return np.asarray(self._sharpness * (1 - share))

    def _look_up_tables(self) -> list[FloatArray]:
        """Lay down U per slot and behind the last one, shape (N_t, J)."""
        trellis, levels = self.budget.trellis, self._levels
        counts = np.full((len(self.budget.end), levels.count), -np.inf)
        open_ = (self.budget.end < BLOCKED).all(axis=1)
        counts[np.flatnonzero(open_), levels.end[open_]] = self._factor(self.budget.end)[open_]
        tables = [self._table(counts)]
        for slot in reversed(range(trellis.slots)):
            step, successor = self.budget.steps[slot], trellis.successors[slot]
            factors, open_ = self._factor(step), np.asarray((step < BLOCKED).all(axis=2))
            rows = [
                self._step_back(
                    counts[successor[node, chosen]] + factors[node, chosen, None], levels.steps[slot][node, chosen]
                )
                for node, chosen in enumerate(open_)
            ]
            counts = np.array(rows)
            tables.append(self._table(counts))
        return tables[::-1]

    def _step_back(self, behind: FloatArray, own: IntArray) -> FloatArray:
        """Put the completions through n choices together: log N_l of a node from (n, J), shape (J,)."""
        place = np.arange(behind.shape[1])
        below = np.logaddexp.accumulate(behind, axis=1) if len(behind) else behind
        raised = np.where(place > own[:, None], behind, np.where(place == own[:, None], below, -np.inf))
        return np.asarray(np.logaddexp.reduce(raised, axis=0, initial=-np.inf))

    def _table(self, counts: FloatArray) -> FloatArray:
        """Give U of nodes from their log N, shape (N, J): levels up to p count as p, those above as they are."""
        rewards = self._level_rewards()
        up_to = np.logaddexp.accumulate(counts, axis=1) + rewards
        above = np.full_like(counts, -np.inf)
        above[:, :-1] = np.logaddexp.accumulate((counts + rewards)[:, :0:-1], axis=1)[:, ::-1]
        return np.asarray(np.logaddexp(up_to, above))
