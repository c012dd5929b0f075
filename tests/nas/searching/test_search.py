from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from nas.controllers.controller import Regulation
from nas.controllers.encoding import Encoder
from nas.errors import ResumeError, SettingsError
from nas.limits.costs import Budget
from nas.searching.environment import SearchEnvironment
from nas.searching.search import Record, best_record, finalists, search
from nas.trellis import Choices

MakeBudget = Callable[..., Budget]
EncoderOf = Callable[[Budget], Encoder]


class Scripted:
    """A controller that proposes what it was told to, and remembers what it learned."""

    def __init__(self, *proposals: Choices) -> None:
        self.proposals = list(proposals)
        self.learned: list[tuple[Choices, float]] = []

    def propose(self) -> Choices | None:
        return self.proposals.pop(0) if self.proposals else None

    def learn(self, choices: Choices, accuracy: float) -> None:
        self.learned.append((choices, accuracy))

    def regulation(self) -> Regulation | None:
        return Regulation(epsilons=(0.5,), growth=0.25)


@pytest.fixture
def environment(puzzle: MakeBudget, encoder_of: EncoderOf) -> SearchEnvironment:
    budget = puzzle([[1.0, 2.0], [1.0, 2.0]], limit=3.0)
    return SearchEnvironment(budget, encoder_of(budget), lambda choices: sum(choices) / 10)


def record(choices: Choices, accuracy: float, cost: float) -> Record:
    return Record(
        choices=choices,
        accuracy=accuracy,
        costs=(cost,),
        epsilon=None,
        growth=None,
        within=True,
        feasible_share=1.0,
        seconds=0.0,
    )


def test_a_search_tells_the_controller_what_every_network_is_worth_and_records_it(environment: SearchEnvironment):
    controller = Scripted((0, 1), (0, 0))
    reported: list[int] = []

    records = search(
        environment, controller, budget=2, keeps=lambda _: True, report=lambda records: reported.append(len(records))
    )

    assert controller.learned == [((0, 1), 0.1), ((0, 0), 0.0)]
    assert reported == [1, 2]
    first = records[0]
    assert (first.choices, first.accuracy, first.cost, first.epsilon, first.growth) == ((0, 1), 0.1, 3.0, 0.5, 0.25)
    assert first.feasible_share == 1.0


def test_a_search_stops_at_its_budget(environment: SearchEnvironment):
    controller = Scripted((0, 0), (0, 1), (1, 0))

    records = search(environment, controller, budget=2, keeps=lambda _: True, report=lambda _: None)

    assert [item.choices for item in records] == [(0, 0), (0, 1)]


def test_a_search_stops_where_the_controller_finds_nothing_new(environment: SearchEnvironment):
    records = search(environment, Scripted((1, 0)), budget=50, keeps=lambda _: True, report=lambda _: None)

    assert [item.choices for item in records] == [(1, 0)]


def test_the_share_of_choices_left_open_is_averaged_over_the_slots(environment: SearchEnvironment):
    (item,) = search(environment, Scripted((1, 0)), budget=1, keeps=lambda _: True, report=lambda _: None)

    assert item.feasible_share == pytest.approx((1 + 1 / 2) / 2)


@pytest.mark.parametrize("budget", [0, -3])
def test_a_budget_of_nothing_is_refused(environment: SearchEnvironment, budget: int):
    with pytest.raises(SettingsError, match=f"A budget of {budget} accuracy queries finds nothing"):
        search(environment, Scripted(), budget=budget, keeps=lambda _: True, report=lambda _: None)


class Log:
    """Keeps records in a list, beside those that were kept before."""

    def __init__(self, *kept: Record) -> None:
        self.kept = kept
        self.appended: list[Record] = []

    def append(self, item: Record) -> None:
        self.appended.append(item)


def ask(environment: SearchEnvironment, *proposals: Choices, patience: int = 0, log: Log | None = None) -> list[Record]:
    return list(
        search(
            environment,
            Scripted(*proposals),
            keeps=environment.budget.keeps,
            budget=10,
            report=lambda _: None,
            patience=patience,
            log=log,
        )
    )


def test_a_search_goes_on_behind_what_was_kept_and_keeps_only_what_is_new(environment: SearchEnvironment):
    undisturbed = ask(environment, (0, 1), (0, 0), (1, 0))
    log = Log(*undisturbed[:2])
    controller = Scripted((0, 1), (0, 0), (1, 0))

    records = search(environment, controller, keeps=environment.budget.keeps, budget=3, report=lambda _: None, log=log)

    assert records[:2] == tuple(undisturbed[:2])  # their seconds, too
    assert log.appended == [records[2]]
    assert records[2].choices == (1, 0)
    assert controller.learned == [((0, 1), 0.1), ((0, 0), 0.0), ((1, 0), 0.1)]


@pytest.mark.parametrize("changes", [{"choices": (1, 0)}, {"accuracy": 0.7}, {"costs": (2.5,)}, {"epsilon": 0.4}])
def test_a_search_that_does_not_repeat_what_was_kept_is_refused(environment: SearchEnvironment, changes):
    (first,) = ask(environment, (0, 1))

    with pytest.raises(ResumeError, match="does not repeat what it did before it was stopped"):
        ask(environment, (0, 1), (0, 0), log=Log(dataclasses.replace(first, **changes)))


def test_a_search_ends_after_so_many_queries_without_a_better_network(puzzle: MakeBudget, encoder_of: EncoderOf):
    accuracies = {0: 0.3, 1: 0.5, 2: 0.5, 3: 0.4, 4: 0.9}
    budget = puzzle([[1.0] * 5], limit=3.0)
    environment = SearchEnvironment(budget, encoder_of(budget), lambda choices: accuracies[choices[0]])
    proposals = [(number,) for number in range(5)]

    asked = {patience: len(ask(environment, *proposals, patience=patience)) for patience in range(4)}

    assert asked == {0: 5, 1: 3, 2: 4, 3: 5}


def test_patience_waits_for_a_first_network_within_the_limits(puzzle: MakeBudget, encoder_of: EncoderOf):
    masked, free = puzzle([[1.0, 9.0, 9.0, 9.0, 9.0]], limit=3.0), puzzle([[1.0, 9.0, 9.0, 9.0, 9.0]], limit=99.0)
    environment = SearchEnvironment(free, encoder_of(free), lambda choices: choices[0] / 10)
    proposals = [(number,) for number in (1, 2, 3, 0, 4)]

    records = search(
        environment,
        Scripted(*proposals),
        keeps=masked.keeps,
        budget=10,
        report=lambda _: None,
        patience=1,
    )

    assert [(item.accuracy, item.within) for item in records] == [
        (0.1, False),
        (0.2, False),
        (0.3, False),
        (0.0, True),
        (0.4, False),
    ]
    assert [item.choices for item in finalists(records, 3)] == [(0,)]


def test_a_network_that_the_environment_rules_out_is_not_within(environment: SearchEnvironment):
    (item,) = ask(environment, (1, 1))

    assert (item.accuracy, item.within) == (0.0, False)
    assert best_record([item]) is None


def test_the_best_network_is_the_most_accurate_and_of_equals_the_cheaper():
    records = [record((0,), 0.8, 1.0), record((1,), 0.9, 3.0), record((2,), 0.9, 2.0)]

    assert best_record(records) == records[2]
    assert [item.choices for item in finalists(records, 2)] == [(2,), (1,)]
