from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nas.controllers.assistance import Assistance
from nas.controllers.comet import Comet, CometSettings, EpsilonRule
from nas.controllers.controller import Controller
from nas.controllers.encoding import Encoder
from nas.controllers.random_search import RandomSearch
from nas.limits.costs import Budget
from nas.potentials.potential import ExactPotential
from nas.trellis import Choices

MakeBudget = Callable[..., Budget]
EncoderOf = Callable[[Budget], Encoder]


def comet(budget: Budget, encoder_of: EncoderOf, *, seed: int = 0, settings: CometSettings | None = None) -> Comet:
    return Comet(budget, encoder_of(budget), [ExactPotential(budget, sharpness=5)], seed=seed, settings=settings)


def random_search(budget: Budget, encoder_of: EncoderOf, *, seed: int = 0) -> RandomSearch:  # noqa: ARG001
    counting = ExactPotential(budget, sharpness=0)
    return RandomSearch(
        Assistance(budget=budget, potential=counting, limit_ticks=int(budget.limit_ticks[0])), seed=seed
    )


def play(controller: Controller, worth: Callable[[Choices], float], queries: int) -> list[Choices]:
    asked: list[Choices] = []
    while len(asked) < queries and (choices := controller.propose()) is not None:
        controller.learn(choices, worth(choices))
        asked.append(choices)
    return asked


Make = Callable[..., Controller]


@pytest.mark.parametrize("make", [comet, random_search])
def test_a_controller_asks_about_every_network_within_the_limit_once_and_then_stops(
    make: Make, puzzle: MakeBudget, encoder_of: EncoderOf
):
    budget = puzzle([[1.0, 2.0], [1.0, 2.0]], limit=3.0)

    asked = play(make(budget, encoder_of), lambda _: 0.5, 100)

    assert sorted(asked) == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("make", [comet, random_search])
def test_a_controller_keeps_the_limit(make: Make, small_budget: Budget, encoder_of: EncoderOf):
    asked = play(make(small_budget, encoder_of), lambda _: 0.5, 20)

    costs = [small_budget.costs(choices)[0] for choices in asked]
    assert len(set(asked)) == 20
    assert max(costs) <= 15.0


@pytest.mark.parametrize("make", [comet, random_search])
def test_the_same_seed_asks_the_same_questions(make: Make, small_budget: Budget, encoder_of: EncoderOf):
    first, second, other = (
        play(make(small_budget, encoder_of, seed=seed), lambda choices: sum(choices) / 100, 12) for seed in (4, 4, 5)
    )

    assert first == second
    assert first != other


def test_q_learns_the_values_of_a_two_state_puzzle_with_a_known_answer(puzzle: MakeBudget, encoder_of: EncoderOf):
    # Only (1, 0) is worth anything. With all four seen the median is 0 and q90 is 0.7, so r_P is 1 / (2 · 0.7) = 0.714
    # behind (1, 0) and 0 elsewhere; the first decision's Q is γ · 0.714 = 0.643 for choice 1 and 0 for choice 0.
    budget = puzzle([[1.0, 1.0], [1.0, 1.0]], limit=4.0)
    controller = comet(budget, encoder_of, settings=CometSettings(updates=150))

    asked = play(controller, lambda choices: float(choices == (1, 0)), 4)

    assert len(asked) == 4
    assert controller.q_of(()) == pytest.approx([0.0, 0.643], abs=0.05)
    assert controller.q_of((0,)) == pytest.approx([0.0, 0.0], abs=0.05)
    assert controller.q_of((1,)) == pytest.approx([0.714, 0.0], abs=0.05)


def hidden_optimum(choices: Choices) -> float:
    """Worth 0.9 at (2, 0, 1, 2), less for every decision that differs."""
    wanted = (2, 0, 1, 2)
    return 0.5 + 0.1 * sum(choice == best for choice, best in zip(choices, wanted, strict=True))


def queries_to_optimum(controller: Controller) -> int:
    asked = play(controller, hidden_optimum, 81)
    return asked.index((2, 0, 1, 2)) + 1


def test_comet_finds_the_optimum_of_a_known_mdp_in_a_fraction_of_random_searchs_queries(
    puzzle: MakeBudget, encoder_of: EncoderOf
):
    budget = puzzle([[1.0, 1.0, 1.0]] * 4, limit=8.0)

    learned = [queries_to_optimum(comet(budget, encoder_of, seed=seed)) for seed in range(5)]
    blind = [queries_to_optimum(random_search(budget, encoder_of, seed=seed)) for seed in range(5)]

    assert np.median(learned) <= 25
    assert np.mean(learned) < 0.6 * np.mean(blind)


def test_in_a_long_space_comet_edits_the_best_network(puzzle: MakeBudget, encoder_of: EncoderOf):
    budget = puzzle([[1.0, 1.0]] * 14, limit=20.0)
    controller = comet(budget, encoder_of)

    asked = play(controller, lambda choices: 0.5 + sum(choices) / 40, 60)

    assert max(map(sum, asked)) == 14
    for query in range(10, 20):  # the early ones: later on no edit is left that was not asked about
        best = max(asked[:query], key=sum)
        assert sum(one != other for one, other in zip(asked[query], best, strict=True)) == 1


def test_epsilon_starts_at_1_and_is_regulated_by_the_growth_of_accuracy(puzzle: MakeBudget, encoder_of: EncoderOf):
    budget = puzzle([[1.0, 1.0, 1.0]] * 3, limit=8.0)
    controller = comet(budget, encoder_of, settings=CometSettings(updates=0))
    seen = [controller.regulation()]

    for accuracy in (0.6, 0.4, 0.9):
        choices = controller.propose()
        assert choices is not None
        controller.learn(choices, accuracy)
        seen.append(controller.regulation())

    # Δ: 0 at first; 0.4 - 0.6; the average moves to 0.58, so 0.9 - 0.58.
    assert [item.growth for item in seen] == pytest.approx([0.0, 0.0, -0.2, 0.32])
    fallen = 0.995 * 0.995 * np.exp(-0.4)
    assert [item.epsilons[0] for item in seen] == pytest.approx(
        [1.0, 0.995, fallen, min(1.0, fallen * 0.995 * np.exp(0.64))]
    )


def test_before_anything_is_learned_comet_draws_near_the_limit(small_budget: Budget, encoder_of: EncoderOf):
    settings = CometSettings(draws=1, updates=0)
    potential = ExactPotential(small_budget, sharpness=50)
    controller = Comet(small_budget, encoder_of(small_budget), [potential], seed=0, settings=settings)
    blind = random_search(small_budget, encoder_of)

    means = [
        np.mean([small_budget.costs(choices)[0] for choices in play(item, lambda _: 0.5, 40)])
        for item in (controller, blind)
    ]

    assert means[0] > means[1]


def test_scouts_keep_in_sight_what_the_policy_no_longer_draws(puzzle: MakeBudget, encoder_of: EncoderOf):
    budget = puzzle([[1.0, 1.0, 1.0]] * 4, limit=8.0)

    def drawn(scouts: int) -> int:
        """Count the different networks among those drawn once a policy is as good as sure of one."""
        settings = CometSettings(scouts=scouts, temperature=0.01, epsilon=EpsilonRule.CONSTANT)
        controller = comet(budget, encoder_of, settings=settings)
        play(controller, hidden_optimum, 20)
        return len({tuple(row) for row in controller._draw().tolist()})

    assert drawn(16) > drawn(0) + 8
