from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nas.controllers.comet import Comet, CometSettings, EpsilonRule
from nas.controllers.encoding import Encoder
from nas.limits.costs import Budget
from nas.limits.drawing import start, step
from nas.potentials.online_potential import OnlinePotential

MakeBudget = Callable[..., Budget]


def phi(potential: OnlinePotential, *decided: int) -> np.ndarray:
    """Give Φ(s, ·) after some decisions."""
    walkers = start(potential.budget, 1)
    for choice in decided:
        walkers = step(walkers, potential.budget, np.array([choice]))
    return potential.values(walkers.slot, walkers.nodes, walkers.spent)[0]


def test_it_learns_the_discounted_secondary_reward_of_what_was_asked_about(puzzle: MakeBudget):
    # One network over and over: r_S = 4 · log(3/4) = -1.151 behind its last decision, γ times as much before it.
    potential = OnlinePotential(puzzle([[1.0, 2.0], [1.0, 2.0]], limit=4.0), sharpness=4, seed=0)
    for _ in range(80):
        potential.learn((0, 1))

    assert phi(potential, 0)[1] == pytest.approx(-1.151, abs=0.02)
    assert phi(potential)[0] == pytest.approx(0.9 * -1.151, abs=0.02)


def test_it_knows_nothing_at_first_but_what_breaks_the_limit(puzzle: MakeBudget):
    potential = OnlinePotential(puzzle([[1.0, 2.0, 5.0], [1.0, 2.0]], limit=4.0), sharpness=4, seed=0)

    assert np.abs(phi(potential)[:2]).max() < 0.5
    assert np.isneginf(phi(potential)[2])


def test_a_controller_that_learns_its_potential_comes_to_prefer_networks_near_the_limit(
    puzzle: MakeBudget, encoder_of: Callable[[Budget], Encoder]
):
    budget = puzzle([[1.0, 2.0, 3.0]] * 6, limit=18.0)
    settings = CometSettings(draws=1, epsilon=EpsilonRule.CONSTANT)
    controller = Comet(
        budget, encoder_of(budget), [OnlinePotential(budget, sharpness=20, seed=0)], seed=0, settings=settings
    )
    costs = []
    for _ in range(100):
        choices = controller.propose()
        assert choices is not None
        controller.learn(choices, 0.5)
        costs.append(sum(choices) + 6)

    assert np.mean(costs[20:]) > 13  # by chance it is 12
