"""States as numbers: ⟨attributes of the network as decided so far, its layer at step t, context⟩ (Section III-D).

Deciding slot t replaces the backbone's block there, so the network as decided so far is a whole one. Transitions are
deterministic, so a pair (s, a) is written as the state that it leads to.

Notation::

    T  slots        F  attributes of a choice        G  of what is carried        n  networks        A  choices of a slot
    C  costs that are counted
    state = T·F attributes | T + 1 which slot is next | F its layer now | G carried | C spent | context
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nas.trellis import NOWHERE, FloatArray, IntArray, Trellis
from parsers.schema import Context

Float32Array = npt.NDArray[np.float32]


def context_attributes(context: Context) -> FloatArray:
    """Write a context (Definition 1) as numbers in [0, 1); what it does not know is 0."""
    hardware = (
        context.cores,
        context.compute_units,
        context.memory_gb,
        context.clock_freq_ghz,
        context.memory_bw_gbs,
    )
    task = (context.task_text, context.task_multi_entity, context.task_roi)
    return np.array([*(math.tanh(math.log1p(value or 0) / 4) for value in hardware), *map(float, task)])


class Encoder:
    """Writes the states of a trellis in one context as vectors with entries in [0, 1].

    Args:
        trellis: of the space.
        context: as :func:`context_attributes` writes it.
        costs: C, how many are counted.
    """

    def __init__(self, trellis: Trellis, context: FloatArray, *, costs: int = 1) -> None:
        self.trellis, self.context = trellis, context
        self._tails = _backbone_tails(trellis)
        slots, width = trellis.slots, trellis.attributes[0].shape[2]
        self.size = slots * width + slots + 1 + width + trellis.carried[0].shape[1] + costs + len(context)

    def states(self, slot: int, decided: IntArray, nodes: IntArray, spent: FloatArray) -> Float32Array:
        """Write n networks that stand in front of a slot, or behind the last one.

        Args:
            slot: which one.
            decided: their choices so far, shape (n, slot).
            nodes: where they stand, shape (n,).
            spent: the shares of the limits that they have cost, shape (n, C).

        Returns:
            Shape (n, size).
        """
        return self._write(slot, self.prefix(decided), nodes, spent)

    def afterstates(self, slot: int, prefix: FloatArray, nodes: IntArray, spent: FloatArray) -> Float32Array:
        """Write what every choice of a slot leads to.

        Args:
            slot: which decision.
            prefix: attributes of the slots decided so far, as :meth:`extend` builds them, shape (n, T, F).
            nodes: where n networks stand, shape (n,).
            spent: shares of the limits that they cost behind each choice, shape (n, A, C).

        Returns:
            Shape (n, A, size). Rows of choices that do not fit mean nothing.
        """
        attributes = self.trellis.attributes[slot][nodes]
        n, choices, _ = attributes.shape
        following = np.where(self.trellis.successors[slot] == NOWHERE, 0, self.trellis.successors[slot])[nodes]
        extended = np.repeat(prefix[:, None], choices, axis=1)
        extended[:, :, slot] = attributes
        flat = extended.reshape(n * choices, *prefix.shape[1:])
        return self._write(slot + 1, flat, following.ravel(), spent.reshape(n * choices, -1)).reshape(
            n, choices, self.size
        )

    def prefix(self, decided: IntArray) -> FloatArray:
        """Give the attributes of n networks' decided slots, from (n, t) choices to (n, T, F); 0 where undecided."""
        trellis = self.trellis
        attributes = np.zeros((len(decided), trellis.slots, trellis.attributes[0].shape[2]))
        nodes = np.zeros(len(decided), dtype=np.int64)
        for slot in range(decided.shape[1]):
            attributes[:, slot] = trellis.attributes[slot][nodes, decided[:, slot]]
            nodes = trellis.successors[slot][nodes, decided[:, slot]]
        return attributes

    def _write(self, slot: int, prefix: FloatArray, nodes: IntArray, spent: FloatArray) -> Float32Array:
        """Write n states in front of a slot: the backbone fills what is not decided."""
        trellis = self.trellis
        network = prefix + self._tails[slot][nodes]
        now = network[:, slot] if slot < trellis.slots else np.zeros_like(network[:, 0])
        which = np.zeros((len(nodes), trellis.slots + 1))
        which[:, slot] = 1
        context = np.broadcast_to(self.context, (len(nodes), len(self.context)))
        parts = (network.reshape(len(nodes), -1), which, now, trellis.carried[slot][nodes], spent, context)
        return np.concatenate(parts, axis=1, dtype=np.float32)


def _backbone_tails(trellis: Trellis) -> list[FloatArray]:
    """Give the attributes of the backbone's completion of every node, per slot of shape (N_t, T, F)."""
    width = trellis.attributes[0].shape[2]
    tails = [np.zeros((trellis.nodes(trellis.slots), trellis.slots, width))]
    for slot in reversed(range(trellis.slots)):
        rows = np.arange(trellis.nodes(slot))
        choice = trellis.backbone[slot]
        tail = tails[-1][trellis.successors[slot][rows, choice]].copy()
        tail[:, slot] = trellis.attributes[slot][rows, choice]
        tails.append(tail)
    return tails[::-1]
