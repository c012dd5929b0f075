from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamodel.interface import Predictor, Setting
from nas.limits.costs import Budget
from nas.limits.drawing import draw, sample_softmax, start, step
from nas.limits.pricing import price_signals
from nas.limits.rewards import secondary_reward
from nas.potentials.potential import FEWER_BUCKETS, ExactPotential, Potential, exact_obstacle
from nas.space import Space
from nas.trellis import Choices, Trellis, space_trellis

MakeBudget = Callable[..., Budget]
SoftValues = Callable[[Budget, int, float], list[dict[tuple[int, tuple[int, ...]], np.ndarray]]]
EveryNetwork = Callable[[Trellis], list[Choices]]


def at(node: int, spent: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([node]), np.array([[spent]])


def test_the_secondary_reward_asks_to_spend_the_budget_and_forbids_to_break_it():
    rewards = secondary_reward(np.array([0.5, 1.0, 1.01]), 2.0)

    assert rewards.tolist() == [pytest.approx(2 * np.log(0.5)), 0.0, -np.inf]


def test_the_potential_of_a_decision_sums_over_its_completions_worked_by_hand(puzzle: MakeBudget):
    # Two decisions of 1 or 2 ms, then 1 or 3 ms, within 4 ms: totals 2, 4 behind the first choice and 3, (5) behind
    # the second. With c = 2, Φ = log((2/4)² + (4/4)²) = log 1.25 and log((3/4)²) = log 0.5625.
    potential = ExactPotential(puzzle([[1.0, 2.0], [1.0, 3.0]], limit=4.0), sharpness=2)

    first = potential.values(0, *at(0, potential.budget.start[0]))
    spent = int(potential.budget.steps[0][0, 1, 0])
    second = potential.values(1, *at(0, spent))

    assert first[0] == pytest.approx([np.log(1.25), np.log(0.5625)])
    assert second[0] == pytest.approx([np.log(0.5625), -np.inf])


@pytest.mark.parametrize(("sharpness", "tolerance"), [(5, 0.01), (50, 0.05)])
def test_potentials_equal_those_by_enumeration_in_a_six_slot_space(
    sharpness: int,
    tolerance: float,
    six_slots: Space,
    predictor: Predictor,
    setting: Setting,
    soft_values: SoftValues,
):
    priced = price_signals(six_slots, predictor, setting, ["latency"])
    budget = Budget(space_trellis(six_slots), [replace(latency, limit=18.0) for latency in priced])
    potential = ExactPotential(budget, sharpness=sharpness)

    compared, worst = compare(potential, soft_values(budget, 0, sharpness))

    assert potential.buckets >= 2000
    assert compared > 9_000
    assert worst <= tolerance


@pytest.mark.parametrize(("sharpness", "tolerance"), [(5, 0.01), (50, 0.05)])
def test_the_potential_of_a_memory_of_weights_and_activations_equals_that_by_enumeration(
    sharpness: int,
    tolerance: float,
    six_slots: Space,
    predictor: Predictor,
    setting: Setting,
    soft_values: SoftValues,
):
    (memory,) = price_signals(six_slots, predictor, setting, ["memory"])
    trellis = space_trellis(six_slots)
    budget = Budget(trellis, [replace(memory, limit=memory.lowest(trellis) + 0.04)])
    potential = ExactPotential(budget, sharpness=sharpness)

    compared, worst = compare(potential, soft_values(budget, 0, sharpness))

    assert compared > 5_000
    assert worst <= tolerance


def test_fewer_buckets_are_enough_where_there_are_many_nodes(
    six_slots: Space, predictor: Predictor, setting: Setting, soft_values: SoftValues
):
    priced = price_signals(six_slots, predictor, setting, ["latency"])
    budget = Budget(space_trellis(six_slots), [replace(latency, limit=18.0) for latency in priced])
    potential = ExactPotential(budget, sharpness=5, buckets=FEWER_BUCKETS)

    _, worst = compare(potential, soft_values(budget, 0, 5))

    assert worst <= 0.01


def test_each_of_two_potentials_looks_at_its_own_cost(
    six_slots: Space, predictor: Predictor, setting: Setting, soft_values: SoftValues
):
    latency, energy = price_signals(six_slots, predictor, setting, ["latency", "energy"])
    budget = Budget(space_trellis(six_slots), [replace(latency, limit=18.0), replace(energy, limit=1.95)])

    for signal, own in enumerate(budget.signals):
        both = ExactPotential(budget, sharpness=5, signal=signal)
        alone = ExactPotential(Budget(budget.trellis, [own]), sharpness=5)
        for slot, states in enumerate(soft_values(budget, signal, 5)):
            nodes, spent = np.array([node for node, _ in states]), np.array([one for _, one in states])
            open_ = budget.allowed(slot, nodes, spent)
            wanted = alone.values(slot, nodes, spent[:, [signal]])

            assert np.array_equal(both.values(slot, nodes, spent), np.where(open_, wanted, -np.inf))


def compare(potential: Potential, expected: list[dict[tuple[int, tuple[int, ...]], np.ndarray]]) -> tuple[int, float]:
    """Compare all values that are finite with enumeration: how many there are, and the largest difference."""
    compared, worst = 0, 0.0
    for slot, states in enumerate(expected):
        actual = potential.values(slot, np.array([node for node, _ in states]), np.array([one for _, one in states]))
        wanted = np.array(list(states.values()))
        open_ = np.isfinite(wanted)
        assert np.array_equal(np.isfinite(actual), open_)
        compared += int(open_.sum())
        worst = max(worst, float(np.max(np.abs(actual[open_] - wanted[open_]))))
    return compared, worst


@pytest.mark.parametrize(
    ("nodes", "obstacle"),
    [
        ((1, 10_000, 1), None),
        ((1, 10_001, 1), "10001 shapes can be carried into slot 2, more than 10000"),
        ((1, 1, 10_001), "10001 shapes can be carried into the head, more than 10000"),
        ((1, *[9_000] * 5, 1), "45002 shapes can be carried from slot to slot, more than 40000"),
    ],
)
def test_a_space_that_carries_too_much_to_be_tabulated_is_told_by_its_nodes(
    nodes: tuple[int, ...], obstacle: str | None
):
    trellis = Trellis(
        successors=tuple(np.zeros((count, 1), dtype=np.int64) for count in nodes[:-1]),
        backbone=tuple(np.zeros(count, dtype=np.int64) for count in nodes[:-1]),
        attributes=tuple(np.zeros((count, 1, 1)) for count in nodes[:-1]),
        carried=tuple(np.zeros((count, 1)) for count in nodes),
    )

    assert exact_obstacle(trellis) == obstacle


def test_what_is_laid_down_for_a_node_may_be_thrown_away_and_comes_out_the_same(
    small_budget: Budget, monkeypatch: pytest.MonkeyPatch
):
    kept = ExactPotential(small_budget, sharpness=5)
    forgetful = ExactPotential(small_budget, sharpness=5)
    monkeypatch.setattr(forgetful, "_room", 0)
    walkers, random = start(small_budget, 50), np.random.default_rng(0)

    for slot in range(small_budget.trellis.slots):
        values = kept.values(slot, walkers.nodes, walkers.spent)
        assert np.array_equal(values, forgetful.values(slot, walkers.nodes, walkers.spent))
        walkers = step(walkers, small_budget, sample_softmax(values, random))


def test_with_sharpness_0_potentials_count_the_networks_within_the_limit(
    small_budget: Budget, every_network: EveryNetwork
):
    within = sum(small_budget.costs(network)[0] <= 15.0 for network in every_network(small_budget.trellis))

    assert np.exp(ExactPotential(small_budget, sharpness=0).log_networks()) == pytest.approx(within)


def test_drawing_by_the_counts_is_uniform_over_the_networks_within_the_limit(puzzle: MakeBudget):
    # The first choice can be finished in one way, the second in three: a fair first choice would give it half.
    budget = puzzle([[3.0, 1.0], [1.0, 2.0, 3.0]], limit=4.0)
    counts = ExactPotential(budget, sharpness=0)

    drawn = draw(budget, lambda at, _: counts.values(at.slot, at.nodes, at.spent), 8000, np.random.default_rng(0))

    shares = Counter(map(tuple, drawn.tolist()))
    assert set(shares) == {(0, 0), (1, 0), (1, 1), (1, 2)}
    assert all(abs(share / 8000 - 0.25) < 0.02 for share in shares.values())


def test_sharper_potentials_draw_nearer_to_the_limit(small_budget: Budget):
    means = []
    for sharpness in (0, 5, 50):
        potential = ExactPotential(small_budget, sharpness=sharpness)
        random = np.random.default_rng(0)
        drawn = draw(small_budget, lambda at, _, p=potential: p.values(at.slot, at.nodes, at.spent), 300, random)
        means.append(np.mean([small_budget.costs(row)[0] for row in drawn.tolist()]))

    assert means[0] < means[1] < means[2] <= 15.0


COSTS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=4)


