"""Drawing networks slot by slot, many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nas.limits.costs import Budget
from nas.trellis import NOWHERE, BoolArray, Choices, FloatArray, IntArray


@dataclass(slots=True)
class Walkers:
    """n half-made networks that stand in front of the same slot."""

    slot: int
    nodes: IntArray
    """Where they stand, shape (n,)."""
    spent: IntArray
    """What they have cost, in ticks of the budget, one column per cost that is counted; shape (n, C)."""
    choices: IntArray
    """What was decided, shape (n, slot)."""


Scores = Callable[[Walkers, BoolArray], FloatArray]
"""Gives the log-weights of every walker's choices, shape (n, A_t); those that the mask forbids are not looked at."""


def start(budget: Budget, n: int) -> Walkers:
    """Put n walkers in front of the first slot."""
    return Walkers(
        slot=0,
        nodes=np.zeros(n, dtype=np.int64),
        spent=np.repeat(budget.start[None], n, axis=0),
        choices=np.zeros((n, 0), dtype=np.int64),
    )


def step(walkers: Walkers, budget: Budget, taken: IntArray) -> Walkers:
    """Take one choice per walker, shape (n,)."""
    return Walkers(
        slot=walkers.slot + 1,
        nodes=budget.trellis.successors[walkers.slot][walkers.nodes, taken],
        spent=budget.add(walkers.spent, budget.steps[walkers.slot][walkers.nodes, taken]),
        choices=np.concatenate([walkers.choices, taken[:, None]], axis=1),
    )


def draw(budget: Budget, scores: Scores, n: int, random: np.random.Generator) -> IntArray:
    """Draw n networks that keep the limit, each slot by softmax of its scores; shape (n, slots)."""
    walkers = start(budget, n)
    for slot in range(budget.trellis.slots):
        mask = budget.allowed(slot, walkers.nodes, walkers.spent)
        logits = np.where(mask, scores(walkers, mask), -np.inf)
        walkers = step(walkers, budget, sample_softmax(logits, random))
    return walkers.choices


def draw_fairly(budget: Budget, n: int, random: np.random.Generator) -> IntArray:
    """Draw n networks that keep the limit, each slot by a fair choice; shape (n, slots)."""
    return draw(budget, lambda _, mask: np.zeros(mask.shape), n, random)


def neighbours(budget: Budget, choices: Choices) -> list[Choices]:
    """List the networks that differ from one in a single slot and keep the limits, by slot and choice."""
    found: list[Choices] = []
    here = start(budget, 1)
    for slot, kept in enumerate(choices):
        others = np.flatnonzero(np.arange(budget.steps[slot].shape[1]) != kept)
        changed = _fitting(_repeated(here, len(others)), budget, others)
        for later in range(slot + 1, budget.trellis.slots):
            changed = _fitting(changed, budget, np.full(len(changed.nodes), choices[later]))
        kept_limits = budget.within(budget.add(changed.spent, budget.end[changed.nodes]))
        found += [tuple(row) for row in changed.choices[kept_limits].tolist()]
        here = step(here, budget, np.array([kept]))
    return found


def _repeated(walkers: Walkers, n: int) -> Walkers:
    """Put n walkers where one stands."""
    return Walkers(
        slot=walkers.slot,
        nodes=np.repeat(walkers.nodes, n),
        spent=np.repeat(walkers.spent, n, axis=0),
        choices=np.repeat(walkers.choices, n, axis=0),
    )


def _fitting(walkers: Walkers, budget: Budget, taken: IntArray) -> Walkers:
    """Take one choice per walker; those whose choice does not fit are left behind."""
    fits = budget.trellis.successors[walkers.slot][walkers.nodes, taken] != NOWHERE
    chosen = Walkers(
        slot=walkers.slot, nodes=walkers.nodes[fits], spent=walkers.spent[fits], choices=walkers.choices[fits]
    )
    return step(chosen, budget, taken[fits])


def sample_softmax(logits: FloatArray, random: np.random.Generator) -> IntArray:
    """Draw one index per row by softmax (the Gumbel-max trick); shape (n, A) to (n,)."""
    return np.asarray(np.argmax(logits + random.gumbel(size=logits.shape), axis=1))
