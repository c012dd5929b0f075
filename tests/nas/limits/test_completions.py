from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nas.errors import InfeasibleError
from nas.limits.completions import nondominated
from nas.limits.costs import Budget, CostTable, PricedSignal
from nas.limits.drawing import draw
from nas.trellis import Choices, Trellis

EveryNetwork = Callable[[Trellis], list[Choices]]


def random_trellis(slots: int, choices: int, nodes: int, *, seed: int) -> Trellis:
    """A graph in which some choices do not fit, and several lead to one node."""
    random = np.random.default_rng(seed)
    counts = [1, *[nodes] * (slots - 1), 2]
    successors = []
    for here, there in itertools.pairwise(counts):
        successor = random.integers(there, size=(here, choices))
        successor[:, 1:][random.random((here, choices - 1)) < 0.15] = -1
        successors.append(successor)
    return Trellis(
        successors=tuple(successors),
        backbone=tuple(np.zeros(count, dtype=np.int64) for count in counts[:-1]),
        attributes=tuple(np.zeros((count, choices, 1)) for count in counts[:-1]),
        carried=tuple(np.zeros((count, 1)) for count in counts),
    )


def tables(parts: Sequence[np.ndarray], *, is_maximum: bool = False) -> CostTable:
    *steps, end = parts
    return CostTable(start=0.5, steps=tuple(steps), end=end, is_maximum=is_maximum)


