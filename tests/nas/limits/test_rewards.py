from __future__ import annotations

import numpy as np
import pytest

from nas.limits.rewards import primary_reward, secondary_reward, utility


def test_a_limited_cost_is_worth_the_more_the_nearer_it_comes_to_its_limit_and_nothing_beyond():
    rewards = secondary_reward(np.array([0.5, 1.0, 1.0 + 1e-12, 1.01]), 2.0)

    assert rewards.tolist() == [pytest.approx(2 * np.log(0.5)), 0.0, 0.0, -np.inf]


def test_a_cost_without_a_limit_is_worth_the_more_the_lower_it_is():
    assert utility(np.array([0.5, 1.0, 3.0]), 2.0).tolist() == [1.0, 0.0, -4.0]


def test_as_the_primary_signal_a_cost_is_worth_the_lowest_one_over_it():
    assert [primary_reward(cost, 5.0) for cost in (5.0, 10.0, 50.0)] == [1.0, 0.5, 0.1]
    assert primary_reward(0.0, 0.0) == 1.0
