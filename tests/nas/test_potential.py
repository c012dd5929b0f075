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
from nas.costs import Budget
from nas.drawing import draw
from nas.potential import ExactPotential, secondary_reward
from nas.pricing import price_signals
from nas.space import Image, Space
from nas.spaces.inverted_residual import ClassifierHead, ConvolutionStem, Stage, stage_slots
from nas.trellis import NOWHERE, Choices, Trellis, space_trellis

MakeBudget = Callable[..., Budget]
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


def brute_force(budget: Budget, sharpness: int) -> list[dict[tuple[int, int], np.ndarray]]:
    """Enumerate every state (node, spent) of every slot, and log Σ (y/T)^c over the completions of each choice."""
    trellis, slots = budget.trellis, budget.trellis.slots
    states: list[dict[tuple[int, int], np.ndarray]] = []
    reached = {(0, int(budget.start[0]))}
    for slot in range(slots):
        states.append({state: np.array([]) for state in reached})
        following = set()
        for node, spent in reached:
            allowed = budget.allowed(slot, *at(node, spent))[0]
            for choice in np.flatnonzero(allowed):
                next_node = int(trellis.successors[slot][node, choice])
                following.add((next_node, spent + int(budget.steps[slot][node, choice, 0])))
        reached = following
    value = {
        (n, s): float(secondary_reward(budget.share(np.array(s + budget.end[n]))[0], sharpness)) for n, s in reached
    }
    for slot in reversed(range(slots)):
        for node, spent in states[slot]:
            row = np.full(trellis.successors[slot].shape[1], -np.inf)
            for choice, next_node in enumerate(trellis.successors[slot][node]):
                after = (int(next_node), spent + int(budget.steps[slot][node, choice, 0]))
                if next_node != NOWHERE and after in value:
                    row[choice] = value[after]
            states[slot][node, spent] = row
        value = {state: float(np.logaddexp.reduce(row)) for state, row in states[slot].items()}
    return states


@pytest.mark.parametrize(("sharpness", "tolerance"), [(5, 0.01), (50, 0.05)])
def test_potentials_equal_those_by_enumeration_in_a_six_slot_space(
    sharpness: int, tolerance: float, predictor: Predictor, setting: Setting
):
    stages = (
        Stage(slots=3, stride=1, widths=(4, 8), manual_width=4, manual_expansion=1),
        Stage(slots=3, stride=2, widths=(8, 16), manual_width=8, manual_expansion=3),
    )
    space = Space(
        name="six",
        image=Image(channels=1, height=28, width=28),
        classes=10,
        stem=ConvolutionStem(channels=4, stride=2),
        slots=stage_slots(stages, stem_channels=4, kernel_sizes=(3,), expansions=(1, 3)),
        head=ClassifierHead(channels=16),
    )
    trellis = space_trellis(space)
    priced = price_signals(space, predictor, setting, ["latency"])
    budget = Budget(trellis, [replace(latency, limit=18.0) for latency in priced])
    potential = ExactPotential(budget, sharpness=sharpness)

    compared = 0
    for slot, expected in enumerate(brute_force(budget, sharpness)):
        nodes, spent = np.array(list(expected)).T
        wanted = np.array(list(expected.values()))
        actual = potential.values(slot, nodes, spent[:, None])
        open_ = np.isfinite(wanted)
        compared += int(open_.sum())

        assert np.array_equal(np.isfinite(actual), open_)
        assert np.max(np.abs(actual[open_] - wanted[open_])) <= tolerance

    assert compared > 9_000


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
