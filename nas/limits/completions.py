"""Ways to finish: what they cost at the least, and which of them no other beats in every cost.

A choice may be offered if some way to finish behind it keeps all limits. One limit on a sum asks for the cheapest
completion only. Two sums, or a sum and a maximum, ask for all completions that no other matches in every cost (the
Pareto set of every node), for which one is needed depends on what is spent so far. Costs are whole ticks, so that all
comparisons are exact.

A Pareto set may be thinned. What is kept are completions that exist, and a node's are made from those that its
successors keep: a thinned mask can forbid too much, never too little, and where it offers a choice it offers one again
behind it. So no walk that follows it meets a dead end.

Notation::

    C  columns: costs that add up along a network, or whose largest counts        L  limits on sums of columns
    P  completions kept of a node        N_t, A_t  nodes and choices of slot t (``nas.trellis``)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.trellis import NOWHERE, BoolArray, FloatArray, IntArray

BLOCKED = 1 << 53
"""More ticks than any limit holds, few enough that hundreds of them add up without overflow."""
POINTS = 128
"""Completions that are kept of a node at most."""

_AT_ONCE = 16
"""Completions that are tried at once."""
_COMPARED_PAIRWISE = 1500
"""Completions in three or more columns that are compared each with each; of more, some are chosen first."""
_TIE = 1e-6
"""Weight of the sum of all costs where a direction asks for the largest: of two that are equal in it, the better one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the slots cost in whole ticks, how it is put together, and what it may come to."""

    start: IntArray
    """Shape (C,)."""
    steps: tuple[IntArray, ...]
    """Per slot, shape (N_t, A_t, C); at least :data:`BLOCKED` where a choice is not open."""
    end: IntArray
    """Behind the last slot, shape (N_T, C)."""
    is_maximum: BoolArray
    """Which columns hold the largest of their parts instead of the sum, shape (C,)."""
    first: IntArray
    """Where each limit's columns begin; it holds for their sum. Shape (L,), rising."""
    limits: IntArray
    """Shape (L,)."""

    def of(self, limits: Sequence[int]) -> IntArray:
        """Give the columns of some limits."""
        ends = np.append(self.first, len(self.start))
        return np.concatenate([np.arange(ends[limit], ends[limit + 1]) for limit in limits])

    def part(self, limits: Sequence[int]) -> Columns:
        """Leave out what belongs to no limit of a list."""
        columns, counts = self.of(limits), [len(self.of([limit])) for limit in limits]
        return Columns(
            start=self.start[columns],
            steps=tuple(step[..., columns] for step in self.steps),
            end=self.end[:, columns],
            is_maximum=self.is_maximum[columns],
            first=np.cumsum([0, *counts[:-1]]),
            limits=self.limits[list(limits)],
        )

    def add(self, spent: IntArray, costs: IntArray) -> IntArray:
        """Put costs on top of what is spent; shapes (..., C), which broadcast."""
        if not self.is_maximum.any():
            return spent + costs
        return np.where(self.is_maximum, np.maximum(spent, costs), spent + costs)

    def within(self, spent: IntArray) -> BoolArray:
        """Tell where all limits are kept, from (..., C) to (...)."""
        return np.asarray((np.add.reduceat(spent, self.first, axis=-1) <= self.limits).all(axis=-1))


def cheapest_completions(
    steps: Sequence[IntArray], end: IntArray, successors: Sequence[IntArray], *, is_maximum: bool
) -> tuple[tuple[IntArray, ...], tuple[IntArray, ...]]:
    """Give the least that the completions of every node, and through every choice, cost in one column.

    Args:
        steps: per slot, shape (N_t, A_t); at least :data:`BLOCKED` where a choice is not open.
        end: behind the last slot, shape (N_T,).
        successors: of the trellis.
        is_maximum: whether the largest part counts instead of the sum.

    Returns:
        Of nodes, per slot and behind the last one, shape (N_t,); through choices, per slot, shape (N_t, A_t).
        :data:`BLOCKED` where there is no completion.
    """
    cheapest, through = [np.minimum(end, BLOCKED)], []
    for step, successor in zip(reversed(steps), reversed(successors), strict=True):
        rest = np.where(successor == NOWHERE, BLOCKED, cheapest[-1][successor])
        both = np.maximum(step, rest) if is_maximum else step + rest
        through.append(np.minimum(both, BLOCKED))
        cheapest.append(np.min(through[-1], axis=1))
    return tuple(reversed(cheapest)), tuple(reversed(through))


