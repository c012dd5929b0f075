from __future__ import annotations

import math

import pytest

from metamodel.interface import Predictor, Setting
from nas.controllers.assistance import Assist
from nas.controllers.comet import Comet
from nas.controllers.random_search import RandomSearch
from nas.errors import InfeasibleError, SettingsError
from nas.goals import Goals
from nas.learned_potential import LearnedPotential
from nas.online_potential import OnlinePotential
from nas.potential import ExactPotential
from nas.problem import ControllerName, Problem, Sampler, make_controller, make_potential, pose
from nas.signals import Limit
from nas.space import Space
from nas.trellis import choices_of


def latency_within(limit_ms: float) -> Goals:
    return Goals(limits=(Limit(target="latency", value=limit_ms),))


@pytest.fixture(scope="module")
def problem(small_space: Space, predictor: Predictor, setting: Setting) -> Problem:
    return pose(small_space, predictor, setting, latency_within(15.0))


def test_a_controller_and_a_potential_go_by_their_names(problem: Problem):
    assert isinstance(make_controller("random", problem, potential="exact", seed=0), RandomSearch)
    assert isinstance(make_controller("comet", problem, potential="exact", seed=0), Comet)
    for name in ControllerName:
        for assist in Assist:
            assert make_controller(name, problem, potential="online", seed=0, assist=assist).propose() is not None
    assert isinstance(make_potential("online", problem.budget, signal=0, seed=0), OnlinePotential)
    assert isinstance(make_potential("exact", problem.budget, signal=0, seed=0), ExactPotential)
    assert isinstance(make_potential("learned", problem.budget, signal=0, seed=0), LearnedPotential)


@pytest.mark.parametrize(
    ("controller", "potential", "message"),
    [
        ("genetic", "exact", "No controller 'genetic'"),
        ("comet", "psychic", "Known: exact, learned"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(problem: Problem, controller: str, potential: str, message: str):
    with pytest.raises(SettingsError, match=message):
        make_controller(controller, problem, potential=potential, seed=0)


def test_a_space_that_cannot_keep_the_limit_is_refused_with_the_lowest_possible(
    small_space: Space, predictor: Predictor, setting: Setting
):
    with pytest.raises(InfeasibleError, match="the lowest possible is") as caught:
        pose(small_space, predictor, setting, latency_within(1.0))

    assert pose(small_space, predictor, setting, latency_within(math.nextafter(caught.value.lowest, 99)))


def test_a_sampler_draws_networks_within_the_limit_the_same_for_the_same_seed(problem: Problem):
    first, again = ([Sampler(problem, seed=2).draw() for _ in range(1)] for _ in range(2))
    sampler = Sampler(problem, seed=3)

    drawn = [sampler.draw() for _ in range(50)]

    assert first == again
    for architecture in drawn:
        choices = choices_of(problem.space, architecture)
        assert problem.budget.costs(choices)[0] <= 15.0
