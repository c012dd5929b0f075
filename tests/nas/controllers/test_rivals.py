"""What every rival has to do, on a table whose best network is known; what each does its own way below."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from optuna.samplers import TPESampler

from nas.benchmarking.hypervolume import Reference, hypervolume
from nas.benchmarking.table_layout import TablePotential, table_budget, table_encoder, table_trellis
from nas.controllers.assistance import Assistance
from nas.controllers.controller import Controller
from nas.controllers.evolution import Evolution
from nas.controllers.linear_thompson import LinearThompson
from nas.controllers.local_search import STARTS, LocalSearch
from nas.controllers.reinforce import Reinforce
from nas.controllers.rivals import RIVALS
from nas.controllers.studies import Study, Verdict
from nas.datasets.tables import Table
from nas.equations import standardised
from nas.trellis import Choices

LEARNERS = [name for name in RIVALS if name not in ("random", "comet-literal", "nsga2")]
"""Who is after one figure, of accuracy and limit: the literal algorithm knows no limit, and NSGA-II is after a front."""


@pytest.fixture(scope="module")
def table() -> Table:
    """Five slots of four choices; a choice's number adds to accuracy and cost, and 3 beside 3 spoils a network."""
    choices = np.indices((4,) * 5).astype(float)
    spoiled = sum((choices[i] == 3) & (choices[i + 1] == 3) for i in range(4))
    signal = 50 + 3 * choices.sum(axis=0) - 10 * spoiled
    return Table(signal=signal, report=signal, cost=2 + choices.sum(axis=0), cost_name="ms")


GiveHelp = Callable[..., Assistance]


@pytest.fixture
def help_with(table: Table) -> GiveHelp:
    def build(limit: float, *, masked: bool = True, sharpness: int = 0) -> Assistance:
        trellis = table_trellis(table)
        budget = table_budget(table, trellis, limit, masked=masked)
        potential = TablePotential(budget, sharpness=sharpness)
        return Assistance(budget=budget, potential=potential, limit_ticks=10**9)

    return build


def rival(name: str, given: Assistance, seed: int) -> Controller:
    return RIVALS[name](given, table_encoder(given.budget.trellis), seed, 60)


def ask(controller: Controller, table: Table, queries: int) -> list[Choices]:
    asked: list[Choices] = []
    while len(asked) < queries and (choices := controller.propose()) is not None:
        controller.learn(choices, float(table.signal[choices]) / 100)
        asked.append(choices)
    return asked


def best_of(asked: list[Choices], table: Table, limit: float) -> float:
    return max((float(table.signal[one]) for one in asked if table.cost[one] <= limit), default=0.0)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_rival_finds_better_networks_than_chance(name: str, table: Table, help_with: GiveHelp):
    def mean_best(who: str) -> float:
        searchers = [rival(who, help_with(14.0), seed) for seed in range(3)]
        return float(np.mean([best_of(ask(one, table, 60), table, 14.0) for one in searchers]))

    assert mean_best(name) > mean_best("random")


@pytest.mark.parametrize("name", LEARNERS)
def test_a_rival_without_a_mask_learns_to_keep_the_limit(name: str, table: Table, help_with: GiveHelp):
    kept = []
    for seed in range(3):
        asked = ask(rival(name, help_with(6.0, masked=False), seed), table, 60)
        kept.append([bool(table.cost[one] <= 6.0) for one in asked])

    assert not np.all(kept)
    assert np.mean(np.array(kept)[:, 30:]) > 1.5 * table.within(6.0).mean()


def test_shares_worth_and_neighbours_by_hand(help_with: GiveHelp):
    given = help_with(4.0, masked=False)

    assert given.share((1, 1, 0, 0, 0)) == 1.0
    assert given.worth((1, 1, 0, 0, 0), 0.8) == 0.8
    assert given.worth((3, 3, 0, 0, 0), 0.8) == pytest.approx(0.4)  # costs 8 of 4
    assert len(given.neighbours((1, 1, 0, 0, 0))) == 15
    assert help_with(4.0).neighbours((1, 1, 0, 0, 0)) == [(0, 1, 0, 0, 0), (1, 0, 0, 0, 0)]
    assert help_with(4.0).offers((2, 0, 0, 0, 0))
    assert not help_with(4.0).offers((3, 0, 0, 0, 0))


def test_a_sharper_potential_starts_rivals_near_the_limit(table: Table, help_with: GiveHelp):
    means = [
        np.mean([table.cost[one] for one in help_with(9.0, sharpness=sharpness).draw(300, np.random.default_rng(0))])
        for sharpness in (0, 5, 50)
    ]

    assert means[0] < means[1] < means[2] <= 9.0