def dearest_completion(columns: Columns, successors: Sequence[IntArray]) -> IntArray:
    """Give the most that any way from the start costs behind it, column by column; shape (C,)."""
    dearest = np.where(columns.end < BLOCKED, columns.end, -1)
    for step, successor in zip(reversed(columns.steps), reversed(successors), strict=True):
        fits = (successor != NOWHERE) & (step < BLOCKED).all(axis=2) & (dearest[successor] >= 0).all(axis=2)
        through = np.where(fits[..., None], columns.add(step, dearest[successor]), -1)
        dearest = through.max(axis=1)
    return np.asarray(dearest[0])


class ParetoCompletions:
    """The completions of every node that no other matches in every column and beats in one.

    Those that no way to the node leaves room for are left out, and where one fits behind every way to the node, it alone
    is kept: neither changes what is allowed.

    Args:
        columns: each is part of a limit.
        successors: of the trellis.
        points: how many are kept of a node at most; of more, those that are best in as many directions.
    """

    def __init__(self, columns: Columns, successors: Sequence[IntArray], *, points: int = POINTS) -> None:
        self.columns, self.points, self._successors = columns, points, tuple(successors)
        self.thinned = False
        """Whether some node has more than are kept."""
        least, most = _spent_before(columns, successors, lowest=True), _spent_before(columns, successors, lowest=False)
        kept = [
            _padded(
                [
                    self._keep(end[None], low, high)
                    for end, low, high in zip(columns.end, least[-1], most[-1], strict=True)
                ]
            )
        ]
        for slot in reversed(range(len(successors))):
            kept.append(
                _padded(
                    [
                        self._keep(self._candidates(slot, node, kept[-1]), least[slot][node], most[slot][node])
                        for node in range(len(successors[slot]))
                    ]
                )
            )
        self.kept: tuple[IntArray, ...] = tuple(reversed(kept))
        """Per slot and behind the last one, shape (N_t, P, C); :data:`BLOCKED` where a node has fewer."""
        self._lowest = [points.min(axis=1) for points in self.kept]
        self._two_sums = len(columns.limits) == len(columns.start) == 2 and not columns.is_maximum.any()

    def allowed(self, slot: int, nodes: IntArray, spent: IntArray) -> BoolArray:
        """Tell behind which choices a kept completion keeps all limits, from (n, C) to (n, A_t)."""
        columns, following = self.columns, self._successors[slot][nodes]
        after = columns.add(spent[:, None], columns.steps[slot][nodes])
        bound = columns.add(after, self._lowest[slot + 1][following])
        allowed: BoolArray = columns.within(bound) & (following != NOWHERE)
        check = self._on_staircases if self._two_sums else self._among_all
        allowed[allowed] = check(self.kept[slot + 1], following[allowed], after[allowed])
        return allowed

    def _on_staircases(self, kept: IntArray, following: IntArray, after: IntArray) -> BoolArray:
        """Look along points that rise in the first cost and fall in the second: the last that fits in the first decides."""
        left = self.columns.limits - after
        found = np.zeros(len(after), dtype=np.bool_)
        for node in np.unique(following):
            here = following == node
            last = np.searchsorted(kept[node, :, 0], left[here, 0], side="right") - 1
            found[here] = (last >= 0) & (kept[node, last, 1] <= left[here, 1])
        return found

    def _among_all(self, kept: IntArray, following: IntArray, after: IntArray) -> BoolArray:
        """Try the points of every node, a few at a time, until one keeps all limits; from (m, C) to (m,)."""
        found = np.zeros(len(after), dtype=np.bool_)
        for first in range(0, kept.shape[1], _AT_ONCE):
            rows = np.flatnonzero(~found)
            points = kept[following[rows], first : first + _AT_ONCE]
            found[rows] = self.columns.within(self.columns.add(after[rows, None], points)).any(axis=1)
        return found

    def _candidates(self, slot: int, node: int, behind: IntArray) -> IntArray:
        """List what the completions of a node through all of its choices cost, shape (n, C)."""
        following, steps = self._successors[slot][node], self.columns.steps[slot][node]
        found = [np.zeros((0, steps.shape[1]), dtype=np.int64)]
        for successor in np.unique(following[following != NOWHERE]):
            ways = nondominated(steps[following == successor])
            rests = behind[successor][behind[successor][:, 0] < BLOCKED]
            found.append(self.columns.add(ways[:, None], rests[None]).reshape(-1, steps.shape[1]))
        return np.concatenate(found)

    def _keep(self, candidates: IntArray, least: IntArray, most: IntArray) -> IntArray:
        """Choose the completions of one node that matter; what is spent in front of it lies between least and most."""
        open_ = candidates[self.columns.within(self.columns.add(least, candidates))]
        always = open_[self.columns.within(self.columns.add(most, open_))]
        if len(always):
            return always[:1]
        if open_.shape[1] > 2 and len(open_) > _COMPARED_PAIRWISE:
            chosen = _spread(open_, self.points)
            open_ = np.concatenate([chosen, open_[~_beaten(open_, chosen)]])
            if len(open_) > _COMPARED_PAIRWISE:
                self.thinned = True
                return chosen
        front = nondominated(open_)
        if len(front) <= self.points:
            return front
        self.thinned = True
        return _spread(front, self.points)


