"""The function approximators: multi-layer perceptrons with one hidden layer (the paper's Θ_P and Θ_S)."""

from __future__ import annotations

import torch
from torch import nn

HIDDEN = 64
LEARNING_RATE = 3e-3


class Ensemble(nn.Module):
    """K perceptrons of one hidden layer, side by side in one tensor: they differ in their first weights and their data.

    Args:
        inputs: entries of a state.
        members: K.
        generator: of the first weights.
    """

    def __init__(self, inputs: int, *, members: int, generator: torch.Generator) -> None:
        super().__init__()

        def weights(rows: int, columns: int, gain: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(members, rows, columns, generator=generator) * (gain / rows) ** 0.5)

        self.first = weights(inputs, HIDDEN, 2.0)
        self.first_bias = nn.Parameter(torch.zeros(members, 1, HIDDEN))
        self.second = weights(HIDDEN, 1, 0.01)
        self.second_bias = nn.Parameter(torch.zeros(members, 1, 1))

    @property
    def members(self) -> int:
        """How many perceptrons there are."""
        return self.first.shape[0]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map states (K, n, inputs), or (n, inputs) for all members alike, to values (K, n)."""
        if states.dim() == 2:
            states = states.expand(self.members, -1, -1)
        hidden = torch.relu(torch.baddbmm(self.first_bias, states, self.first))
        return torch.baddbmm(self.second_bias, hidden, self.second).squeeze(2)

    def member(self, index: int, states: torch.Tensor) -> torch.Tensor:
        """Map states (n, inputs) to one member's values (n,)."""
        hidden = torch.relu(torch.addmm(self.first_bias[index], states, self.first[index]))
        return torch.addmm(self.second_bias[index], hidden, self.second[index]).squeeze(1)
