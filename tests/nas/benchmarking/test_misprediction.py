from __future__ import annotations

import numpy as np
import pytest

from nas.benchmarking.misprediction import margin, mispredicted
from nas.datasets.tables import Table


@pytest.fixture
def table() -> Table:
    cost = np.linspace(1.0, 50.0, 10_000).reshape(100, 100)
    return Table(signal=cost, report=cost, cost=cost, cost_name="ms")


def test_every_network_has_a_factor_of_its_own_that_the_seed_fixes(table: Table):
    first, again, other = (mispredicted(table, 0.1, seed).cost / table.cost for seed in (3, 3, 4))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.log(first).mean() == pytest.approx(0.0, abs=0.004)
    assert np.log(first).std() == pytest.approx(0.1, abs=0.003)
    assert mispredicted(table, 0.1, 3).signal is table.signal


def test_without_noise_the_search_sees_the_table(table: Table):
    assert mispredicted(table, 0.0, 3) is table


def test_a_margin_covers_as_many_errors_as_it_promises(table: Table):
    # Of |N(0, 0.1)|, nine tenths are below 0.1645.
    margins = [margin(0.1, 0.9, seed) for seed in range(40)]
    covered = [
        np.mean(np.abs(np.log(mispredicted(table, 0.1, seed).cost / table.cost)) <= np.log(margins[seed]))
        for seed in range(40)
    ]

    assert np.log(np.mean(margins)) == pytest.approx(0.1645, abs=0.006)
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_no_confidence_and_no_noise_ask_for_no_margin():
    assert margin(0.1, None, 0) == 1.0
    assert margin(0.0, 0.9, 0) == 1.0
