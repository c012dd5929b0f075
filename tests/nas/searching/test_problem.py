from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from metamodel.interface import Predictor, Setting
from nas.controllers.assistance import Assist
from nas.controllers.comet import Comet
from nas.controllers.random_search import RandomSearch
from nas.errors import InfeasibleError, PredictorError, SettingsError
from nas.limits.signals import Limit
from nas.limits.user_signal import UserSignal
from nas.networks.layers import network_layers
from nas.potentials.learned_potential import LearnedPotential
from nas.potentials.online_potential import OnlinePotential
from nas.potentials.potential import ExactPotential
from nas.searching.environment import SearchEnvironment
from nas.searching.goals import Goals
from nas.searching.primary import primary_source
from nas.searching.problem import (
    ControllerName,
    Problem,
    Sampler,
    make_controller,
    make_potential,
    notes,
    pose,
    potential_used,
)
from nas.searching.search import search
from nas.space import Space
from nas.trellis import Choices, Trellis, architecture_of, choices_of
from parsers.schema import Layer

EveryNetwork = Callable[[Trellis], list[Choices]]


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


ALL = Goals(
    limits=(
        Limit(target="latency", value=16.0),
        Limit(target="energy", value=1.62),
        Limit(target="power", value=105.0),
        Limit(target="memory", value=3.02),
    ),
    secondary=("latency", "energy", "power", "memory", "macs"),
)


def test_every_secondary_signal_has_a_potential_and_a_weight_of_its_own(
    small_space: Space, predictor: Predictor, setting: Setting
):
    posed = pose(small_space, predictor, setting, ALL)
    controller = make_controller("comet", posed, potential="exact", seed=0)

    for _ in range(12):
        choices = controller.propose()
        assert choices is not None
        controller.learn(choices, 0.5)
        costs = dict(zip([signal.name for signal in posed.budget.signals], posed.budget.costs(choices), strict=True))
        assert all(costs[limit.target] <= limit.value for limit in ALL.limits)

    regulation = controller.regulation()
    assert regulation is not None
    assert len(regulation.epsilons) == 5


@pytest.mark.parametrize("potential", ["learned", "online"])
def test_potentials_that_are_learned_look_at_their_own_costs_too(
    potential: str, small_space: Space, predictor: Predictor, setting: Setting
):
    posed = pose(small_space, predictor, setting, ALL)
    controller = make_controller("comet", posed, potential=potential, seed=0)

    asked = []
    for _ in range(4):
        choices = controller.propose()
        assert choices is not None
        controller.learn(choices, 0.5)
        asked.append(posed.budget.keeps(choices))

    assert asked == [True] * 4


class Sure:
    """A predictor that knows how far off it is about latencies, up to a level."""

    def __init__(self, inner: Predictor) -> None:
        self.inner, self.targets = inner, inner.targets
        self.predict_layers, self.predict_network = inner.predict_layers, inner.predict_network

    def network_factor(self, target: str, level: float, layers: Sequence[Layer], setting: Setting) -> float | None:
        assert layers
        assert setting.device == "bench"
        return 1.25 if target == "latency" and level <= 0.9 else None


def test_with_a_confidence_a_limit_holds_for_the_prediction_times_its_factor(
    small_space: Space, predictor: Predictor, setting: Setting
):
    goals = Goals(limits=(Limit(target="latency", value=15.0), Limit(target="macs", value=1e6)), confidence=0.9)

    posed = pose(small_space, Sure(predictor), setting, goals)

    sampler = Sampler(posed, seed=0)
    for _ in range(50):
        assert posed.budget.costs(choices_of(small_space, sampler.draw()))[0] * 1.25 <= 15.0
    assert notes(posed, "exact") == ("The limit on latency holds for 1.25 times what is predicted.",)
    with pytest.raises(InfeasibleError, match=r"latency within 10 ms \(held for 1\.25 times the predicted latency\)"):
        pose(small_space, Sure(predictor), setting, replace(goals, limits=(Limit(target="latency", value=10.0),)))


