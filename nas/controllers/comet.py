"""AutoCoMET's controller: Q-learning shaped by potentials whose weight the primary reward regulates (Section III-D).

The paper's four ideas, each in the form that works (``nas.equations`` has both forms, ``docs/method.md`` the reasons):
Q is learned from the primary reward, a potential Φ_i stands for each secondary one, ε_i is regulated by the primary's
growth, and the policy is the softmax of their sum. Where this departs from the paper: Φ enters the policy, not Q's
target; Φ is known before the first query; only finished networks are asked about, each once.

Notation::

    s, a  network so far, choice        s'  what (s, a) leads to: Q(s, a) is computed from it
    Q     value by the primary reward, an ensemble of K perceptrons        r_P  standardised accuracy
    Φ_i, ε_i  potential and weight of the i-th secondary signal            γ  discount        τ  temperature
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nas.controllers.controller import Regulation
from nas.costs import Budget
from nas.drawing import Walkers, draw, start, step
from nas.encoding import Encoder, Float32Array
from nas.equations import GAMMA, policy_logits, q_target, regulated_epsilon, standardised
from nas.potential import Potential
from nas.trellis import BoolArray, Choices, FloatArray, IntArray
from nas.value import LEARNING_RATE, Ensemble


@dataclass(frozen=True, slots=True, kw_only=True)
class CometSettings:
    """Where a prototype stood, not a law."""

    temperature: float = 0.3
    """τ."""
    members: int = 3
    """K."""
    draws: int = 16
    """Networks drawn for each one that is asked about."""
    optimism: float = 0.5
    """Standard deviations of the ensemble that a drawn network is credited with."""
    batch_size: int = 32
    updates: int = 4
    """Gradient steps after each query."""
    average_weight: float = 0.1
    """Of the newest accuracy in the moving average that growth is measured against."""
    long_space: int = 10
    """With more slots, Q learns from returns instead of its own maximum, and half of the draws edit the elite."""
    elite: int = 5
    """How many of the best networks are edited."""
    rounds: int = 16
    """Draws that may bring nothing new before the space counts as exhausted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One decision of a network that was asked about."""

    episode: int
    after: Float32Array
    """s', shape (size,)."""
    next_after: Float32Array
    """What every choice of the next slot leads to, shape (A, size)."""
    next_mask: BoolArray
    """Which of them keep the limit, shape (A,); none behind the last slot."""
    to_go: int
    """Decisions that follow."""