def test_fresh_networks_come_to_an_end(help_with: GiveHelp):
    given, random = help_with(3.0, sharpness=50), np.random.default_rng(0)
    asked: set[Choices] = set()
    while (choices := given.fresh(asked, random)) is not None:
        asked.add(choices)

    assert len(asked) == 6  # nothing, or one slot's choice 1


def test_evolution_has_children_that_differ_from_a_survivor_in_one_slot(table: Table, help_with: GiveHelp):
    asked = ask(Evolution(help_with(12.0), seed=0, budget=80), table, 60)

    for at in range(10, 60):  # a population of 80 / 8 = 10
        alive = asked[at - 10 : at]
        assert min(sum(a != b for a, b in zip(asked[at], one, strict=True)) for one in alive) == 1


def test_local_search_looks_around_the_best_start_and_moves_where_it_is_better(table: Table, help_with: GiveHelp):
    asked = ask(LocalSearch(help_with(12.0), seed=1), table, STARTS + 8)

    here = max(asked[:STARTS], key=lambda one: float(table.signal[one]))
    for one in asked[STARTS:]:
        assert sum(a != b for a, b in zip(one, here, strict=True)) == 1
        here = max(here, one, key=lambda item: float(table.signal[item]))


def test_reinforce_steps_along_the_gradient_worked_by_hand(help_with: GiveHelp):
    # The first reward sets the baseline: no step. The second is 0.2 above it, the variance moves to 0.1 · 0.04, so that
    # the advantage is 0.2 / 0.0632 = 3.162, and a fair choice of four gains 0.3 · 3.162 · (1 - 1/4).
    controller = Reinforce(help_with(30.0), seed=0)
    controller.learn((0, 0, 0, 0, 0), 0.5)
    controller.learn((1, 0, 0, 0, 0), 0.7)

    assert controller._logits[0] == pytest.approx(0.9487 * np.array([-0.25, 0.75, -0.25, -0.25]), abs=1e-4)


def test_linear_thompson_draws_models_that_fit_what_was_seen(table: Table, help_with: GiveHelp):
    controller = LinearThompson(help_with(30.0), seed=0)
    asked = ask(controller, table, 60)

    wanted = standardised(np.array([float(table.signal[one]) / 100 for one in asked]))
    drawn = np.mean([controller._sums(asked, controller._weights()) for _ in range(10)], axis=0)
    assert np.mean(np.abs(drawn - wanted)) < 0.1


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_goes_on_under_another_limit_and_asks_about_nothing_twice(name: str, table: Table, help_with: GiveHelp):
    controller = RIVALS[name](help_with(14.0), table_encoder(help_with(14.0).budget.trellis), 0, 60)
    before = ask(controller, table, 25)
    controller.aim(help_with(8.0))
    after = ask(controller, table, 25)

    assert len(set(before + after)) == 50
    if name != "comet-literal":  # it knows no limit
        assert max(table.cost[one] for one in after) <= 8.0


def test_nsga2_finds_more_of_a_rare_front_than_chance():
    # Accuracy comes from the first three slots; what the others cost is wasted.
    choices = np.indices((4,) * 6).astype(float)
    signal, cost = 50 + 3 * choices[:3].sum(axis=0), 2 + choices.sum(axis=0)
    table = Table(signal=signal, report=signal, cost=cost, cost_name="ms")
    budget = table_budget(table, table_trellis(table), 20.0)
    given = Assistance(budget=budget, potential=TablePotential(budget, sharpness=0), limit_ticks=10**9)

    def mean_area(who: str) -> float:
        asked = [ask(rival(who, given, seed), table, 120) for seed in range(3)]
        columns = [[np.array([column[one] for one in networks]) for column in (signal, cost)] for networks in asked]
        return float(np.mean([hypervolume(*two, Reference(accuracy=50.0, cost=20.0)) for two in columns]))

    assert mean_area("nsga2") > 1.1 * mean_area("random")


def test_a_study_is_told_again_of_what_it_suggests_again_and_then_gives_up():
    costs = np.ones((2, 3))
    table = Table(signal=costs, report=costs, cost=costs, cost_name="ms")
    budget = table_budget(table, table_trellis(table), 2.0)
    given = Assistance(budget=budget, potential=TablePotential(budget, sharpness=0), limit_ticks=10**9)
    told: list[tuple[Choices, float]] = []

    def judge(choices: Choices, accuracy: float) -> Verdict:
        told.append((choices, accuracy))
        return Verdict(values=(accuracy,), excess=0.0)

    study = Study(given, TPESampler(seed=0), ["maximize"], judge)
    asked: dict[Choices, float] = {}
    while len(asked) < 6:
        choices = study.suggest(given, asked) or given.fresh(asked, np.random.default_rng(0))
        assert choices is not None
        asked[choices] = 0.5 + sum(choices) / 10
        study.learn(choices, asked[choices])

    assert study.suggest(given, asked) is None
    assert set(told) == set(asked.items())
    assert len(told) > 6
