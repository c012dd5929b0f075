"""What networks cost, and which decisions can still end within the limits.

Costs come from the predictor once, before the search: one figure per node and choice, since a network's latency is the
sum of its layers' shares; of a cost that layers do not share but need one after the other (live activations, power), the
largest counts. Limits are held in whole numbers (ticks of 1e-9 units), so that a sum does not depend on the order in
which it was made. A limit on a maximum closes the choices that are beyond it. Then a choice is offered only if there is
a way to finish within all limits (``nas.limits.completions``), and so there is always a way.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nas.errors import InfeasibleError, MissedLimit
from nas.limits.completions import BLOCKED, POINTS, Columns, ParetoCompletions, cheapest_completions, dearest_completion
from nas.limits.rewards import secondary_reward, utility
from nas.trellis import NOWHERE, BoolArray, FloatArray, IntArray, Trellis

TICKS_PER_UNIT = 1e9
_ROUNDING = 0.01
"""Ticks that a product of floats may be off, so that 0.3 ms is 300,000,000 ticks and not one more."""
_MOST_POINTS = 1 << 12
"""Completions of a node that are kept at most, where fewer say that no network keeps the limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """One kind of cost over a trellis, in its unit; infinite where a choice does not fit or cannot run."""

    start: float
    """What every network costs before its first slot."""
    steps: tuple[FloatArray, ...]
    """Per slot: shape (N_t, A_t)."""
    end: FloatArray
    """What is added behind the last slot, shape (N_T,)."""
    is_maximum: bool = False
    """Whether a network costs the largest of its parts instead of their sum."""

    def total(self, trellis: Trellis, choices: Sequence[int]) -> float:
        """Put together what a finished network costs."""
        path = trellis.path(choices)
        inner = [float(self.steps[slot][path[slot], choice]) for slot, choice in enumerate(choices)]
        end = float(self.end[path[-1]])
        return max(self.start, *inner, end) if self.is_maximum else self.start + sum(inner) + end


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedSignal:
    """A secondary signal: something that networks cost, laid down over a trellis, and the most that it may be."""

    name: str
    unit: str
    tables: tuple[CostTable, ...]
    """What adds up to it: one table; of memory two, what adds up itself (weights) and a maximum (live activations)."""
    limit: float | None = None
    """In the unit; None only counts."""
    factor: float = 1.0
    """The limit holds for so many times the prediction."""
    ticks_per_unit: float = TICKS_PER_UNIT

    @property
    def is_maximum(self) -> bool:
        """Whether a choice alone can break the limit, and only a choice alone."""
        return len(self.tables) == 1 and self.tables[0].is_maximum

    @property
    def limit_ticks(self) -> int:
        """The limit in ticks; more than any network costs where there is none."""
        if self.limit is None:
            return BLOCKED - 1
        return math.floor(self.limit / self.factor * self.ticks_per_unit + _ROUNDING)

    def ticks(self, costs: FloatArray) -> IntArray:
        """Round costs up to whole ticks."""
        ticks = np.ceil(np.minimum(costs * self.ticks_per_unit - _ROUNDING, BLOCKED))
        return np.asarray(ticks, dtype=np.int64)

    def total(self, trellis: Trellis, choices: Sequence[int]) -> float:
        """Give what a finished network costs, in the unit."""
        return sum(table.total(trellis, choices) for table in self.tables)

    def lowest(self, trellis: Trellis) -> float:
        """Give what the cheapest network costs if nothing else is asked, in the unit; infinite where none can run."""
        columns = _columns(trellis, [replace(self, limit=None)])
        if len(self.tables) == 1:
            ticks = int(columns.add(columns.start, _cheapest(columns, trellis)[0][0][0])[0])
        else:
            ticks = _lowest_sum(columns, trellis)
        return ticks / self.ticks_per_unit if ticks < BLOCKED else math.inf


