"""AutoCoMET's controller: Q-learning shaped by potentials whose weight the primary reward regulates (Section III-D).

The paper's four ideas, each in the form that works (``nas.equations`` has both forms, ``docs/method.md`` the reasons):
Q is learned from the primary reward, a potential Φ_i stands for each secondary one, ε_i is regulated by the primary's
growth, and the policy is the softmax of their sum. Where this departs from the paper: Φ enters the policy, not Q's
target; Φ is known before the first query; only finished networks are asked about, each once. Each departure has a
switch in :class:`CometSettings` (which potential is used is the caller's choice), so that it can be taken back.

Notation::

    s, a  network so far, choice        s'  what (s, a) leads to: Q(s, a) is computed from it
    Q     value by the primary reward, an ensemble of K perceptrons        r_P  standardised accuracy
    Φ_i, ε_i  potential and weight of the i-th secondary signal            γ  discount        τ  temperature
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch

from nas.controllers.controller import Regulation
from nas.controllers.encoding import Encoder, Float32Array
from nas.controllers.replay import Replay, Transitions
from nas.equations import GAMMA, policy_logits, q_target, regulated_epsilon, standardised
from nas.errors import SettingsError
from nas.limits.costs import Budget
from nas.limits.drawing import Walkers, draw, draw_fairly, neighbours, start, step
from nas.potentials.online_potential import OnlinePotential
from nas.potentials.potential import Potential
from nas.trellis import BoolArray, Choices, FloatArray, IntArray
from nas.value import LEARNING_RATE, Ensemble


class EpsilonRule(StrEnum):
    """How the weight of a potential changes."""

    CO_REGULATED = "co-regulated"
    """It decays, and growth of the accuracy holds it up (Eq. 3, as built)."""
    CONSTANT = "constant"
    """It stays 1."""


class Shaping(StrEnum):
    """Where the potentials enter."""

    POLICY = "policy"
    """The policy alone."""
    UPDATE = "update"
    """Q's target alone, as in Eq. 2."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class CometSettings:
    """Where a prototype stood, not a law."""

    epsilon: EpsilonRule = EpsilonRule.CO_REGULATED
    shaping: Shaping = Shaping.POLICY
    temperature: float = 0.3
    """τ."""
    members: int = 3
    """K."""
    draws: int = 16
    """Networks drawn by the policy for each one that is asked about."""
    scouts: int = 16
    """Networks of a short space that the potentials alone draw beside them: what Q has turned from stays in sight."""
    optimism: float = 2.0
    """Standard deviations of the ensemble that a drawn network is credited with."""
    long_optimism: float = 0.5
    """The same in a long space, where edits of the best network stay close to what is known."""
    batch_size: int = 32
    updates: int = 4
    """Gradient steps after each query."""
    decay: float = 0.995
    """κ, by which a co-regulated ε falls at every network."""
    gain: float = 2.0
    """η, by how much growth of the accuracy holds it up."""
    average_weight: float = 0.1
    """Of the newest accuracy in the moving average that growth is measured against."""
    long_space: int = 10
    """With more slots, Q learns from returns instead of its own maximum, and the best network is edited."""
    starts: int = 10
    """Networks of a long space that are drawn by the policy before the best one is edited."""
    edits: int = 4
    """Edits drawn for each one that is asked about."""
    rounds: int = 16
    """Draws that may bring nothing new before the space counts as exhausted."""

    def __post_init__(self) -> None:
        """Refuse what no search can be set to.

        Raises:
            SettingsError: a temperature that is not positive, a count below 1, a number below 0.
        """
        if not 0 < self.temperature < np.inf:
            raise SettingsError(f"A temperature of {self.temperature:g} is none. Give one above 0.")
        for name in ("members", "draws", "batch_size", "starts", "edits", "rounds"):
            if getattr(self, name) < 1:
                raise SettingsError(f"AutoCoMET cannot search with {name} of {getattr(self, name)}. Give 1 or more.")
        for name in ("scouts", "optimism", "long_optimism", "updates", "decay", "gain", "average_weight", "long_space"):
            if not 0 <= getattr(self, name) < np.inf:
                raise SettingsError(f"AutoCoMET cannot search with {name} of {getattr(self, name)}. Give 0 or more.")


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
        self._optimiser = torch.optim.Adam(self._q.parameters(), lr=LEARNING_RATE, fused=True)
        self._asked: dict[Choices, float] = {}
        self._edited: Choices | None = None
        self._around: list[Choices] = []
        choices = 0 if self._is_long else budget.trellis.widest
        self._replay = Replay(encoder.size, potentials=len(self._potentials), choices=choices)
        self._epsilons = (1.0,) * len(self._potentials)
        self._average: float | None = None
        self._growth = 0.0

    @property
    def _is_long(self) -> bool:
        return self._budget.trellis.slots > self.settings.long_space

    def propose(self) -> Choices | None:
        """Screen: draw networks, and name the new one with the best Q + so many sd at its last decision.

        They are drawn by the policy, and in a short space some by the potentials alone. In a long one, once a few are
        known, neighbours of the best one stand in, while some are left. Where many draws bring nothing new, the rest is
        fair: what is left may be what the policy hardly ever draws.
        """
        if self._is_long and len(self._asked) >= self.settings.starts and len(edits := self._edits()):
            return self._screened(edits)
        for round_ in range(2 * self.settings.rounds):
            is_fair = round_ >= self.settings.rounds
            drawn = draw_fairly(self._budget, self.settings.draws, self._random) if is_fair else self._draw()
            fresh = drawn[[tuple(row) not in self._asked for row in drawn.tolist()]]
            if len(fresh):
                return self._screened(fresh)
        return None

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Regulate every ε_i by the growth of the accuracy, and Q by all that was seen so far."""
        # Δ = Acc - moving average of the accuracies before it; the first network grows nothing.
        average = accuracy if self._average is None else self._average
        self._growth = accuracy - average
        self._average = average + self.settings.average_weight * self._growth
        if self.settings.epsilon is EpsilonRule.CO_REGULATED:
            # ε_i ← min(1, ε_i · κ · e^(ηΔ)), 0 once below the threshold (Eq. 3, as built)
            self._epsilons = tuple(
                regulated_epsilon(epsilon, self._growth, decay=self.settings.decay, gain=self.settings.gain)
                for epsilon in self._epsilons
            )
        for potential in self._potentials:
            if isinstance(potential, OnlinePotential):
                potential.learn(choices)
        self._remember(choices, accuracy)
        rewards = standardised(np.array(list(self._asked.values())))
        for _ in range(self.settings.updates):
            self._update(rewards)

    def regulation(self) -> Regulation:
        """Say how the potentials are weighed now."""
        return Regulation(epsilons=self._epsilons, growth=self._growth)

    def aim(self, budget: Budget, potentials: Sequence[Potential]) -> None:
        """Go on under another limit over the same trellis: Q, its memory and the weights stay."""
        self._budget, self._potentials = budget, tuple(potentials)
        self._edited = None

    def q_of(self, decided: Sequence[int]) -> FloatArray:
        """Give Q(s, ·) after some decisions, the ensemble's mean; shape (A,)."""
        walkers = start(self._budget, 1)
        for choice in decided:
            walkers = step(walkers, self._budget, np.array([choice]))
        mask = self._budget.allowed(walkers.slot, walkers.nodes, walkers.spent)
        return np.asarray(self._q_values(self._afterstates(walkers, mask))[:, 0].mean(0))

    def _screened(self, networks: IntArray) -> Choices:
        q = self._q_values(self._last_afterstates(networks))
        optimism = self.settings.long_optimism if self._is_long else self.settings.optimism
        best = np.argmax(q.mean(0) + optimism * q.std(0))
        return tuple(networks[best].tolist())

    def _draw(self) -> IntArray:
        drawn = draw(self._budget, self._policy, self.settings.draws, self._random)
        if self._is_long or not self.settings.scouts:
            return drawn
        return np.concatenate([drawn, draw(self._budget, self._scout, self.settings.scouts, self._random)])

    def _scout(self, walkers: Walkers, mask: BoolArray) -> FloatArray:
        """Give the logits of the policy as it was before anything was learned: Σ Φ_i(s, ·)."""
        if self.settings.shaping is Shaping.UPDATE:
            return np.zeros(mask.shape)
        return np.asarray(sum(self._phi(walkers), np.zeros(mask.shape)))

    def _policy(self, walkers: Walkers, mask: BoolArray) -> FloatArray:
        """π(s) = softmax(Q(s, ·)/τ + Σ ε_i Φ_i(s, ·)), written as logits."""
        q = self._q_values(self._afterstates(walkers, mask)).mean(0)
        if self.settings.shaping is Shaping.UPDATE:
            return np.asarray(q / self.settings.temperature)
        return policy_logits(q, self._phi(walkers), self._epsilons, temperature=self.settings.temperature)

    def _phi(self, walkers: Walkers) -> list[FloatArray]:
        """Give every Φ_i(s, ·), shape (n, A_t) each."""
        return [item.values(walkers.slot, walkers.nodes, walkers.spent) for item in self._potentials]

    def _edits(self) -> IntArray:
        """Give a few neighbours of the best network that were not asked about, in random order; shape (n, slots).

        They are drawn fairly: with few queries for many slots, Q tells whole networks apart, and hardly one slot's choices.
        """
        best = max(self._asked, key=lambda item: self._asked[item])
        if best != self._edited:
            around = neighbours(self._budget, best)
            self._edited, self._around = best, [around[i] for i in self._random.permutation(len(around))]
        self._around = [choices for choices in self._around if choices not in self._asked]
        return np.array(self._around[: self.settings.edits], dtype=np.int64)

    def _remember(self, choices: Choices, accuracy: float) -> None:
        """Put a network's decisions into the replay memory."""
        episode, slots, size = len(self._asked), len(choices), self._encoder.size
        self._asked[choices] = accuracy
        widest = 0 if self._is_long else self._budget.trellis.widest
        after = np.zeros((slots, size), dtype=np.float32)
        shaping = np.zeros((slots, len(self._potentials)))
        next_after = np.zeros((slots, widest, size), dtype=np.float32)
        next_mask = np.zeros((slots, widest), dtype=np.bool_)
        walkers = start(self._budget, 1)
        for slot, choice in enumerate(choices):
            mask = self._budget.allowed(slot, walkers.nodes, walkers.spent)
            afterstates = self._afterstates(walkers, mask)[0]
            after[slot] = afterstates[choice]
            if self.settings.shaping is not Shaping.POLICY:
                shaping[slot] = [phi[0, choice] for phi in self._phi(walkers)]
            if slot and widest:
                next_after[slot - 1, : len(afterstates)] = afterstates
                next_mask[slot - 1, : len(afterstates)] = mask[0]
            walkers = step(walkers, self._budget, np.array([choice]))
        self._replay.add(
            Transitions(
                episode=np.full(slots, episode),
                to_go=np.arange(slots)[::-1],
                after=after,
                shaping=shaping,
                next_after=next_after,
                next_mask=next_mask,
            )
        )

    def _update(self, rewards: FloatArray) -> None:
        """Take one step of gradient descent on (Q(s, a) - target)², every member on a batch of its own."""
        batch = self._replay.sample(self._random, self.settings.members, self.settings.batch_size)
        targets = torch.from_numpy(self._targets(batch, rewards))
        loss = (self._q(torch.from_numpy(batch.after)) - targets).square().mean(1).sum()
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()

    def _targets(self, batch: Transitions, rewards: FloatArray) -> Float32Array:
        """Give what Q should be: r_P at the last decision, γ max_a Q(s', a) before it (Eq. 2, as built); shape (K, n).

        In long spaces the maximum over many noisy values would drift upwards, and the discounted return
        γ^(decisions to go) · r_P stands in for it.
        """
        reward = rewards[batch.episode]
        if self._is_long:
            targets = GAMMA**batch.to_go * reward
        else:
            targets = q_target(reward, self._best_next(batch), ends=batch.to_go == 0)
        if self.settings.shaping is not Shaping.POLICY:
            targets = targets + batch.shaping @ np.array(self._epsilons)  # + Σ ε_i Φ_i(s, a), as Eq. 2 prints it
        return np.asarray(targets, dtype=np.float32)

    def _best_next(self, batch: Transitions) -> FloatArray:
        """Give max_a Q(s', a) by each member over the choices that keep the limit, shape (K, n)."""
        members, n, choices, size = batch.next_after.shape
        with torch.no_grad():
            values = self._q(torch.from_numpy(batch.next_after).reshape(members, n * choices, size))
        return np.asarray(np.where(batch.next_mask, values.numpy().reshape(members, n, choices), -np.inf).max(axis=2))

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
