from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.equations import (
    policy_logits,
    printed_epsilon,
    printed_potential_update,
    printed_q_update,
    q_target,
    regulated_epsilon,
    standardised,
)

SHARES = st.floats(0, 1)


def test_a_potential_learns_from_its_secondary_reward_as_printed():
    # δ = -1 + 0.9 · 2 - 0.5 = 0.3; Φ ← 0.5 + 0.1 · 0.3
    learned = printed_potential_update(0.5, -1.0, 2.0, beta=0.1)

    assert learned == pytest.approx(0.53)


def test_a_potential_that_foretells_its_reward_stays_as_it_is():
    assert printed_potential_update(2.8, 1.0, 2.0, beta=0.7) == pytest.approx(2.8)


def test_equation_2_as_printed_adds_reward_bootstrap_and_weighed_potentials():
    # Q' = 0.4 + 0.8 + [0.9 · 0.5 - 0.4] + (1 · 0.2 + 0.5 · -0.3)
    shaped = printed_q_update(0.4, 0.8, 0.5, [0.2, -0.3], [1.0, 0.5])

    assert shaped == pytest.approx(1.3)


def test_equation_2_as_printed_forgets_what_q_was():
    # No learning rate: + Q and - Q cancel.
    assert printed_q_update(0.0, 0.8, 0.5, [], []) == pytest.approx(printed_q_update(9.0, 0.8, 0.5, [], []))


def test_equation_3_as_printed_worked_by_hand():
    assert printed_epsilon(0.5, 0.2, threshold=0.01) == pytest.approx(0.5 * 1.2214027582)
    assert printed_epsilon(0.01, 0.2, threshold=0.01) == 0.0


@given(accuracies=st.lists(SHARES, min_size=2, max_size=30), first=st.floats(0.1, 1))
def test_equation_3_as_printed_telescopes_so_that_it_never_decays(accuracies: list[float], first: float):
    epsilon = first
    for before, now in itertools.pairwise(accuracies):
        epsilon = printed_epsilon(epsilon, now - before, threshold=0.0)

    assert epsilon == pytest.approx(first * math.exp(accuracies[-1] - accuracies[0]))


def test_q_is_worth_its_reward_at_the_last_decision_and_the_discounted_best_before():
    assert q_target(0.7, 5.0, ends=True) == 0.7
    assert q_target(0.0, 0.5, ends=False) == pytest.approx(0.45)


def test_co_regulation_as_built_worked_by_hand():
    # 0.5 · 0.995 · e^(2 · -0.1)
    assert regulated_epsilon(0.5, -0.1) == pytest.approx(0.4975 * 0.8187307531)


def test_without_growth_the_potential_decays_at_its_constant_rate():
    assert regulated_epsilon(1.0, 0.0) == pytest.approx(0.995)


@given(epsilon=SHARES, growth=st.floats(-1, 1))
def test_a_potentials_weight_is_never_above_1_nor_between_0_and_the_threshold(epsilon: float, growth: float):
    regulated = regulated_epsilon(epsilon, growth)

    assert regulated == 0.0 or 0.01 <= regulated <= 1.0


@given(growths=st.lists(st.floats(-1, 1)))
def test_a_weight_below_the_threshold_is_0_and_stays_0_whatever_grows(growths: list[float]):
    epsilon = regulated_epsilon(0.0101, -0.01)
    for growth in growths:
        epsilon = regulated_epsilon(epsilon, growth)

    assert epsilon == 0.0


def test_rewards_are_0_at_the_median_and_a_half_at_the_best_tenth():
    accuracies = np.linspace(0.5, 0.9, 11)  # median 0.7, q90 0.86

    np.testing.assert_allclose(standardised(accuracies)[[5, 9, 1]], [0.0, 0.5, -0.5], atol=1e-12)


def test_rewards_are_clipped_so_that_one_outlier_does_not_rule():
    accuracies = np.array([0.1, *[0.5] * 8, 0.6, 0.99])

    rewards = standardised(accuracies)

    assert (rewards[0], rewards[-1]) == (-1.5, pytest.approx(0.49 / 0.2))
    assert standardised(np.array([*[0.5] * 20, 0.99]))[-1] == 3.0


@pytest.mark.parametrize("n", [1, 4])
def test_equal_accuracies_are_all_worth_0(n: int):
    assert standardised(np.full(n, 0.8)).tolist() == [0.0] * n


def test_the_policy_adds_value_over_temperature_and_weighed_potentials():
    q = np.array([[0.3, 0.6]])

    logits = policy_logits(q, [np.array([[1.0, 2.0]]), np.array([[0.0, -4.0]])], [1.0, 0.5], temperature=0.3)

    np.testing.assert_allclose(logits, [[2.0, 2.0]])


def test_a_potential_of_weight_0_still_rules_out_what_it_forbids():
    logits = policy_logits(np.zeros((1, 2)), [np.array([[7.0, -np.inf]])], [0.0], temperature=0.3)

    assert logits.tolist() == [[0.0, -np.inf]]
