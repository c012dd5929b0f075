"""What the free predictor does for a rival, the same for each: which networks it may ask about, and where it begins.

A lead of AutoCoMET's controller that comes from the predictor alone is no lead, so every rival can be given it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from nas.costs import Budget
from nas.drawing import draw
from nas.potential import Potential
from nas.trellis import Choices


class Assist(StrEnum):
    """How much a rival is helped."""

    NONE = "none"
    """It asks about any network, and learns of a broken limit with the answer."""
    MASK = "mask"
    """It never asks about a network beyond the limit."""
    NEAR_BUDGET = "near-budget"
    """And what it draws afresh lies near the limit, as AutoCoMET's first draws do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistance:
    """Networks that are open to a rival, and how it draws afresh."""

    budget: Budget
    """Whose mask holds: the limit, or none."""
    potential: Potential
    """Whose softmax fresh networks are drawn by."""
    limit_ticks: int
    """The limit itself, in ticks of the budget."""

    def draw(self, n: int, random: np.random.Generator) -> list[Choices]:
        """Draw n networks afresh; some may be the same."""
        drawn = draw(self.budget, lambda at, _: self.potential.values(at.slot, at.nodes, at.spent), n, random)
        return [tuple(row) for row in drawn.tolist()]

    def share(self, choices: Sequence[int]) -> float:
        """Give a network's cost as a share of the limit, y/T."""
        return self._ticks(choices) / self.limit_ticks

    def offers(self, choices: Sequence[int]) -> bool:
        """Tell whether a network fits together and may be asked about."""
        node = 0
        for slot, choice in enumerate(choices):
            node = int(self.budget.trellis.successors[slot][node, choice])
            if node < 0:
                return False
        return self._ticks(choices) <= self.budget.limit_ticks

    def neighbours(self, choices: Choices) -> list[Choices]:
        """List the networks that differ in one slot and may be asked about."""
        return [
            changed
            for slot, step in enumerate(self.budget.steps)
            for choice in range(step.shape[1])
            if choice != choices[slot] and self.offers(changed := (*choices[:slot], choice, *choices[slot + 1 :]))
        ]

    def worth(self, choices: Sequence[int], accuracy: float) -> float:
        """Give the accuracy of a network that keeps the limit, and less than none, the less the dearer, beyond it."""
        share = self.share(choices)
        return accuracy if share <= 1 else -share

    def _ticks(self, choices: Sequence[int]) -> int:
        node, ticks = 0, self.budget.start
        for slot, choice in enumerate(choices):
            ticks += int(self.budget.steps[slot][node, choice])
            node = int(self.budget.trellis.successors[slot][node, choice])
        return ticks + int(self.budget.end[node])