class Budget:
    """The limits over a trellis: what is spent, what is left, and which choices can still end within all of them.

    Notation::

        L  signals, limited or only counted        C  columns: one per table of a signal (memory has two)
        N_t, A_t  nodes and choices of slot t      ticks  whole parts of a unit        n  networks

    Args:
        trellis: of the space.
        signals: what is counted, at least one.
        points: how many completions of a node are kept at most, where the limits ask for more than the cheapest.

    Raises:
        InfeasibleError: no network keeps the limits.
    """

    def __init__(self, trellis: Trellis, signals: Sequence[PricedSignal], *, points: int = POINTS) -> None:
        self.trellis, self.signals = trellis, tuple(signals)
        columns = self.columns = _columns(trellis, self.signals)
        self.start, self.steps, self.end = columns.start, columns.steps, columns.end
        """Ticks, of shapes (C,), (N_t, A_t, C) per slot, (N_T, C); at least ``BLOCKED`` where a choice is not open."""
        self.limit_ticks = columns.limits
        """Shape (L,); more than any network costs where there is no limit."""
        self.cheapest, through = _cheapest(columns, trellis)
        """Per slot and behind the last one: the cheapest completion by each column alone, shape (N_t, C)."""
        self.scale = _scale(columns, trellis)
        """What a column's ticks are a share of, shape (C,)."""
        deciding = [i for i, signal in enumerate(self.signals) if signal.limit is not None and not signal.is_maximum]
        self._column = int(columns.first[deciding[0]]) if deciding else 0
        self._most = int(columns.limits[deciding[0]]) if deciding else BLOCKED - 1
        self._through = tuple(each[..., self._column] for each in through)
        self._pareto: ParetoCompletions | None = None
        if len(deciding) > 1 or any(len(self.signals[index].tables) > 1 for index in deciding):
            self._pareto, self._pareto_columns = _pareto(columns.part(deciding), trellis, points), columns.of(deciding)
        if not self.allowed(0, np.zeros(1, dtype=np.int64), self.start[None]).any():
            raise _infeasible(trellis, self.signals)

    @property
    def thinned(self) -> bool:
        """Whether too many completions count to keep all: then the mask may forbid what could end within the limits."""
        return self._pareto is not None and self._pareto.thinned

    def add(self, spent: IntArray, costs: IntArray) -> IntArray:
        """Put costs on top of what is spent; shapes (..., C), which broadcast."""
        return self.columns.add(spent, costs)

    def within(self, spent: IntArray) -> BoolArray:
        """Tell which finished networks keep all limits, from (..., C) to (...)."""
        return self.columns.within(spent)

    def allowed(self, slot: int, nodes: IntArray, spent: IntArray) -> BoolArray:
        """Tell which choices can still end within all limits.

        Args:
            slot: which decision.
            nodes: where n networks stand, shape (n,).
            spent: ticks that they have cost so far, shape (n, C).

        Returns:
            Shape (n, A_t).
        """
        if self._pareto is not None:
            return self._pareto.allowed(slot, nodes, spent[:, self._pareto_columns])
        return np.asarray(spent[:, self._column, None] + self._through[slot][nodes] <= self._most)

    def share(self, spent: IntArray) -> FloatArray:
        """Give ticks of shape (..., C) as shares: of the limit, or of the dearest network where there is none."""
        return np.asarray(spent / self.scale)

    @property
    def leading(self) -> int:
        """The first signal that has a limit and adds up, at least partly; the first one where there is none."""
        places = (
            place for place, signal in enumerate(self.signals) if signal.limit is not None and not signal.is_maximum
        )
        return next(places, 0)

    @property
    def limited(self) -> tuple[bool, ...]:
        """Which signals have a limit."""
        return tuple(signal.limit is not None for signal in self.signals)

    @functools.cached_property
    def references(self) -> FloatArray:
        """What a signal's reward is measured by, in its unit: its limit, or what the backbone costs; shape (L,)."""
        backbone = self.costs(self.trellis.complete(()))
        return np.array(
            [
                _reference(cost, self.trellis, signal) if signal.limit is None else signal.limit / signal.factor
                for cost, signal in zip(backbone, self.signals, strict=True)
            ]
        )

    def reward(self, signal: int, spent: IntArray, sharpness: float) -> FloatArray:
        """Give one signal's secondary reward of finished networks from what they spent, from (..., C) to (...)."""
        ticks = spent[..., self.columns.of([signal])].sum(axis=-1)
        if self.limited[signal]:
            return secondary_reward(np.minimum(ticks / self.limit_ticks[signal], 1.0), sharpness)
        return utility(ticks / (self.references[signal] * self.signals[signal].ticks_per_unit), sharpness)

    def rewards(self, choices: Sequence[int], sharpness: float) -> FloatArray:
        """Give every signal's secondary reward of a finished network (``nas.limits.rewards``), shape (L,)."""
        shares = np.array(self.costs(choices)) / self.references
        return np.where(self.limited, secondary_reward(shares, sharpness), utility(shares, sharpness))

    def ticks(self, choices: Sequence[int]) -> IntArray:
        """Give what a finished network costs in ticks, shape (C,); at least ``BLOCKED`` where choices do not fit."""
        node, spent = 0, self.start
        for slot, choice in enumerate(choices):
            spent = self.add(spent, self.steps[slot][node, choice])
            node = int(self.trellis.successors[slot][node, choice])
        return self.add(spent, self.end[node])

    def keeps(self, choices: Sequence[int]) -> bool:
        """Tell whether a finished network fits together and keeps all limits."""
        return bool(self.within(self.ticks(choices)))

    def costs(self, choices: Sequence[int]) -> tuple[float, ...]:
        """Give what a finished network costs, one figure per signal, each in its unit."""
        return tuple(signal.total(self.trellis, choices) for signal in self.signals)


