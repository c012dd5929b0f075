"""The search as a Gymnasium environment: one episode is one network, one action fills one slot.

The reward is the primary one of the finished network, its accuracy or what else is asked for, given with the last
action; the vectors of secondary rewards and costs stand in ``info``. ``info["action_mask"]`` tells which actions can still
end within the limits; any other ends the episode with reward 0, the lowest there is, and no query.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from nas.controllers.encoding import Encoder, Float32Array
from nas.limits.costs import Budget
from nas.trellis import Choices

SHARPNESS = 5
"""c of the secondary rewards."""

Query = Callable[[Choices], float]
"""Gives a finished network's primary reward, in [0, 1]."""


class SearchEnvironment(gymnasium.Env[Float32Array, np.int64]):
    """Decide slot after slot.

    Args:
        budget: the limits over the space's trellis.
        encoder: writes the states.
        query: asked once per finished network.
        sharpness: c of the secondary rewards.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own form

    def __init__(self, budget: Budget, encoder: Encoder, query: Query, *, sharpness: int = SHARPNESS) -> None:
        self.budget, self.encoder, self.query, self.sharpness = budget, encoder, query, sharpness
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (encoder.size,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(budget.trellis.widest)
        self.decided: list[int] = []
        self._spent = budget.start

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32Array, dict[str, Any]]:
        """Start a new network: the backbone, with nothing decided."""
        super().reset(seed=seed, options=options)
        self.decided, self._spent = [], self.budget.start
        return self._observe(), self._info()

    def step(self, action: np.int64) -> tuple[Float32Array, float, bool, bool, dict[str, Any]]:
        """Fill the next slot.

        Returns:
            State, reward (the primary one with the last action, 0 before), whether the network is finished or beyond its
            limits, False (an episode is never cut short), and the next mask, the secondary rewards and the costs of the
            network as it stands (the backbone in its undecided slots), one of each per signal of the budget.
        """
        if not self.action_masks()[action]:
            return self._observe(), 0.0, True, False, self._info()
        slot, node = len(self.decided), self._node()
        self._spent = self.budget.add(self._spent, self.budget.steps[slot][node, action])
        self.decided.append(int(action))
        finished = len(self.decided) == self.budget.trellis.slots
        reward = self.query(tuple(self.decided)) if finished else 0.0
        return self._observe(), reward, finished, False, self._info()

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Tell which actions can still end within the limit, shape (actions,); none behind the last slot."""
        slot = len(self.decided)
        mask = np.zeros(self.budget.trellis.widest, dtype=np.bool_)
        if slot < self.budget.trellis.slots:
            allowed = self.budget.allowed(slot, np.array([self._node()]), self._spent[None])[0]
            mask[: len(allowed)] = allowed
        return mask

    def feasible_share(self) -> float:
        """Give the share of the choices that fit here which the limit leaves open."""
        fitting = self.budget.trellis.successors[len(self.decided)][self._node()] >= 0
        return float(self.action_masks().sum() / fitting.sum())

    def _node(self) -> int:
        return self.budget.trellis.path(self.decided)[-1]

    def _observe(self) -> Float32Array:
        decided, nodes = np.array([self.decided], dtype=np.int64), np.array([self._node()])
        share = np.minimum(self.budget.share(self._spent[None]), 1.0)
        states: Float32Array = self.encoder.states(len(self.decided), decided, nodes, share)
        return np.asarray(states[0])

    def _info(self) -> dict[str, Any]:
        whole = self.budget.trellis.complete(self.decided)
        return {
            "action_mask": self.action_masks().astype(np.int8),
            "costs": np.array(self.budget.costs(whole)),
            "secondary_rewards": self.budget.rewards(whole, self.sharpness),
        }
