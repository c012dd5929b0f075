"""What the free predictor does for a rival, the same for each: which networks it may ask about, and where it begins.

A lead of AutoCoMET's controller that comes from the predictor alone is no lead, so every rival can be given it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from nas.limits.costs import Budget
from nas.limits.drawing import draw, draw_fairly, neighbours
from nas.potentials.potential import Potential, by_potentials
from nas.trellis import Choices, IntArray

_ROUNDS = 64
_DRAWS = 16


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
        return _as_choices(draw(self.budget, by_potentials(self.potential), n, random))

    def fresh(self, asked: Container[Choices], random: np.random.Generator) -> Choices | None:
        """Draw a network that was not asked about; None where many draws bring none.

        Where few are left, those that the potential hardly ever draws are drawn by fair choices.
        """
        for round_ in range(_ROUNDS):
            is_fair = round_ >= _ROUNDS // 2
            drawn = _as_choices(draw_fairly(self.budget, _DRAWS, random)) if is_fair else self.draw(_DRAWS, random)
            for choices in drawn:
                if choices not in asked:
                    return choices
        return None

    def share(self, choices: Sequence[int]) -> float:
        """Give a network's cost as a share of the limit, y/T."""
        return float(self.budget.ticks(choices)[0] / self.limit_ticks)

    def offers(self, choices: Sequence[int]) -> bool:
        """Tell whether a network fits together and may be asked about."""
        return self.budget.keeps(choices)

    def neighbours(self, choices: Choices) -> list[Choices]:
        """List the networks that differ in one slot and may be asked about."""
        return neighbours(self.budget, choices)

    def worth(self, choices: Sequence[int], accuracy: float) -> float:
        """Combine accuracy and cost into one figure: accuracy · (y/T)^w, w = 0 within the limit and -1 beyond.

        That is the weighted product of MnasNet (Eq. 3 there) in its hard form, α = 0 and β = -1.
        """
        return accuracy / max(1.0, self.share(choices))


def _as_choices(networks: IntArray) -> list[Choices]:
    return [tuple(row) for row in networks.tolist()]