def nondominated(points: IntArray) -> IntArray:
    """Leave out points that another one matches in every column; shape (n, C) to (m, C), in lexicographic order."""
    if len(points) < 2:
        return points
    if points.shape[1] <= 2:
        points = points[np.lexsort(points.T[::-1])]
        lowest = np.minimum.accumulate(points[:, -1])
        return np.asarray(points[np.append(True, points[1:, -1] < lowest[:-1])])
    points = np.asarray(np.unique(points, axis=0), dtype=np.int64)
    place = 0
    while place < len(points):
        beats = (points < points[place]).any(axis=1)
        beats[place] = True
        points = points[beats]
        place = int(beats[:place].sum()) + 1
    return points


def _beaten(points: IntArray, others: IntArray) -> BoolArray:
    """Tell which points another one of a list matches, from (n, C) to (n,); a point of the list matches itself."""
    beaten = np.zeros(len(points), dtype=np.bool_)
    for other in others:
        rest = np.flatnonzero(~beaten)
        beaten[rest] = (other <= points[rest]).all(axis=1)
    return beaten


def _spread(front: IntArray, points: int) -> IntArray:
    """Choose points of a front, those that are best in evenly spread directions: the lowest weighted largest cost."""
    low, high = front.min(axis=0), front.max(axis=0)
    scaled = (front - low) / np.maximum(high - low, 1)
    chosen = set(np.argmin(scaled + _TIE * scaled.sum(axis=1, keepdims=True), axis=0).tolist())
    for direction in _directions(points - len(chosen), front.shape[1]):
        weighted = scaled * direction
        chosen.add(int(np.argmin(weighted.max(axis=1) + _TIE * weighted.sum(axis=1))))
    return front[sorted(chosen)]


def _directions(count: int, columns: int) -> FloatArray:
    """Give positive weights that add up to 1, shape (count, C), the same at every call."""
    return np.random.default_rng(0).dirichlet(np.ones(columns), size=count)


def _spent_before(columns: Columns, successors: Sequence[IntArray], *, lowest: bool) -> list[IntArray]:
    """Bound what is spent in front of every node, column by column: per slot and behind the last one, shape (N_t, C)."""
    bound, choose = (BLOCKED, np.minimum) if lowest else (-1, np.maximum)
    counts = [*(len(successor) for successor in successors[1:]), len(columns.end)]
    reached = [columns.start[None]]
    for step, successor, count in zip(columns.steps, successors, counts, strict=True):
        fits = (successor != NOWHERE) & (step < BLOCKED).all(axis=2)
        after = columns.add(reached[-1][:, None], step)
        nodes = np.full((count, step.shape[2]), bound)
        choose.at(nodes, successor[fits], after[fits])
        reached.append(nodes)
    return reached


def _padded(sets: Sequence[IntArray]) -> IntArray:
    """Put sets of completions of shape (P_i, C) into one array of shape (N, P, C)."""
    widest = max(1, *(len(points) for points in sets))
    padded = np.full((len(sets), widest, sets[0].shape[1]), BLOCKED)
    for node, points in enumerate(sets):
        padded[node, : len(points)] = points
    return padded