class Comet:
    """Co-regulated shaped Q-learning.

    Args:
        budget: the limit over the space's trellis; its mask holds in every draw.
        encoder: writes the states.
        potentials: Φ_i, one per secondary signal.
        seed: of the draws, the first weights and the replay.
        settings: see :class:`CometSettings`.
    """

    def __init__(
        self,
        budget: Budget,
        encoder: Encoder,
        potentials: Sequence[Potential],
        *,
        seed: int,
        settings: CometSettings | None = None,
    ) -> None:
        self.settings = settings or CometSettings()
        self._budget, self._encoder, self._potentials = budget, encoder, tuple(potentials)
        self._random = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        self._q = Ensemble(encoder.size, members=self.settings.members, generator=generator)
        self._optimiser = torch.optim.Adam(self._q.parameters(), lr=LEARNING_RATE)
        self._asked: dict[Choices, float] = {}
        self._replay: list[Transition] = []
        self._epsilons = (1.0,) * len(self._potentials)
        self._average: float | None = None
        self._growth = 0.0

    @property
    def _is_long(self) -> bool:
        return self._budget.trellis.slots > self.settings.long_space

    def propose(self) -> Choices | None:
        """Screen: draw networks by the policy, and name the new one with the best Q + 0.5 sd at its last decision."""
        for _ in range(self.settings.rounds):
            drawn = self._draw()
            fresh = drawn[[tuple(row) not in self._asked for row in drawn.tolist()]]
            if len(fresh):
                q = self._q_values(self._last_afterstates(fresh))
                best = np.argmax(q.mean(0) + self.settings.optimism * q.std(0))
                return tuple(fresh[best].tolist())
        return None

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Regulate every ε_i by the growth of the accuracy, and Q by all that was seen so far."""
        # Δ = Acc - moving average of the accuracies before it; the first network grows nothing.
        average = accuracy if self._average is None else self._average
        self._growth = accuracy - average
        self._average = average + self.settings.average_weight * self._growth
        # ε_i ← min(1, ε_i · κ · e^(ηΔ)), 0 once below the threshold (Eq. 3, as built)
        self._epsilons = tuple(regulated_epsilon(epsilon, self._growth) for epsilon in self._epsilons)
        self._remember(choices, accuracy)
        for _ in range(self.settings.updates):
            self._update()

    def regulation(self) -> Regulation:
        """Say how the potentials are weighed now."""
        return Regulation(epsilons=self._epsilons, growth=self._growth)

    def q_of(self, decided: Sequence[int]) -> FloatArray:
        """Give Q(s, ·) after some decisions, the ensemble's mean; shape (A,)."""
        walkers = start(self._budget, 1)
        for choice in decided:
            walkers = step(walkers, self._budget, np.array([choice]))
        mask = self._budget.allowed(walkers.slot, walkers.nodes, walkers.spent)
        return np.asarray(self._q_values(self._afterstates(walkers, mask))[:, 0].mean(0))

    def _draw(self) -> IntArray:
        edited = self.settings.draws // 2 if self._is_long and self._asked else 0
        drawn = draw(self._budget, self._policy, self.settings.draws - edited, self._random)
        return np.concatenate([drawn, self._edit(edited)]) if edited else drawn

    def _policy(self, walkers: Walkers, mask: BoolArray) -> FloatArray:
        """π(s) = softmax(Q(s, ·)/τ + Σ ε_i Φ_i(s, ·)), written as logits."""
        q = self._q_values(self._afterstates(walkers, mask)).mean(0)
        potentials = [item.values(walkers.slot, walkers.nodes, walkers.spent) for item in self._potentials]
        return policy_logits(q, potentials, self._epsilons, temperature=self.settings.temperature)

    def _edit(self, n: int) -> IntArray:
        """Draw n networks that keep the elite's choices, but for one slot and whatever no longer fits behind it."""
        best = sorted(self._asked, key=lambda item: -self._asked[item])[: self.settings.elite]
        parents = np.array([best[index] for index in self._random.integers(len(best), size=n)])
        changed = self._random.integers(self._budget.trellis.slots, size=n)

        def keep_parent(walkers: Walkers, mask: BoolArray) -> FloatArray:
            logits = self._policy(walkers, mask)
            rows = np.arange(n)
            wanted = parents[:, walkers.slot]
            keeps = (changed != walkers.slot) & mask[rows, wanted]
            logits[rows[keeps], wanted[keeps]] = 1e9
            return logits

        return draw(self._budget, keep_parent, n, self._random)

    def _remember(self, choices: Choices, accuracy: float) -> None:
        """Put a network's decisions into the replay memory."""
        episode, slots = len(self._asked), self._budget.trellis.slots
        self._asked[choices] = accuracy
        walkers = start(self._budget, 1)
        masks = [self._budget.allowed(0, walkers.nodes, walkers.spent)]
        afterstates = [self._afterstates(walkers, masks[0])]
        for slot in range(slots):
            walkers = step(walkers, self._budget, np.array([choices[slot]]))
            if slot + 1 < slots:
                masks.append(self._budget.allowed(slot + 1, walkers.nodes, walkers.spent))
                afterstates.append(self._afterstates(walkers, masks[-1]))
        for slot in range(slots):
            last = slot + 1 == slots
            following = min(slot + 1, slots - 1)
            self._replay.append(
                Transition(
                    episode=episode,
                    after=afterstates[slot][0, choices[slot]],
                    next_after=afterstates[following][0],
                    next_mask=np.zeros_like(masks[following][0]) if last else masks[following][0],
                    to_go=slots - 1 - slot,
                )
            )

    def _update(self) -> None:
        """Take one step of gradient descent on (Q(s, a) - target)², every member on a batch of its own."""
        chosen = self._random.integers(len(self._replay), size=(self.settings.members, self.settings.batch_size))
        after = np.array([[self._replay[i].after for i in row] for row in chosen])
        targets = torch.from_numpy(self._targets(chosen))
        loss = (self._q(torch.from_numpy(after)) - targets).square().mean(1).sum()
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()

    def _targets(self, chosen: IntArray) -> Float32Array:
        """Give what Q should be: r_P at the last decision, γ max_a Q(s', a) before it (Eq. 2, as built); shape (K, n).

        In long spaces the maximum over many noisy values would drift upwards, and the discounted return
        γ^(decisions to go) · r_P stands in for it.
        """
        rewards = standardised(np.array(list(self._asked.values())))
        batch = [[self._replay[i] for i in row] for row in chosen]
        reward = np.array([[rewards[item.episode] for item in row] for row in batch])
        to_go = np.array([[item.to_go for item in row] for row in batch])
        if self._is_long:
            return np.asarray(GAMMA**to_go * reward, dtype=np.float32)
        best = np.array([self._best_next(row, member) for member, row in enumerate(batch)])
        return np.asarray(q_target(reward, best, ends=to_go == 0), dtype=np.float32)

    def _best_next(self, batch: Sequence[Transition], member: int) -> FloatArray:
        """Give max_a Q(s', a) by one member over the choices that keep the limit; 0 behind the last slot; shape (n,)."""
        states = np.concatenate([item.next_after[item.next_mask] for item in batch])
        with torch.no_grad():
            values = np.append(self._q.member(member, torch.from_numpy(states)).numpy(), -np.inf)
        counts = np.array([int(item.next_mask.sum()) for item in batch])
        starts = np.cumsum(counts) - counts
        return np.where(counts > 0, np.maximum.reduceat(values, starts), 0.0)

    def _afterstates(self, walkers: Walkers, mask: BoolArray) -> Float32Array:
        """Write what every choice leads to, shape (n, A, size)."""
        cost = self._budget.add(walkers.spent[:, None], self._budget.steps[walkers.slot][walkers.nodes])
        share = np.where(mask[..., None], self._budget.share(cost), 1.0)
        prefix = self._encoder.prefix(walkers.choices)
        return self._encoder.afterstates(walkers.slot, prefix, walkers.nodes, share)

    def _last_afterstates(self, choices: IntArray) -> Float32Array:
        """Write n finished networks, shape (n, size)."""
        walkers = start(self._budget, len(choices))
        for slot in range(choices.shape[1]):
            walkers = step(walkers, self._budget, choices[:, slot])
        return self._encoder.states(walkers.slot, walkers.choices, walkers.nodes, self._budget.share(walkers.spent))

    def _q_values(self, states: Float32Array) -> FloatArray:
        """Give every member's Q, from (..., size) to (K, ...)."""
        with torch.no_grad():
            values = self._q(torch.from_numpy(np.ascontiguousarray(states)).reshape(-1, self._encoder.size))
        return np.asarray(values.numpy(), dtype=np.float64).reshape(-1, *states.shape[:-1])
