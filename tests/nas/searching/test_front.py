from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.searching.front import pareto_front
from nas.searching.search import Record

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=20)


def record(cost: float, accuracy: float, *, number: int = 0) -> Record:
    return Record(
        choices=(number,),
        accuracy=accuracy,
        costs=(cost,),
        epsilon=1.0,
        growth=0.0,
        within=True,
        feasible_share=1.0,
        seconds=0.0,
    )


def test_the_front_by_hand():
    #  acc
    #  0.9 |          b   d      b and d are equally accurate, d dearer: off
    #  0.8 |    a                a is cheapest but for e
    #  0.7 |       c             c is dearer and worse than a: off
    #  0.5 | e                   e is cheapest of all
    a, b, c, d, e = record(4, 0.8), record(9, 0.9), record(6, 0.7), record(12, 0.9), record(1, 0.5)

    assert pareto_front([a, b, c, d, e]) == (e, a, b)


def test_of_two_that_cost_the_same_the_more_accurate_is_on_the_front():
    worse, better = record(3, 0.6), record(3, 0.7)

    assert pareto_front([worse, better]) == (better,)


def test_of_two_that_are_the_same_the_first_stands_for_both():
    first, second = record(3, 0.6, number=1), record(3, 0.6, number=2)

    assert pareto_front([first, second]) == (first,)


@pytest.mark.parametrize("records", [[], [record(1, 0.5)]])
def test_a_front_of_none_or_one_is_itself(records: list[Record]):
    assert pareto_front(records) == tuple(records)


@given(points=POINTS)
def test_the_front_holds_exactly_the_points_that_no_other_dominates(points: list[tuple[int, int]]):
    records = [record(cost, accuracy / 10) for cost, accuracy in points]

    def dominated(one: Record) -> bool:
        return any(
            other.cost <= one.cost
            and other.accuracy >= one.accuracy
            and (other.cost, other.accuracy) != (one.cost, one.accuracy)
            for other in records
        )

    front = pareto_front(records)

    expected = {(one.cost, one.accuracy) for one in records if not dominated(one)}
    assert [(one.cost, one.accuracy) for one in front] == sorted(expected)
