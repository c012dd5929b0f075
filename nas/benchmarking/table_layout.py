"""A table of all networks, laid out for controllers to search: as a tree, priced, with potentials.

A table's costs need not add up over the slots, so its trellis is a tree: a node is a prefix of choices, and the price of
a choice is by how much it raises the cheapest network that can still be reached. What is spent on a prefix is then the
minimum over its block of the table, the rest costs nothing, and :class:`nas.limits.costs.Budget` masks exactly; potentials are
sums over the same blocks (:class:`TablePotential`).
"""

from __future__ import annotations

import numpy as np

from nas.controllers.encoding import Encoder
from nas.datasets.tables import Table
from nas.limits.costs import Budget, CostTable, PricedSignal
from nas.limits.rewards import secondary_reward
from nas.trellis import FloatArray, IntArray, Trellis


def table_trellis(table: Table) -> Trellis:
    """Lay a table out as a tree: the node in front of a slot is the prefix of choices, in the order of the table's axes.

    A choice is described by which one it is. The network of median cost stands for the backbone.
    """
    shape = table.cost.shape
    nodes = [int(np.prod(shape[:slot], dtype=np.int64)) for slot in range(len(shape) + 1)]
    median = np.unravel_index(np.argsort(table.cost, axis=None, kind="stable")[table.cost.size // 2], shape)
    names = np.eye(max(shape))
    return Trellis(
        successors=tuple(
            np.arange(below).reshape(above, choices)
            for above, below, choices in zip(nodes, nodes[1:], shape, strict=False)
        ),
        backbone=tuple(np.full(above, int(choice)) for above, choice in zip(nodes, median, strict=False)),
        attributes=tuple(
            np.broadcast_to(names[:choices], (above, choices, len(names)))
            for above, choices in zip(nodes, shape, strict=False)
        ),
        carried=tuple(np.zeros((count, 0)) for count in nodes),
    )


def table_encoder(trellis: Trellis) -> Encoder:
    """Write the states of a table's tree; a table has one context, which says nothing."""
    return Encoder(trellis, np.zeros(0))


def table_budget(table: Table, trellis: Trellis, limit: float, *, masked: bool = True) -> Budget:
    """Price every prefix by the cheapest network behind it, in shares of the limit.

    Args:
        table: whose costs.
        trellis: of the table.
        limit: in the cost's unit; some network keeps it.
        masked: False leaves every network open, and the limit to whoever searches.
    """
    shares = table.shares(limit)
    cheapest = [shares.ravel()]
    for slot in reversed(range(trellis.slots)):
        cheapest.append(cheapest[-1].reshape(trellis.successors[slot].shape).min(axis=1))
    cheapest.reverse()
    steps = tuple(
        after[successor] - before[:, None]
        for before, after, successor in zip(cheapest, cheapest[1:], trellis.successors, strict=False)
    )
    costs = CostTable(start=float(cheapest[0][0]), steps=steps, end=np.zeros(table.cost.size))
    most = 1.0 if masked else float(shares.max())
    return Budget(trellis, [PricedSignal(name=table.cost_name, unit="", tables=(costs,), limit=most)])


class TablePotential:
    """Φ(s, a) = log Σ (y/T)^c over the completions that keep the limit, summed over a table's blocks; exact.

    Args:
        budget: a limit over a table's tree.
        sharpness: c; 0 counts completions.
    """

    def __init__(self, budget: Budget, *, sharpness: float) -> None:
        spent = budget.start[None]
        for step in budget.steps:
            spent = budget.add(spent[:, None], step).reshape(-1, len(budget.start))
        share = budget.share(spent)[:, 0]
        values = np.where(budget.within(spent), secondary_reward(np.minimum(share, 1.0), sharpness), -np.inf)
        blocks: list[FloatArray] = []
        for successor in reversed(budget.trellis.successors):
            blocks.append(values.reshape(successor.shape))
            values = np.logaddexp.reduce(blocks[-1], axis=1)
        self._blocks = blocks[::-1]

    def values(self, slot: int, nodes: IntArray, spent: IntArray) -> FloatArray:  # noqa: ARG002 - the node tells what is spent
        """Give Φ(s, a); see :class:`nas.potentials.potential.Potential`."""
        return np.asarray(self._blocks[slot][nodes])
