from __future__ import annotations

from collections.abc import Callable

import pytest

from nas.controllers.controller import Regulation
from nas.costs import Budget
from nas.encoding import Encoder
from nas.environment import SearchEnvironment
from nas.errors import SettingsError
from nas.search import Record, best_record, finalists, search
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
        choices=choices, accuracy=accuracy, costs=(cost,), epsilon=None, growth=None, feasible_share=1.0, seconds=0.0
    )


def test_a_search_tells_the_controller_what_every_network_is_worth_and_records_it(environment: SearchEnvironment):
    controller = Scripted((0, 1), (0, 0))
    reported: list[int] = []

    records = search(environment, controller, budget=2, report=lambda records: reported.append(len(records)))

    assert controller.learned == [((0, 1), 0.1), ((0, 0), 0.0)]
    assert reported == [1, 2]
    first = records[0]
    assert (first.choices, first.accuracy, first.cost, first.epsilon, first.growth) == ((0, 1), 0.1, 3.0, 0.5, 0.25)
    assert first.feasible_share == 1.0


def test_a_search_stops_at_its_budget(environment: SearchEnvironment):
    controller = Scripted((0, 0), (0, 1), (1, 0))

    records = search(environment, controller, budget=2, report=lambda _: None)

    assert [item.choices for item in records] == [(0, 0), (0, 1)]


def test_a_search_stops_where_the_controller_finds_nothing_new(environment: SearchEnvironment):
    records = search(environment, Scripted((1, 0)), budget=50, report=lambda _: None)

    assert [item.choices for item in records] == [(1, 0)]


def test_the_share_of_choices_left_open_is_averaged_over_the_slots(environment: SearchEnvironment):
    (item,) = search(environment, Scripted((1, 0)), budget=1, report=lambda _: None)

    assert item.feasible_share == pytest.approx((1 + 1 / 2) / 2)


@pytest.mark.parametrize("budget", [0, -3])
def test_a_budget_of_nothing_is_refused(environment: SearchEnvironment, budget: int):
    with pytest.raises(SettingsError, match=f"A budget of {budget} accuracy queries finds nothing"):
        search(environment, Scripted(), budget=budget, report=lambda _: None)


def test_the_best_network_is_the_most_accurate_and_of_equals_the_cheaper():
    records = [record((0,), 0.8, 1.0), record((1,), 0.9, 3.0), record((2,), 0.9, 2.0)]

    assert best_record(records).choices == (2,)
    assert [item.choices for item in finalists(records, 2)] == [(2,), (1,)]