@given(costs=COSTS, start=st.integers(0, 3), spare=st.integers(0, 20), sharpness=st.integers(0, 6))
def test_mask_and_potential_of_any_puzzle_equal_enumeration(
    puzzle: MakeBudget, costs: list[list[int]], start: int, spare: int, sharpness: int
):
    limit = start + sum(map(min, costs)) + spare + 0.5  # between whole costs: no sum falls on the border
    budget = puzzle(costs, limit=limit, start=start)
    potential = ExactPotential(budget, sharpness=sharpness)

    for slot in range(len(costs)):
        for decided in itertools.product(*(range(len(row)) for row in costs[:slot])):
            before = start + sum(row[choice] for row, choice in zip(costs, decided, strict=False))
            spent = int(budget.start[0]) + sum(int(budget.steps[i][0, choice, 0]) for i, choice in enumerate(decided))
            for choice, cost in enumerate(costs[slot]):
                totals = [before + cost + sum(rest) for rest in itertools.product(*costs[slot + 1 :])]
                shares = [(total / limit) ** sharpness for total in totals if total <= limit]

                assert budget.allowed(slot, *at(0, spent))[0, choice] == bool(shares)
                expected = np.log(sum(shares)) if shares else -np.inf
                assert potential.values(slot, *at(0, spent))[0, choice] == pytest.approx(expected, abs=1e-9)
