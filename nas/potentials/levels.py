"""The levels that a maximum can have, so that a table over them stays small."""

from __future__ import annotations

import numpy as np

from nas.limits.completions import BLOCKED
from nas.limits.costs import Budget
from nas.trellis import IntArray


class Levels:
    """A column of a budget that holds maxima, as places in a short list of levels.

    Args:
        budget: whose column.
        column: which one; None is a single level of 0, for a cost that has no maximum.
        most: how many levels at most; where there are more values, each is raised to the level above it.
    """

    def __init__(self, budget: Budget, column: int | None, *, most: int) -> None:
        if column is None:
            self.ticks: IntArray = np.zeros(1, dtype=np.int64)
            """Of every level, shape (J,), rising."""
            self.steps: tuple[IntArray, ...] = tuple(np.zeros(step.shape[:2], dtype=np.int64) for step in budget.steps)
            """The level of every choice, per slot, shape (N_t, A_t)."""
            self.end: IntArray = np.zeros(len(budget.end), dtype=np.int64)
            """The level behind the last slot, shape (N_T,)."""
            return
        parts = [step[..., column] for step in budget.steps] + [
            budget.end[:, column],
            budget.start[column : column + 1],
        ]
        values = np.unique(np.concatenate([part.ravel() for part in parts]))
        values = values[values < BLOCKED]
        places = np.unique(np.linspace(0, len(values) - 1, most).round().astype(np.int64))
        self.ticks = values if len(values) <= most else values[places]
        self.steps = tuple(self.place(step[..., column]) for step in budget.steps)
        self.end = self.place(budget.end[:, column])

    @property
    def count(self) -> int:
        """J."""
        return len(self.ticks)

    def place(self, ticks: IntArray) -> IntArray:
        """Give the level of ticks, of any shape; the highest for what cannot be."""
        return np.minimum(np.searchsorted(self.ticks, ticks), self.count - 1).astype(np.int64)
