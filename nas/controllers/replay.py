"""The replay memory: every decision of every network that was asked about, in arrays that grow.

Q learns from random batches of it. What each choice of the next slot leads to is kept only where Q learns from its own
maximum; with returns it is not needed, and in long spaces it would be large.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from nas.controllers.encoding import Float32Array
from nas.trellis import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """Decisions; all arrays begin with the same axes, (n,) in memory and (K, batch) in a sample."""

    episode: IntArray
    """Which network they are of."""
    to_go: IntArray
    """How many decisions follow."""
    after: Float32Array
    """s', what (s, a) leads to, shape (…, size)."""
    shaping: FloatArray
    """Φ_i(s, a) when it was decided, shape (…, potentials)."""
    next_after: Float32Array
    """What every choice of the next slot leads to, shape (…, A, size); A = 0 where it is not kept."""
    next_mask: BoolArray
    """Which of them keep the limit, shape (…, A); none behind the last slot."""


class Replay:
    """Transitions that can be added to and sampled from.

    Args:
        size: entries of a state.
        potentials: how many there are.
        choices: A, the most choices that a slot has; 0 keeps no next states.
    """

    def __init__(self, size: int, *, potentials: int, choices: int) -> None:
        self._count = 0
        self._kept = Transitions(
            episode=np.zeros(0, dtype=np.int64),
            to_go=np.zeros(0, dtype=np.int64),
            after=np.zeros((0, size), dtype=np.float32),
            shaping=np.zeros((0, potentials)),
            next_after=np.zeros((0, choices, size), dtype=np.float32),
            next_mask=np.zeros((0, choices), dtype=np.bool_),
        )

    def __len__(self) -> int:
        return self._count

    def add(self, added: Transitions) -> None:
        """Keep some more transitions."""
        start, self._count = self._count, self._count + len(added.episode)
        if self._count > len(self._kept.episode):
            self._kept = _grown(self._kept, max(self._count, 2 * start))
        for field in fields(Transitions):
            getattr(self._kept, field.name)[start : self._count] = getattr(added, field.name)

    def sample(self, random: np.random.Generator, members: int, batch_size: int) -> Transitions:
        """Draw a batch for every member of an ensemble."""
        chosen = random.integers(self._count, size=(members, batch_size))
        return Transitions(**{field.name: getattr(self._kept, field.name)[chosen] for field in fields(Transitions)})


def _grown(kept: Transitions, room: int) -> Transitions:
    """Copy transitions into arrays with room for more."""

    def copied(array: np.ndarray) -> np.ndarray:
        larger = np.zeros((room, *array.shape[1:]), dtype=array.dtype)
        larger[: len(array)] = array
        return larger

    return Transitions(**{field.name: copied(getattr(kept, field.name)) for field in fields(Transitions)})
