from __future__ import annotations

import numpy as np
import pytest

from nas.benchmarking.benchmark import FrontPlay, Play, Plays
from nas.benchmarking.scores import Epochs, HalfPoint, Interval, bootstrap, document, learning_curves, paired, scores


def play(
    controller: str,
    regret: list[float],
    *,
    seed: int = 0,
    infeasible: int = 0,
    returns: list[float] | None = None,
    missed: bool = False,
) -> Play:
    return Play(
        controller=controller,
        limit=5.0,
        seed=seed,
        regret=np.array(regret),
        report=90 - np.array(regret),
        infeasible=np.arange(len(regret)) < infeasible,
        returns=np.array(returns or [0.5] * len(regret)),
        missed=np.full(len(regret), missed),
        seconds=np.full(len(regret), 0.002),
    )


def front(controller: str, area: float, *, seed: int = 0, queries: int = 100) -> FrontPlay:
    areas = np.linspace(0, area, queries)
    return FrontPlay(controller=controller, seed=seed, hypervolume=areas, share=areas / 80)


def all_of(*single: Play, fronts: tuple[FrontPlay, ...] = ()) -> Plays:
    return Plays(single=single, front=fronts)


def falling(reached_at: int, *, budget: int = 100) -> list[float]:
    """A regret of 2 points that falls to half a point at one query."""
    return [2.0 if query < reached_at else 0.5 for query in range(1, budget + 1)]


def test_scores_are_means_over_searches_at_the_checkpoints_that_the_budget_reaches():
    found = scores(all_of(play("a", falling(30), infeasible=20), play("a", falling(60), seed=1)))["a"]

    assert found.regret["25"] == Interval(mean=2.0, ci95=(2.0, 2.0))
    assert found.regret["50"] == Interval(mean=1.25, ci95=(0.5, 2.0))
    assert found.regret["100"] == Interval(mean=0.5, ci95=(0.5, 0.5))
    assert found.test_accuracy["50"] == Interval(mean=88.75, ci95=(88.0, 89.5))
    assert (found.regret["200"], found.regret["400"]) == (None, None)
    assert found.queries_to_half_point == HalfPoint(median=45.0, share_by_200=1.0)
    assert found.infeasible_share == 0.1
    assert found.ms_per_network == pytest.approx(2.0)


def test_half_a_point_that_most_searches_never_reach_has_no_median():
    never = [1.0] * 250

    found = scores(all_of(play("a", never), play("a", never, seed=1), play("a", falling(3, budget=250), seed=2)))["a"]

    assert found.queries_to_half_point == HalfPoint(median=None, share_by_200=pytest.approx(1 / 3))


def test_half_a_point_after_200_queries_is_no_part_of_the_share():
    found = scores(all_of(play("a", falling(201, budget=250)), play("a", falling(200, budget=250), seed=1)))["a"]

    assert found.queries_to_half_point == HalfPoint(median=200.5, share_by_200=0.5)


def test_differences_are_taken_search_by_search_whatever_the_order():
    plays = [
        play("a", falling(10), seed=0),
        play("a", falling(40), seed=1),
        play("b", falling(80), seed=1),
        play("b", falling(20), seed=0),
    ]

    compared = paired(all_of(*plays))

    assert list(compared) == ["b"]
    assert compared["b"].regret["25"] == Interval(mean=0.0, ci95=(0.0, 0.0))
    assert compared["b"].regret["50"] == Interval(mean=0.75, ci95=(0.0, 1.5))
    # Every search of b takes twice as long, so that every resample says two.
    assert compared["b"].half_point_ratio == Interval(mean=2.0, ci95=(2.0, 2.0))


def test_who_never_gets_there_counts_with_the_budget():
    compared = paired(all_of(play("a", falling(25)), play("b", [1.0] * 100)))

    assert compared["b"].half_point_ratio.mean == 4.0


def test_a_bootstrap_interval_is_as_wide_as_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(3.0, 1.0, 400)

    low, high = bootstrap(values).ci95

    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_document_has_the_keys_that_scripts_look_for():
    written = document(all_of(play("a", falling(10)), play("b", falling(20))))

    assert list(written) == ["controllers", "paired"]
    assert list(written["controllers"]["a"]) == [
        "regret",
        "test_accuracy",
        "queries_to_half_point",
        "infeasible_share",
        "infeasible_picks",
        "hypervolume",
        "hypervolume_share",
        "learning_curve",
        "epochs_to_0.9",
        "ms_per_network",
    ]
    assert list(written["controllers"]["a"]["regret"]) == ["25", "50", "100", "200", "400"]
    assert list(written["controllers"]["a"]["regret"]["25"]) == ["mean", "ci95"]


def test_a_learning_curve_averages_the_returns_of_ten_queries_at_a_time():
    whole, exhausted = (
        play("a", [1.0] * 25, returns=[0.0] * 10 + [0.8] * 10 + [1.0] * 5),
        play("a", [1.0] * 25, returns=[0.4] * 5),
    )

    # What an exhausted space no longer offers counts as the best network again.
    assert learning_curves([whole, exhausted]).tolist() == [
        [0.0, pytest.approx(0.8), 1.0],
        [pytest.approx(0.4), 1.0, 1.0],
    ]


def test_epochs_are_counted_to_the_first_that_brings_nine_tenths():
    slow = play("a", [1.0] * 40, returns=[0.0] * 20 + [0.95] * 10 + [0.5] * 10)
    fast = play("a", [1.0] * 40, returns=[0.9] * 40, seed=1)
    never = play("a", [1.0] * 40, returns=[0.89] * 40, seed=2)

    assert scores(all_of(slow, fast, never))["a"].epochs_to_90_percent == Epochs(
        median=3.0, mean=pytest.approx(8 / 3), share=pytest.approx(2 / 3)
    )


def test_epochs_are_compared_search_by_search():
    first = [play("a", [1.0] * 40, returns=[0.95] * 40, seed=seed) for seed in range(2)]
    other = [play("b", [1.0] * 40, returns=[0.0] * 20 + [1.0] * 20, seed=seed) for seed in range(2)]

    assert paired(all_of(*first, *other))["b"].epochs_ratio == Interval(mean=3.0, ci95=(3.0, 3.0))


def test_picks_beyond_the_limit_are_counted_by_search():
    found = scores(
        all_of(play("a", [1.0] * 30, missed=True), *(play("a", [1.0] * 30, seed=seed) for seed in (1, 2, 3)))
    )

    assert found["a"].infeasible_picks == 0.25


def test_hypervolumes_are_compared_at_the_checkpoint_that_the_search_for_a_front_reaches():
    single = [play(name, [1.0] * 400, seed=seed) for name in "ab" for seed in range(2)]
    fronts = (front("a", 60, seed=0), front("a", 64, seed=1), front("b", 59, seed=1), front("b", 50, seed=0))

    plays = all_of(*single, fronts=fronts)

    found, compared = scores(plays), paired(plays)
    assert found["a"].hypervolume["100"] == Interval(mean=62.0, ci95=(60.0, 64.0))
    assert found["a"].hypervolume_share["100"] == Interval(mean=0.775, ci95=(0.75, 0.8))
    assert found["a"].hypervolume["200"] is None
    assert compared["b"].hypervolume["100"] == Interval(mean=7.5, ci95=(5.0, 10.0))
