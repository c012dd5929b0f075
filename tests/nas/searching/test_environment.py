from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from metamodel.interface import Predictor, Setting
from nas.controllers.encoding import Encoder
from nas.limits.costs import Budget
from nas.limits.signals import Limit
from nas.searching.environment import SearchEnvironment
from nas.searching.goals import Goals
from nas.searching.problem import pose
from nas.space import Space
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


def test_with_several_signals_the_info_has_a_vector_of_costs_and_of_secondary_rewards(
    small_space: Space, predictor: Predictor, setting: Setting
):
    goals = Goals(
        limits=(Limit(target="latency", value=16.0), Limit(target="memory", value=3.02)),
        secondary=("latency", "memory", "energy"),
    )
    posed = pose(small_space, predictor, setting, goals)
    environment = SearchEnvironment(posed.budget, posed.encoder, Asked())

    check_env(environment, skip_render_check=True)
    _, info = environment.reset()

    latency_ms, energy_mj, memory_mb = info["costs"]
    rewards = info["secondary_rewards"]
    assert [signal.name for signal in posed.budget.signals] == ["latency", "energy", "memory"]
    assert (latency_ms, memory_mb) == pytest.approx(posed.budget.costs(posed.trellis.complete(()))[::2])
    assert rewards[0] == (pytest.approx(5 * np.log(latency_ms / 16)) if latency_ms <= 16 else -np.inf)
    assert rewards[1] == pytest.approx(0.0)  # the backbone itself, measured by the backbone
    assert rewards[2] == (pytest.approx(5 * np.log(memory_mb / 3.02)) if memory_mb <= 3.02 else -np.inf)
    assert energy_mj > 0


def test_an_episode_by_the_mask_ends_within_all_limits(small_space: Space, predictor: Predictor, setting: Setting):
    goals = Goals(limits=(Limit(target="latency", value=13.0), Limit(target="memory", value=3.015)))
    posed = pose(small_space, predictor, setting, goals)
    asked, random = Asked(), np.random.default_rng(0)
    environment = SearchEnvironment(posed.budget, posed.encoder, asked)

    for _ in range(100):
        _, info = environment.reset()
        finished = False
        while not finished:
            action = random.choice(np.flatnonzero(info["action_mask"]))
            observation, _, finished, _, info = environment.step(action)
            assert environment.observation_space.contains(observation)
        assert np.all(info["costs"] <= [13.0, 3.015])

    assert len(asked.networks) == 100