def _reference(backbone: float, trellis: Trellis, signal: PricedSignal) -> float:
    """Measure by the backbone's cost, and where it cannot run, by the lowest possible."""
    return max(backbone if math.isfinite(backbone) else signal.lowest(trellis), 1 / signal.ticks_per_unit)


def _columns(trellis: Trellis, signals: Sequence[PricedSignal]) -> Columns:
    """Lay signals out in ticks; what cannot run, and what alone breaks a limit on a maximum, is blocked in each column."""
    tables = [(signal, table) for signal in signals for table in signal.tables]
    counts = [len(signal.tables) for signal in signals]
    limits = np.array([signal.limit_ticks for signal in signals])
    most = np.repeat(np.where([signal.is_maximum for signal in signals], limits, BLOCKED - 1), counts)
    start = np.concatenate([signal.ticks(np.array([table.start])) for signal, table in tables])
    end = np.stack([signal.ticks(table.end) for signal, table in tables], axis=-1)
    end[(end > most).any(axis=-1)] = BLOCKED
    steps = []
    for slot, successor in enumerate(trellis.successors):
        step = np.stack([signal.ticks(table.steps[slot]) for signal, table in tables], axis=-1)
        step[(step > most).any(axis=-1) | (successor == NOWHERE) | bool((start > most).any())] = BLOCKED
        steps.append(step)
    return Columns(
        start=start,
        steps=tuple(steps),
        end=end,
        is_maximum=np.array([table.is_maximum for _, table in tables]),
        first=np.cumsum([0, *counts[:-1]]),
        limits=limits,
    )


def _cheapest(columns: Columns, trellis: Trellis) -> tuple[tuple[IntArray, ...], tuple[IntArray, ...]]:
    """Give the cheapest completions by each column alone: of nodes, shape (N_t, C), and through choices, (N_t, A_t, C)."""
    alone = [
        cheapest_completions(
            [step[..., column] for step in columns.steps],
            columns.end[:, column],
            trellis.successors,
            is_maximum=bool(columns.is_maximum[column]),
        )
        for column in range(len(columns.start))
    ]
    nodes, choices = zip(*alone, strict=True)
    return (
        tuple(np.stack(each, axis=-1) for each in zip(*nodes, strict=True)),
        tuple(np.stack(each, axis=-1) for each in zip(*choices, strict=True)),
    )


def _scale(columns: Columns, trellis: Trellis) -> IntArray:
    """Give what a column's ticks are a share of: its limit, or the dearest network where there is none; shape (C,)."""
    limits = np.repeat(columns.limits, np.diff([*columns.first, len(columns.start)]))
    dearest = dearest_completion(columns, trellis.successors)
    return np.where(limits < BLOCKED - 1, limits, np.maximum(columns.add(columns.start, dearest), 1))


def _pareto(columns: Columns, trellis: Trellis, points: int) -> ParetoCompletions:
    """Keep more completions as long as those that are kept say that there is no network within the limits."""
    while True:
        found = ParetoCompletions(columns, trellis.successors, points=points)
        if found.kept[0][0, 0, 0] < BLOCKED or not found.thinned or points >= _MOST_POINTS:
            return found
        points = min(8 * points, _MOST_POINTS)


def _lowest_sum(columns: Columns, trellis: Trellis) -> int:
    """Give the lowest sum of a column that adds up and one whose largest part counts, over all networks."""
    parts = [columns.start[1:], columns.end[:, 1], *(step[..., 1].ravel() for step in columns.steps)]
    levels = np.unique(np.concatenate(parts))
    lowest = BLOCKED
    for level in levels[(levels >= columns.start[1]) & (levels < BLOCKED)]:
        steps = [np.where(step[..., 1] <= level, step[..., 0], BLOCKED) for step in columns.steps]
        end = np.where(columns.end[:, 1] <= level, columns.end[:, 0], BLOCKED)
        nodes, _ = cheapest_completions(steps, end, trellis.successors, is_maximum=False)
        lowest = min(lowest, int(columns.start[0] + nodes[0][0] + level))
    return lowest


def _infeasible(trellis: Trellis, signals: Sequence[PricedSignal]) -> InfeasibleError:
    """Say which limit no network keeps, or that none keeps all of them."""
    limited = [(signal, signal.limit, signal.lowest(trellis)) for signal in signals if signal.limit is not None]
    missed = [
        MissedLimit(
            target=signal.name, limit=limit, lowest=lowest * signal.factor, unit=signal.unit, factor=signal.factor
        )
        for signal, limit, lowest in limited
    ]
    alone = [one for one in missed if not one.lowest <= one.limit]
    return InfeasibleError(alone[:1] or missed)