@pytest.mark.parametrize(
    ("target", "confidence"),
    [("latency", 0.95), ("energy", 0.9)],
)
def test_a_confidence_that_the_predictor_cannot_give_is_refused(
    target: str, confidence: float, small_space: Space, predictor: Predictor, setting: Setting
):
    goals = Goals(limits=(Limit(target=target, value=15.0),), confidence=confidence)

    for one in (predictor, Sure(predictor)):
        with pytest.raises(PredictorError, match=f"does not know how far off its {target} of networks is on bench"):
            pose(small_space, one, setting, goals)


def test_a_cost_as_the_primary_signal_is_asked_of_the_predictor_alone(
    small_space: Space, predictor: Predictor, setting: Setting, every_network: EveryNetwork
):
    posed = pose(
        small_space,
        predictor,
        setting,
        Goals(limits=(Limit(target="latency", value=15.0),), primary="energy"),
    )
    source = primary_source(posed)
    assert source is not None
    energies = {choices: posed.budget.costs(choices)[1] for choices in every_network(posed.trellis)}
    best = min(energies, key=lambda one: energies[one])

    assert source.accuracy(architecture_of(small_space, best)) == pytest.approx(1.0)
    for choices in list(energies)[::501]:
        value = source.accuracy(architecture_of(small_space, choices))
        assert value == pytest.approx(energies[best] / energies[choices], rel=1e-6)
        assert 0 < value <= 1


def test_a_signal_of_the_users_as_the_primary_one_is_asked_of_whole_networks(
    small_space: Space, predictor: Predictor, setting: Setting
):
    own = UserSignal(name="narrow", compute=lambda _, layers: 1 / len(layers))
    goals = Goals(limits=(Limit(target="latency", value=15.0),), primary="narrow", own=(own,))

    source = primary_source(pose(small_space, predictor, setting, goals))

    assert source is not None
    manual = small_space.manual()
    assert source.accuracy(manual) == pytest.approx(1 / len(network_layers(small_space, manual)))


def test_accuracy_as_the_primary_signal_is_for_somebody_to_train(problem: Problem):
    assert primary_source(problem) is None


def test_a_space_that_carries_too_much_gets_the_learned_potential_and_is_told_so(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
):
    assert notes(problem, "exact") == ()
    monkeypatch.setattr("nas.potentials.potential.MOST_NODES", 2)

    assert potential_used("exact", problem.trellis) == "learned"
    assert potential_used("online", problem.trellis) == "online"
    assert isinstance(make_potential("exact", problem.budget, signal=0, seed=0), LearnedPotential)
    (note,) = notes(problem, "exact")
    assert note.startswith("The potential is learned, not exact: ")
    assert "shapes can be carried into slot" in note
    assert notes(problem, "learned") == ()
    assert Sampler(problem, seed=0).draw()


def test_a_search_for_a_low_cost_that_is_limited_has_no_potential_and_no_weight(
    small_space: Space, predictor: Predictor, setting: Setting
):
    goals = Goals(limits=(Limit(target="latency", value=15.0),), primary="latency")
    posed = pose(small_space, predictor, setting, goals)
    source = primary_source(posed)
    assert source is not None
    environment = SearchEnvironment(
        posed.budget, posed.encoder, lambda choices: source.accuracy(architecture_of(small_space, choices))
    )

    records = search(
        environment,
        make_controller("comet", posed, potential="exact", seed=0),
        keeps=posed.budget.keeps,
        budget=40,
        report=lambda _: None,
    )

    assert {record.epsilon for record in records} == {None}
    # It learns to ask for quicker networks: the mean of the second half is better than that of the first.
    rewards = [record.accuracy for record in records]
    assert sum(rewards[20:]) > sum(rewards[:20])


@pytest.mark.parametrize("name", [*ControllerName])
def test_every_controller_searches_under_several_limits(
    name: str, small_space: Space, predictor: Predictor, setting: Setting
):
    posed = pose(small_space, predictor, setting, ALL)
    controller = make_controller(name, posed, potential="exact", seed=0)

    kept = []
    for _ in range(6):
        choices = controller.propose()
        assert choices is not None
        controller.learn(choices, 0.5)
        kept.append(posed.budget.keeps(choices))

    assert all(kept) or name == ControllerName.COMET_LITERAL  # the mask is no part of the algorithm as printed
