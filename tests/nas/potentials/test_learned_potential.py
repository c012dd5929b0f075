from __future__ import annotations

import numpy as np

from nas.limits.costs import Budget
from nas.limits.drawing import sample_softmax, start, step
from nas.potentials.learned_potential import LearnedPotential
from nas.potentials.potential import ExactPotential


def softmax(values: np.ndarray) -> np.ndarray:
    return np.exp(values - np.logaddexp.reduce(values, axis=1)[:, None])


def test_a_learned_potential_steers_as_the_exact_one_does(small_budget: Budget):
    exact = ExactPotential(small_budget, sharpness=5)
    learned = LearnedPotential(small_budget, sharpness=5, seed=0)
    walkers, random = start(small_budget, 200), np.random.default_rng(0)

    for slot in range(small_budget.trellis.slots):
        wanted = exact.values(slot, walkers.nodes, walkers.spent)
        actual = learned.values(slot, walkers.nodes, walkers.spent)

        assert np.array_equal(np.isneginf(actual), np.isneginf(wanted))
        distance = np.abs(softmax(actual) - softmax(wanted)).sum(axis=1) / 2
        assert distance.mean() < 0.1
        walkers = step(walkers, small_budget, sample_softmax(wanted, random))


def test_at_the_last_decision_a_learned_potential_is_the_reward_itself(small_budget: Budget):
    exact = ExactPotential(small_budget, sharpness=5)
    learned = LearnedPotential(small_budget, sharpness=5, seed=0)
    last = small_budget.trellis.slots - 1
    spent = small_budget.start[None] * 3

    actual, wanted = (item.values(last, np.array([0]), spent) for item in (learned, exact))

    assert np.allclose(actual, wanted)


def test_the_same_seed_learns_the_same_potential(small_budget: Budget):
    first, second = (LearnedPotential(small_budget, sharpness=5, seed=3) for _ in range(2))
    here = (0, np.array([0]), small_budget.start[None])

    assert np.array_equal(first.values(*here), second.values(*here))
