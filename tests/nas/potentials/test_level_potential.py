from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from metamodel.interface import Predictor, Setting
from nas.limits.costs import Budget, CostTable, PricedSignal
from nas.limits.drawing import draw
from nas.limits.pricing import price_signals
from nas.potentials.level_potential import LevelPotential
from nas.space import Space
from nas.trellis import Choices, Trellis, space_trellis

SoftValues = Callable[[Budget, int, float], list[dict[tuple[int, tuple[int, ...]], np.ndarray]]]
EveryNetwork = Callable[[Trellis], list[Choices]]


def differences(potential: LevelPotential, expected: list[dict[tuple[int, tuple[int, ...]], np.ndarray]]) -> np.ndarray:
    """How far all values that are finite are from enumeration."""
    found = []
    for slot, states in enumerate(expected):
        actual = potential.values(slot, np.array([node for node, _ in states]), np.array([one for _, one in states]))
        wanted = np.array(list(states.values()))
        open_ = np.isfinite(wanted)
        assert np.array_equal(np.isfinite(actual), open_)
        found.append(np.abs(actual[open_] - wanted[open_]))
    return np.concatenate(found)


def two_decisions(costs: list[list[float]], *, limit: float | None, is_maximum: bool) -> Budget:
    trellis = Trellis(
        successors=tuple(np.zeros((1, len(row)), dtype=np.int64) for row in costs),
        backbone=tuple(np.zeros(1, dtype=np.int64) for _ in costs),
        attributes=tuple(np.zeros((1, len(row), 1)) for row in costs),
        carried=tuple(np.zeros((1, 1)) for _ in range(len(costs) + 1)),
    )
    table = CostTable(start=0.0, steps=tuple(np.array([row]) for row in costs), end=np.zeros(1), is_maximum=is_maximum)
    return Budget(trellis, [PricedSignal(name="power", unit="mW", tables=(table,), limit=limit)])


def test_the_potential_of_a_limited_maximum_worked_by_hand():
    # Two decisions of 1, 2 or 9, then of 1 or 3, within 4. Behind 2: max 2 and 3, so log((2/4)² + (3/4)²) with c = 2.
    budget = two_decisions([[1.0, 2.0, 9.0], [1.0, 3.0]], limit=4.0, is_maximum=True)
    potential = LevelPotential(budget, sharpness=2, signal=0)

    first = potential.values(0, np.array([0]), budget.start[None])

    assert first[0] == pytest.approx([np.log(1 / 16 + 9 / 16), np.log(4 / 16 + 9 / 16), -np.inf])


def test_the_potential_of_a_cost_without_a_limit_worked_by_hand():
    # The backbone takes the first choices: y_m = 2. Behind 2: totals 3 and 5, so log(e^(-c/2) + e^(-3c/2)) with c = 1.
    budget = two_decisions([[1.0, 2.0], [1.0, 3.0]], limit=None, is_maximum=False)
    potential = LevelPotential(budget, sharpness=1, signal=0)

    first = potential.values(0, np.array([0]), budget.start[None])

    assert first[0] == pytest.approx([np.log(1 + np.exp(-1.0)), np.log(np.exp(-0.5) + np.exp(-1.5))])


@pytest.mark.parametrize("sharpness", [0, 5, 50])
@pytest.mark.parametrize("name", ["latency", "energy", "power", "memory", "macs"])
def test_potentials_without_a_limit_equal_those_by_enumeration(
    name: str, sharpness: int, small_space: Space, predictor: Predictor, setting: Setting, soft_values: SoftValues
):
    budget = Budget(space_trellis(small_space), price_signals(small_space, predictor, setting, [name]))
    potential = LevelPotential(budget, sharpness=sharpness, signal=0)

    found = differences(potential, soft_values(budget, 0, sharpness))

    assert len(found) > 100
    assert found.max() < 1e-5


@pytest.mark.parametrize("sharpness", [5, 50])
def test_the_potential_of_a_limited_maximum_equals_that_by_enumeration_in_a_six_slot_space(
    sharpness: int, six_slots: Space, predictor: Predictor, setting: Setting, soft_values: SoftValues
):
    (power,) = price_signals(six_slots, predictor, setting, ["power"])
    trellis = space_trellis(six_slots)
    budget = Budget(trellis, [replace(power, limit=power.lowest(trellis) * 1.05)])
    potential = LevelPotential(budget, sharpness=sharpness, signal=0)

    found = differences(potential, soft_values(budget, 0, sharpness))

    assert len(found) > 100
    assert found.max() < 1e-9


def test_with_few_levels_a_maximum_is_counted_as_the_level_above_it(
    small_space: Space, predictor: Predictor, setting: Setting, soft_values: SoftValues
):
    budget = Budget(space_trellis(small_space), price_signals(small_space, predictor, setting, ["power"]))
    exact = soft_values(budget, 0, 5)

    fine, coarse = (differences(LevelPotential(budget, sharpness=5, signal=0, levels=n), exact) for n in (512, 4))

    assert fine.max() < 1e-9 < coarse.max() < 0.5


def test_with_sharpness_0_networks_are_counted(
    small_space: Space, predictor: Predictor, setting: Setting, every_network: EveryNetwork
):
    trellis = space_trellis(small_space)
    budget = Budget(trellis, price_signals(small_space, predictor, setting, ["power"]))

    counted = np.exp(LevelPotential(budget, sharpness=0, signal=0).log_networks())

    assert counted == pytest.approx(len(every_network(trellis)))


def test_a_cost_without_a_limit_draws_cheap_networks_the_sharper_the_cheaper(
    small_space: Space, predictor: Predictor, setting: Setting
):
    budget = Budget(space_trellis(small_space), price_signals(small_space, predictor, setting, ["energy"]))
    means = []
    for sharpness in (0, 5, 50):
        potential = LevelPotential(budget, sharpness=sharpness, signal=0)
        drawn = draw(
            budget,
            lambda at, _, p=potential: p.values(at.slot, at.nodes, at.spent),
            300,
            np.random.default_rng(0),
        )
        means.append(np.mean([budget.costs(row)[0] for row in drawn.tolist()]))

    assert means[0] > means[1] > means[2] >= budget.signals[0].lowest(budget.trellis)
