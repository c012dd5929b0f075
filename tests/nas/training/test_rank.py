from __future__ import annotations

import itertools

import pytest

from nas.datasets.data import Data
from nas.space import Architecture, Space
from nas.training.rank import RankCheck, different, judge_alone, rank_correlation
from nas.training.schedule import Schedule


def test_the_coefficient_is_spearmans_worked_by_hand():
    # Ranks 1 2 3 4 and 2 1 3 4: 1 - 6 (1 + 1) / (4 (16 - 1)) = 0.8.
    assert rank_correlation((0.1, 0.2, 0.3, 0.9), (0.6, 0.5, 0.7, 0.8)) == pytest.approx(0.8)
    assert rank_correlation((0.1, 0.2, 0.3), (0.9, 0.5, 0.1)) == pytest.approx(-1.0)


def test_accuracies_that_are_all_the_same_rank_nothing():
    assert rank_correlation((0.1, 0.1, 0.1), (0.6, 0.5, 0.7)) == 0.0


def test_two_networks_have_no_ranks_to_compare():
    with pytest.raises(ValueError, match="2 networks"):
        rank_correlation((0.1, 0.2), (0.6, 0.5))


def test_no_network_is_drawn_twice_and_there_may_be_fewer_than_asked_for():
    few: list[Architecture] = [(), (None,), (None, None)]

    assert different(itertools.cycle([few[0], few[0], few[1], few[2]]).__next__, 2) == (few[0], few[1])
    assert different(itertools.cycle(few).__next__, 5) == tuple(few)


def test_networks_are_trained_alone_in_their_order_and_alike(small_space: Space, easy_data: Data):
    told: list[int] = []
    manual = small_space.manual()

    judged = judge_alone(
        small_space,
        [manual, (*manual[:-1], None), manual],
        easy_data,
        Schedule(epochs=6, batch_size=32),
        seed=0,
        threads=1,
        workers=1,
        advance=lambda done, _note: told.append(done),
    )

    assert judged[0] == judged[2] != judged[1]
    assert judged[0].accuracy > 0.5
    assert told == [1, 2, 3]


def test_a_coefficient_below_a_half_is_weak():
    assert [RankCheck(networks=20, correlation=one).weak for one in (-0.2, 0.49, 0.5, 0.9)] == [
        True,
        True,
        False,
        False,
    ]