def anticorrelated(trellis: Trellis, *, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two costs of which each choice has much of the one or of the other."""
    random = np.random.default_rng(seed)
    shapes = [*(step.shape for step in trellis.successors), (len(trellis.carried[-1]),)]
    first = [random.uniform(0.1, 1.9, shape) for shape in shapes]
    return first, [2 - one + random.normal(0, 0.05, one.shape) for one in first]


def two_sums(trellis: Trellis, limits: tuple[float, float], *, points: int = 4096, seed: int = 0) -> Budget:
    first, second = anticorrelated(trellis, seed=seed)
    return Budget(
        trellis,
        [
            PricedSignal(name="latency", unit="ms", tables=(tables(first),), limit=limits[0]),
            PricedSignal(name="energy", unit="mJ", tables=(tables(second),), limit=limits[1]),
        ],
        points=points,
    )


def sum_and_peak(trellis: Trellis, limit: float, *, points: int = 4096) -> Budget:
    """A memory of weights that add up and activations of which the largest counts, beside a latency."""
    first, second = anticorrelated(trellis, seed=1)
    memory = (tables(first), tables(second, is_maximum=True))
    return Budget(
        trellis,
        [
            PricedSignal(name="latency", unit="ms", tables=(tables(second),), limit=9.0),
            PricedSignal(name="memory", unit="MB", tables=memory, limit=limit),
        ],
        points=points,
    )


def keeps(budget: Budget, choices: Choices) -> bool:
    return all(
        signal.limit is None or cost <= signal.limit
        for cost, signal in zip(budget.costs(choices), budget.signals, strict=True)
    )


def disagreements(budget: Budget, networks: list[Choices]) -> tuple[int, int, int]:
    """Walk every prefix: how many choices are offered without a way to finish, masked with one, and how many are right."""
    within = {network[:length] for network in networks if keeps(budget, network) for length in range(len(network) + 1)}
    permissive = strict = right = 0
    for prefix in sorted({network[:length] for network in networks for length in range(len(network))}):
        node, spent = budget.trellis.path(prefix)[-1], budget.start
        for slot, choice in enumerate(prefix):
            spent = budget.add(spent, budget.steps[slot][budget.trellis.path(prefix)[slot], choice])
        offered = budget.allowed(len(prefix), np.array([node]), spent[None])[0]
        for choice, is_offered in enumerate(offered):
            possible = (*prefix, choice) in within
            permissive += bool(is_offered and not possible)
            strict += bool(possible and not is_offered)
            right += bool(possible and is_offered)
    return permissive, strict, right


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("limits", [(7.6, 7.8), (9.0, 6.5), (5.8, 99.0)])
def test_with_all_completions_kept_the_mask_of_two_sums_equals_enumeration(
    limits: tuple[float, float], seed: int, every_network: EveryNetwork
):
    trellis = random_trellis(6, 4, 3, seed=seed)
    budget = two_sums(trellis, limits, seed=seed)

    permissive, strict, right = disagreements(budget, every_network(trellis))

    assert (permissive, strict, budget.thinned) == (0, 0, False)
    assert right > 20


@pytest.mark.parametrize("limit", [8.5, 9.5, 20.0])
def test_with_all_completions_kept_the_mask_of_a_sum_with_a_maximum_equals_enumeration(
    limit: float, every_network: EveryNetwork
):
    trellis = random_trellis(6, 4, 3, seed=0)
    budget = sum_and_peak(trellis, limit)

    permissive, strict, right = disagreements(budget, every_network(trellis))

    assert (permissive, strict, budget.thinned) == (0, 0, False)
    assert right > 20


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_thinned_mask_forbids_too_much_never_too_little(seed: int, every_network: EveryNetwork):
    trellis = random_trellis(6, 4, 3, seed=seed)
    budget = two_sums(trellis, (7.6, 7.8), points=3, seed=seed)

    permissive, strict, right = disagreements(budget, every_network(trellis))

    assert budget.thinned
    assert permissive == 0
    assert right > 20
    assert strict < right


def test_a_thousand_walks_through_anticorrelated_costs_meet_no_dead_end_and_keep_every_limit():
    trellis = random_trellis(17, 12, 6, seed=3)
    loose = two_sums(trellis, (99.0, 99.0), points=24)
    half = draw(loose, lambda _, mask: np.zeros(mask.shape), 200, np.random.default_rng(0))
    typical = np.quantile([loose.costs(choices) for choices in half.tolist()], 0.52, axis=0)
    budget = two_sums(trellis, (float(typical[0]), float(typical[1])), points=24)

    drawn = draw(budget, lambda _, mask: np.zeros(mask.shape), 1000, np.random.default_rng(1))

    assert budget.thinned
    assert all(keeps(budget, choices) for choices in map(tuple, drawn.tolist()))
    assert len({tuple(row) for row in drawn.tolist()}) > 900


def test_a_limit_on_a_maximum_closes_the_choices_beyond_it(every_network: EveryNetwork):
    trellis = random_trellis(5, 4, 3, seed=4)
    first, second = anticorrelated(trellis, seed=4)
    budget = Budget(
        trellis,
        [
            PricedSignal(name="latency", unit="ms", tables=(tables(first),), limit=7.0),
            PricedSignal(name="power", unit="mW", tables=(tables(second, is_maximum=True),), limit=1.5),
        ],
    )

    permissive, strict, right = disagreements(budget, every_network(trellis))

    assert (permissive, strict) == (0, 0)
    assert right > 20


def test_a_signal_without_a_limit_is_counted_and_masks_only_what_cannot_run(every_network: EveryNetwork):
    trellis = random_trellis(4, 3, 2, seed=5)
    first, second = anticorrelated(trellis, seed=5)
    second[1][0, 0] = np.inf
    budget = Budget(
        trellis,
        [
            PricedSignal(name="latency", unit="ms", tables=(tables(first),)),
            PricedSignal(name="energy", unit="mJ", tables=(tables(second),)),
        ],
    )
    runs = [network for network in every_network(trellis) if np.isfinite(budget.costs(network)[1])]

    drawn = draw(budget, lambda _, mask: np.zeros(mask.shape), 500, np.random.default_rng(0))

    assert {tuple(row) for row in drawn.tolist()} <= set(runs)
    shares = budget.share(np.array([budget.add(budget.start, budget.end[0])]))
    assert np.all((shares >= 0) & (shares <= 1))


def test_limits_that_each_can_be_kept_but_not_together_are_named_with_the_lowest_of_each():
    trellis = Trellis(
        successors=(np.array([[0, 0]]),),
        backbone=(np.array([0]),),
        attributes=(np.zeros((1, 2, 1)),),
        carried=(np.zeros((1, 1)), np.zeros((1, 1))),
    )
    end = np.zeros(1)
    signals = [
        PricedSignal(
            name="latency",
            unit="ms",
            tables=(CostTable(start=0.0, steps=(np.array([[1.0, 3.0]]),), end=end),),
            limit=2.0,
        ),
        PricedSignal(
            name="energy",
            unit="mJ",
            tables=(CostTable(start=0.0, steps=(np.array([[3.0, 1.0]]),), end=end),),
            limit=2.0,
        ),
    ]

    with pytest.raises(InfeasibleError) as caught:
        Budget(trellis, signals)

    assert str(caught.value) == (
        "No network of the space keeps latency within 2 ms and energy within 2 mJ together. Each alone can be kept; "
        "the lowest possible are: latency 1 ms, energy 1 mJ. Raise one of the limits."
    )


def test_the_lowest_of_a_sum_with_a_maximum_is_that_of_the_cheapest_network(every_network: EveryNetwork):
    trellis = random_trellis(5, 4, 3, seed=6)
    budget = sum_and_peak(random_trellis(5, 4, 3, seed=6), 99.0)
    memory = budget.signals[1]

    lowest = min(memory.total(trellis, network) for network in every_network(trellis))

    assert memory.lowest(trellis) == pytest.approx(lowest, abs=1e-6)
    with pytest.raises(InfeasibleError, match=f"keeps memory within {lowest * 0.99:g} MB: the lowest possible is"):
        sum_and_peak(trellis, lowest * 0.99)


def test_limits_that_a_thinned_set_seems_to_miss_are_looked_at_again():
    # Of 2^8 networks on one line (costs k and 255 - k) a single one keeps both limits.
    steps = [np.array([[0.0, float(1 << bit)]]) for bit in range(8)]
    other = [np.array([[float(1 << bit), 0.0]]) for bit in range(8)]
    trellis = Trellis(
        successors=tuple(np.zeros((1, 2), dtype=np.int64) for _ in steps),
        backbone=tuple(np.zeros(1, dtype=np.int64) for _ in steps),
        attributes=tuple(np.zeros((1, 2, 1)) for _ in steps),
        carried=tuple(np.zeros((1, 1)) for _ in range(9)),
    )
    end = np.zeros(1)
    signals = [
        PricedSignal(
            name=name, unit="", tables=(CostTable(start=0.0, steps=tuple(costs), end=end),), limit=float(limit)
        )
        for name, costs, limit in (("first", steps, 101), ("second", other, 154))
    ]

    budget = Budget(trellis, signals, points=2)

    drawn = draw(budget, lambda _, mask: np.zeros(mask.shape), 5, np.random.default_rng(0))
    assert {budget.costs(choices) for choices in drawn.tolist()} == {(101.0, 154.0)}


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_what_is_left_is_what_no_other_point_matches(columns: int):
    points = np.random.default_rng(columns).integers(0, 12, size=(200, columns))

    front = nondominated(points)

    expected = {
        tuple(point)
        for point in points.tolist()
        if not any(all(a <= b for a, b in zip(one, point, strict=True)) and one != point for one in points.tolist())
    }
    assert {tuple(point) for point in front.tolist()} == expected
    assert len(front) == len(expected)


def test_three_sums_that_pull_apart_keep_their_limits_without_a_dead_end(monkeypatch: pytest.MonkeyPatch):
    # So few are compared pairwise that completions have to be chosen before.
    monkeypatch.setattr("nas.limits.completions._COMPARED_PAIRWISE", 30)
    trellis, random = random_trellis(10, 8, 4, seed=7), np.random.default_rng(7)
    shapes = [*(step.shape for step in trellis.successors), (len(trellis.carried[-1]),)]
    shares = [random.dirichlet(np.ones(3), size=shape) for shape in shapes]
    costs = [tables([share[..., place] for share in shares]) for place in range(3)]
    names = ("latency", "energy", "weights")
    free = Budget(
        trellis, [PricedSignal(name=name, unit="", tables=(table,)) for name, table in zip(names, costs, strict=True)]
    )
    fair = draw(free, lambda _, mask: np.zeros(mask.shape), 200, random)
    limits = np.quantile([free.costs(choices) for choices in fair.tolist()], 0.55, axis=0)
    budget = Budget(
        trellis,
        [
            PricedSignal(name=name, unit="", tables=(table,), limit=float(limit))
            for name, table, limit in zip(names, costs, limits, strict=True)
        ],
        points=12,
    )

    drawn = draw(budget, lambda _, mask: np.zeros(mask.shape), 1000, random)

    assert budget.thinned
    assert all(keeps(budget, choices) for choices in map(tuple, drawn.tolist()))
