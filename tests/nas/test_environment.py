from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from nas.costs import Budget
from nas.encoding import Encoder
from nas.environment import SearchEnvironment
from nas.trellis import Choices

MakeBudget = Callable[..., Budget]
EncoderOf = Callable[[Budget], Encoder]


class Asked:
    """Remembers which networks were asked about; each is worth 0.75."""

    def __init__(self) -> None:
        self.networks: list[Choices] = []

    def __call__(self, choices: Choices) -> float:
        self.networks.append(choices)
        return 0.75


def test_the_environment_passes_gymnasiums_checker(small_budget: Budget, encoder_of: EncoderOf):
    environment = SearchEnvironment(small_budget, encoder_of(small_budget), Asked())

    check_env(environment, skip_render_check=True)

    assert environment.action_space.n == small_budget.trellis.widest


def test_accuracy_is_asked_once_at_the_last_decision_and_is_its_reward(puzzle: MakeBudget, encoder_of: EncoderOf):
    budget, asked = puzzle([[1.0, 2.0], [1.0, 2.0]], limit=4.0), Asked()
    environment = SearchEnvironment(budget, encoder_of(budget), asked)
    environment.reset()

    steps = [environment.step(np.int64(action))[1:4] for action in (1, 0)]

    assert steps == [(0.0, False, False), (0.75, True, False)]
    assert asked.networks == [(1, 0)]


def test_the_mask_offers_what_can_still_end_within_the_limit(puzzle: MakeBudget, encoder_of: EncoderOf):
    budget = puzzle([[1.0, 3.0], [1.0, 2.0, 3.0]], limit=4.0)
    environment = SearchEnvironment(budget, encoder_of(budget), Asked())

    masks = [environment.reset()[1]["action_mask"], environment.step(np.int64(1))[4]["action_mask"]]

    assert [mask.tolist() for mask in masks] == [[1, 1, 0], [1, 0, 0]]
    assert environment.feasible_share() == pytest.approx(1 / 3)


def test_an_action_that_the_mask_forbids_ends_the_episode_without_reward_or_query(
    puzzle: MakeBudget, encoder_of: EncoderOf
):
    budget, asked = puzzle([[1.0, 9.0]], limit=4.0), Asked()
    environment = SearchEnvironment(budget, encoder_of(budget), asked)
    environment.reset()

    _, reward, terminated, truncated, _ = environment.step(np.int64(1))

    assert (reward, terminated, truncated, asked.networks) == (0.0, True, False, [])


def test_at_every_step_the_network_is_a_whole_one_with_a_cost_and_a_secondary_reward(
    puzzle: MakeBudget, encoder_of: EncoderOf
):
    # The backbone is choice 0 everywhere: 2 + 2 ms. Deciding replaces it: 1 + 2, then 1 + 1, within 4 ms.
    budget = puzzle([[2.0, 1.0], [2.0, 1.0]], limit=4.0)
    environment = SearchEnvironment(budget, encoder_of(budget), Asked(), sharpness=2)

    infos = [environment.reset()[1], environment.step(np.int64(1))[4], environment.step(np.int64(1))[4]]

    assert [info["costs"].tolist() for info in infos] == [[4.0], [3.0], [2.0]]
    rewards = [float(info["secondary_rewards"][0]) for info in infos]
    assert rewards == pytest.approx([0.0, 2 * np.log(0.75), 2 * np.log(0.5)])


def test_a_backbone_beyond_the_limit_has_a_secondary_reward_of_minus_infinity(
    puzzle: MakeBudget, encoder_of: EncoderOf
):
    budget = puzzle([[5.0, 1.0]], limit=4.0)
    environment = SearchEnvironment(budget, encoder_of(budget), Asked())

    assert environment.reset()[1]["secondary_rewards"].tolist() == [-np.inf]
