from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.benchmarking.table_layout import TablePotential, table_budget, table_trellis
from nas.datasets.tables import Table
from nas.limits.drawing import draw_fairly


def table_of(costs: np.ndarray) -> Table:
    return Table(signal=np.zeros(costs.shape), report=np.zeros(costs.shape), cost=costs, cost_name="ms")


@st.composite
def any_costs(draw_from: st.DrawFn) -> np.ndarray:
    shape = tuple(draw_from(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    count = int(np.prod(shape))
    values = st.lists(st.integers(1, 9).map(float) | st.just(np.inf), min_size=count, max_size=count)
    return np.array(draw_from(values)).reshape(shape)


@given(costs=any_costs(), limit=st.integers(1, 9), sharpness=st.integers(0, 6))
def test_mask_and_potential_of_any_table_equal_enumeration(costs: np.ndarray, limit: float, sharpness: int):
    table = table_of(costs)
    if not (costs <= limit).any():
        return
    budget = table_budget(table, table_trellis(table), limit)
    potential = TablePotential(budget, sharpness=sharpness)

    for slot in range(costs.ndim):
        for decided in itertools.product(*map(range, costs.shape[:slot])):
            node = budget.trellis.path(decided)[-1]
            spent = int(budget.start[0])
            for at, choice in enumerate(decided):
                spent += int(budget.steps[at][budget.trellis.path(decided)[at], choice, 0])
            for choice in range(costs.shape[slot]):
                block = costs[(*decided, choice)]
                kept = block[block <= limit]
                expected = np.log(np.sum((kept / limit) ** sharpness)) if kept.size else -np.inf

                assert budget.allowed(slot, np.array([node]), np.array([[spent]]))[0, choice] == bool(kept.size)
                actual = potential.values(slot, np.array([node]), np.array([[spent]]))[0, choice]
                assert actual == pytest.approx(expected, abs=1e-7)


def test_what_is_spent_on_a_prefix_is_the_cheapest_network_behind_it():
    table = table_of(np.array([[4.0, 2.0], [3.0, 8.0]]))
    budget = table_budget(table, table_trellis(table), 4.0)

    assert budget.share(budget.start).tolist() == [0.5]
    assert [budget.share(step)[..., 0].tolist() for step in budget.steps] == [[[0.0, 0.25]], [[0.5, 0.0], [0.0, 1.25]]]
    assert budget.costs((1, 0)) == (pytest.approx(0.75),)


def test_without_a_mask_every_network_can_be_drawn():
    table = table_of(np.array([[1.0, 50.0], [np.inf, 9000.0]]))
    budget = table_budget(table, table_trellis(table), 2.0, masked=False)

    drawn = draw_fairly(budget, 200, np.random.default_rng(0))

    assert {tuple(row) for row in drawn.tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}
