from __future__ import annotations

import math

import numpy as np
import pytest

from nas.benchmarking.table_layout import TablePotential, table_budget, table_encoder, table_trellis
from nas.controllers.assistance import Assistance
from nas.controllers.comet_literal import CometLiteral
from nas.datasets.tables import Table


@pytest.fixture(scope="module")
def table() -> Table:
    """Three slots of three choices: the median network is (1, 1, 1)."""
    choices = np.indices((3, 3, 3)).astype(float)
    cost = 1 + choices.sum(axis=0) + choices[0] / 10 + choices[1] / 100
    return Table(signal=50 + choices.sum(axis=0), report=cost, cost=cost, cost_name="ms")


@pytest.fixture
def controller(table: Table) -> CometLiteral:
    trellis = table_trellis(table)
    budget = table_budget(table, trellis, 4.0)
    given = Assistance(budget=budget, potential=TablePotential(budget, sharpness=5), limit_ticks=10**9)
    return CometLiteral(given, table_encoder(trellis), seed=0)


def test_it_asks_about_half_made_networks_with_the_backbone_in_what_is_not_decided(
    table: Table, controller: CometLiteral
):
    backbone = table_trellis(table).complete(())
    asked = []
    while len(asked) < 15 and (choices := controller.propose()) is not None:
        controller.learn(choices, float(table.signal[choices]) / 100)
        asked.append(choices)

    assert len(set(asked)) == len(asked) == 15
    assert asked[0][1:] == backbone[1:]
    assert any(table.cost[one] > 4.0 for one in asked)  # no mask holds it back


def test_its_epsilon_telescopes(controller: CometLiteral):
    for accuracy in (0.5, 0.7, 0.2, 0.6):
        choices = controller.propose()
        assert choices is not None
        controller.learn(choices, accuracy)

    # What is learned from again on the way moves accuracy as well: ε_t = ε_0 · e^(Acc_t - Acc_0) whatever lies between.
    assert controller.regulation().epsilons[0] == pytest.approx(math.exp(controller._accuracy - 0.5))


def test_it_stops_where_its_policy_leads_to_nothing_new(controller: CometLiteral):
    asked = set()
    while (choices := controller.propose()) is not None:
        controller.learn(choices, 0.5)
        asked.add(choices)

    assert len(asked) <= 27
