"""The paper's update rules, as printed and as built, each a pure function. ``docs/method.md`` says why they part.

As printed, Eq. 2 has no learning rate and adds the potential to Q, and Eq. 3 telescopes to ε_0 · e^(Acc_t - Acc_0), so
that ε never decays. As built, the potential enters the policy only, Q learns by gradient steps towards a target, and ε
decays at a constant rate that the primary reward's growth slows down or speeds up.

Notation::

    Q(s,a)  value of a decision by the primary reward r_P        Φ_i  potential of the i-th secondary reward r_S
    γ  discount        β  learning rate of Φ        ε_i  weight of Φ_i        Δ  growth of r_P
    κ  constant decay of ε        η  gain of Δ        τ  temperature
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from nas.trellis import BoolArray, FloatArray

GAMMA = 0.9

Values = TypeVar("Values", float, FloatArray)


def printed_potential_update(
    potential: Values, reward: Values, next_potential: Values, *, beta: float, gamma: float = GAMMA
) -> Values:
    """Learn a potential online, as printed (Section III-D; Algorithm 1, lines 11 and 12); numbers, or arrays of one shape.

    δ = r_S + γ Φ(s', a') - Φ(s, a), and Φ(s, a) ← Φ(s, a) + β δ.
    """
    return potential + beta * (reward + gamma * next_potential - potential)


def printed_q_update(
    q: float,
    reward: float,
    best_next_q: float,
    potentials: Sequence[float],
    epsilons: Sequence[float],
    *,
    gamma: float = GAMMA,
) -> float:
    """Shape Q by its potentials, as printed (Eq. 2): Q' = Q + r_P + [γ max_a Q(s', a') - Q] + Σ ε_i Φ_i."""
    return q + reward + (gamma * best_next_q - q) + math.fsum(np.multiply(epsilons, potentials))


def printed_epsilon(epsilon: float, growth: float, *, threshold: float) -> float:
    """Regulate a potential's weight, as printed (Eq. 3): ε · e^Δ above the threshold, 0 otherwise."""
    return epsilon * math.exp(growth) if epsilon > threshold else 0.0


def q_target(
    reward: FloatArray | float,
    best_next_q: FloatArray | float,
    *,
    ends: BoolArray | bool,
    gamma: float = GAMMA,
) -> FloatArray:
    """Give what Q(s, a) should be, as built: r_P at a network's last decision, γ max_a Q(s', a') before it.

    All arguments are of one shape, or numbers; ``best_next_q`` is taken over the choices within the limit.
    """
    return np.where(ends, reward, gamma * np.asarray(best_next_q))


def regulated_epsilon(
    epsilon: float, growth: float, *, decay: float = 0.995, gain: float = 2.0, threshold: float = 0.01
) -> float:
    """Regulate a potential's weight, as built: ε ← min(1, ε · κ · e^(ηΔ)); 0 once below the threshold, and then for good.

    Args:
        epsilon: the weight so far, in [0, 1].
        growth: Δ, accuracy in [0, 1] minus its moving average.
        decay: κ.
        gain: η.
        threshold: where the potential has said all that it has to say.
    """
    regulated = min(1.0, epsilon * decay * math.exp(gain * growth))
    return regulated if regulated >= threshold else 0.0


def standardised(accuracies: FloatArray) -> FloatArray:
    """Put accuracies on one scale, whatever the task: 0 for the median seen, 1/2 for the best tenth, within [-1.5, 3].

    r_P = (accuracy - median) / (2 (q90 - median)), which keeps Q's scale that of the policy's temperature.
    """
    median, high = np.quantile(accuracies, (0.5, 0.9))
    spread = max(2 * (high - median), 1e-3)
    return np.asarray(np.clip((accuracies - median) / spread, -1.5, 3.0))


def policy_logits(
    q: FloatArray, potentials: Sequence[FloatArray], epsilons: Sequence[float], *, temperature: float
) -> FloatArray:
    """Give the logits of the policy, as built: Q/τ + Σ ε_i Φ_i. A potential of weight 0 still rules out what it forbids."""
    logits = q / temperature
    for epsilon, potential in zip(epsilons, potentials, strict=True):
        logits = logits + np.where(
            np.isneginf(potential), -np.inf, epsilon * np.where(np.isneginf(potential), 0, potential)
        )
    return logits
