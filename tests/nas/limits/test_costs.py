from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nas.errors import InfeasibleError
from nas.limits.costs import Budget, CostTable
from nas.limits.drawing import draw
from nas.trellis import Choices, Trellis

MakeBudget = Callable[..., Budget]
EveryNetwork = Callable[[Trellis], list[Choices]]


def walk(budget: Budget, choices: Choices) -> bool:
    """Tell whether every choice of a network is offered on its way."""
    node, spent = 0, budget.start
    for slot, choice in enumerate(choices):
        if not budget.allowed(slot, np.array([node]), spent[None])[0, choice]:
            return False
        spent = budget.add(spent, budget.steps[slot][node, choice])
        node = int(budget.trellis.successors[slot][node, choice])
    return True


def test_the_mask_lets_through_exactly_the_networks_within_the_limit(small_budget: Budget, every_network: EveryNetwork):
    for choices in every_network(small_budget.trellis)[::7]:
        assert walk(small_budget, choices) == (small_budget.costs(choices)[0] <= 15.0)


def test_a_thousand_random_walks_meet_no_dead_end(small_budget: Budget):
    drawn = draw(small_budget, lambda _, mask: np.zeros(mask.shape), 1000, np.random.default_rng(1))

    totals = [small_budget.costs(choices)[0] for choices in drawn.tolist()]

    assert max(totals) <= 15.0


def test_a_network_that_costs_exactly_the_limit_keeps_it(puzzle: MakeBudget):
    budget = puzzle([[0.1, 0.4], [0.2, 0.5]], limit=0.75, start=0.25)

    allowed = [walk(budget, choices) for choices in ((0, 0), (0, 1), (1, 0), (1, 1))]

    assert allowed == [True, False, False, False]
    assert walk(puzzle([[0.125], [0.125]], limit=0.5, start=0.25), (0, 0))


def test_what_cannot_run_is_never_offered(puzzle: MakeBudget):
    budget = puzzle([[np.inf, 1.0], [1.0, np.inf]], limit=10.0)

    assert budget.allowed(0, np.array([0]), np.array([[0]])).tolist() == [[False, True]]
    assert budget.allowed(1, np.array([0]), np.array([[0]])).tolist() == [[True, False]]


def test_a_limit_that_no_network_keeps_is_met_with_the_lowest_possible(puzzle: MakeBudget):
    with pytest.raises(
        InfeasibleError, match="No network of the space keeps latency within 2 ms: the lowest"
    ) as caught:
        puzzle([[1.5, 1.0], [2.0, 3.0]], limit=2.0, start=0.5)

    assert caught.value.lowest == pytest.approx(3.5)


def test_a_total_is_the_start_the_choices_and_the_end():
    trellis = Trellis(
        successors=(np.array([[0, 1]]), np.array([[0], [0]])),
        backbone=(np.array([0]), np.array([0, 0])),
        attributes=(np.zeros((1, 2, 1)), np.zeros((2, 1, 1))),
        carried=(np.zeros((1, 1)), np.zeros((2, 1)), np.zeros((1, 1))),
    )
    table = CostTable(start=1.0, steps=(np.array([[2.0, 3.0]]), np.array([[10.0], [20.0]])), end=np.array([100.0]))

    assert [table.total(trellis, choices) for choices in ((0, 0), (1, 0))] == [113.0, 124.0]


def test_a_space_in_which_nothing_can_run_says_so_and_advises_no_limit(puzzle: MakeBudget):
    with pytest.raises(InfeasibleError) as caught:
        puzzle([[np.inf, np.inf], [2.0, 3.0]], limit=10.0)

    assert str(caught.value) == (
        "No network of the space can run here at all: the predictor knows each as infeasible. "
        "Choose another space or another device."
    )
