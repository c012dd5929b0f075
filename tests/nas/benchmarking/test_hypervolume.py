from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.benchmarking.hypervolume import Reference, cycled_limits, hypervolume, parse_reference, table_hypervolume
from nas.datasets.tables import Table
from nas.errors import SettingsError

CORNER = Reference(accuracy=60.0, cost=math.e**3)


def area(*points: tuple[float, float]) -> float:
    """Measure networks of so much accuracy at e^x."""
    accuracy, logs = np.array(points, dtype=float).reshape(-1, 2).T
    return hypervolume(accuracy, np.exp(logs), CORNER)


def test_areas_worked_by_hand():
    assert area((70, 1)) == pytest.approx(10 * 2)
    # 70 from 1 to 2, 80 from 2 to 3
    assert area((80, 2), (70, 1)) == pytest.approx(10 + 20)
    # what another network beats in both adds nothing
    assert area((80, 2), (70, 1), (75, 2.5), (65, 1.5)) == pytest.approx(30)
    # of two networks of one cost, or one accuracy, the better counts
    assert area((80, 2), (70, 2)) == area((80, 2), (80, 2.5)) == pytest.approx(20)


def test_what_is_no_better_than_the_reference_adds_nothing():
    assert area() == area((60, 1)) == area((90, 3)) == area((50, 1), (90, 4)) == 0.0


@given(st.lists(st.tuples(st.integers(55, 69), st.integers(0, 11)), max_size=8))
def test_an_area_is_the_union_of_every_networks_rectangle(cells: list[tuple[int, int]]):
    """Whole points and quarters of an e-fold: count the cells that some network dominates."""
    covered = {
        (point, quarter) for height, start in cells for point in range(60, height) for quarter in range(start, 12)
    }

    assert area(*((height, start / 4) for height, start in cells)) == pytest.approx(len(covered) / 4)


def test_a_table_dominates_what_its_best_networks_dominate():
    signal, cost = np.array([[70.0, 80.0], [10.0, 75.0]]), np.exp([[1.0, 2.0], [0.5, 2.5]])
    table = Table(signal=signal, report=signal, cost=cost, cost_name="ms")

    assert table_hypervolume(table, CORNER) == pytest.approx(30)


def test_limits_are_spread_evenly_on_the_logarithmic_scale_up_to_the_highest_cost_below_the_reference():
    cost = np.array([[1.0, 8.0], [3.0, 500.0]])
    table = Table(signal=cost * 0, report=cost * 0, cost=cost, cost_name="ms")

    assert cycled_limits(table, Reference(accuracy=0, cost=20), 3) == pytest.approx((2.0, 4.0, 8.0))
    assert cycled_limits(table, Reference(accuracy=0, cost=0.5)) == ()


def test_a_reference_is_an_accuracy_and_a_cost():
    assert parse_reference("60,36") == Reference()
    assert parse_reference(" 1.5, 2e3") == Reference(accuracy=1.5, cost=2000.0)


@pytest.mark.parametrize("text", ["", "60", "60,36,1", "high,low", "100,36", "60,0", "nan,36", "60,inf", "-1,36"])
def test_a_reference_that_is_none_is_refused(text: str):
    with pytest.raises(SettingsError, match="The reference"):
        parse_reference(text)
