from __future__ import annotations

import numpy as np
import pytest

from nas.benchmarking.benchmark import (
    BenchmarkSettings,
    FrontPlay,
    Play,
    benchmark,
    check_benchmark,
    play,
    play_front,
    searches,
)
from nas.benchmarking.hypervolume import Reference, cycled_limits, hypervolume, table_hypervolume
from nas.benchmarking.searchers import make_searcher
from nas.benchmarking.variants import COMET
from nas.controllers.assistance import Assist
from nas.controllers.rivals import RIVALS
from nas.datasets.tables import Table
from nas.errors import SettingsError
from nas.searching.problem import PotentialName

EVERY = (COMET, *RIVALS)


@pytest.fixture(scope="module")
def table() -> Table:
    """Three slots of four choices: accuracy and cost rise with the choices, and no cost adds up."""
    one, two, three = np.indices((4, 4, 4)).astype(float)
    signal = 40 + 6 * one + 5 * two + 4 * three - 2 * one * two / 3
    return Table(signal=signal, report=signal / 2, cost=1 + np.maximum(one * two, three) + three / 4, cost_name="ms")


def settings_of(*controllers: str, budget: int = 12, **others: object) -> BenchmarkSettings:
    reference = Reference(accuracy=45.0, cost=10.0)
    return BenchmarkSettings(
        controllers=controllers, limits=(3.0, 5.0), seeds=(0, 1), budget=budget, reference=reference, **others
    )


def decided(one: Play) -> tuple[object, ...]:
    """Everything of a search but its times."""
    return one.controller, one.limit, one.seed, one.regret.tolist(), one.report.tolist(), one.infeasible.tolist()


def area(one: FrontPlay) -> tuple[object, ...]:
    return one.controller, one.seed, one.hypervolume.tolist(), one.share.tolist()


@pytest.mark.parametrize("name", EVERY)
def test_a_searcher_asks_about_no_network_twice(table: Table, name: str):
    variant = settings_of(name, assist=Assist.NONE).variant(name)
    searcher = make_searcher(table, variant, limit=5.0, seed=0, queries=20).controller

    asked = []
    while len(asked) < 20 and (choices := searcher.propose()) is not None:
        searcher.learn(choices, float(table.signal[choices]) / 100)
        asked.append(choices)

    assert len(set(asked)) == len(asked) == 20


@pytest.mark.parametrize("name", [name for name in EVERY if name != "comet-literal"])
@pytest.mark.parametrize("assist", [Assist.MASK, Assist.NEAR_BUDGET])
def test_an_assisted_searcher_asks_about_every_network_within_the_limit_and_no_other(
    table: Table, name: str, assist: Assist
):
    one = play(table, settings_of(name, budget=64, assist=assist), controller=name, limit=3.0, seed=0)

    assert not one.infeasible.any()
    assert len(one.infeasible) == table.within(3.0).sum()
    assert one.regret[-1] == 0.0
    assert one.report[-1] == table.report[table.within(3.0)].max()


@pytest.mark.parametrize("name", EVERY)
def test_regret_never_rises(table: Table, name: str):
    one = play(table, settings_of(name), controller=name, limit=5.0, seed=3)

    assert one.regret.shape == one.report.shape == (12,)
    assert np.all(np.diff(one.regret) <= 0)


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_searches_the_same_way(table: Table, name: str):
    settings = settings_of(name)
    first, second = (play(table, settings, controller=name, limit=5.0, seed=4) for _ in range(2))

    assert decided(first) == decided(second)


def test_a_searcher_without_assistance_asks_beyond_the_limit_and_gains_nothing_by_it(table: Table):
    one = play(table, settings_of("random", budget=64), controller="random", limit=1.0, seed=0)

    only = np.argwhere(table.within(1.0)).tolist()
    worst, best = table.signal[table.within(1.0)].min(), table.signal[table.within(1.0)].max()
    assert len(only) == one.infeasible.size - one.infeasible.sum()
    assert set(one.regret.tolist()) <= {best - table.signal[tuple(row)] for row in only}
    assert one.regret[0] <= best - worst


def test_a_learned_potential_plays_too(table: Table):
    settings = settings_of(COMET, budget=3, potential=PotentialName.LEARNED)

    assert not play(table, settings, controller=COMET, limit=5.0, seed=0).infeasible.any()


def test_all_play_all_in_order_and_processes_change_nothing(table: Table):
    settings = settings_of(COMET, "random", budget=3)
    notes: list[int] = []

    alone = benchmark(table, settings, workers=1, advance=lambda done, _: notes.append(done))
    together = benchmark(table, settings, workers=2, advance=lambda *_: None)

    assert [(one.controller, one.limit, one.seed) for one in alone.single] == [
        (name, limit, seed) for name in (COMET, "random") for limit in (3.0, 5.0) for seed in (0, 1)
    ]
    assert [(one.controller, one.seed) for one in alone.front] == [
        (n, seed) for n in (COMET, "random") for seed in (0, 1)
    ]
    assert notes == list(range(1, searches(table, settings) + 1)) == list(range(1, 13))
    assert list(map(decided, alone.single)) == list(map(decided, together.single))
    assert list(map(area, alone.front)) == list(map(area, together.front))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"controllers": ("oracle",)}, "No controller 'oracle' for a table. Known: comet, random"),
        ({"controllers": ("random", "random")}, "named twice"),
        ({"seeds": ()}, "No seed"),
        ({"budget": 0}, "A budget of 0 accuracy queries finds nothing"),
        ({"controllers": ("comet:fast",)}, "sets nothing"),
        ({"noise": -0.1}, "A noise of -0.1"),
        ({"noise": float("nan")}, "A noise of nan"),
        ({"confidence": 1.0}, "A confidence of 1"),
    ],
)
def test_a_benchmark_that_cannot_be_is_refused(changed: dict[str, object], message: str):
    usual: dict[str, object] = {"controllers": ("comet",), "limits": (3.0,), "seeds": (0,), "budget": 1}

    with pytest.raises(SettingsError, match=message):
        check_benchmark(BenchmarkSettings(**(usual | changed)))


def test_returns_are_0_for_a_network_at_random_1_for_the_best_and_below_beyond_the_limit(table: Table):
    one = play(table, settings_of("random", budget=64), controller="random", limit=3.0, seed=0)

    worth = np.where(table.within(3.0), table.signal, 0.0)
    assert one.returns.max() == 1.0
    assert one.returns.mean() == pytest.approx(0.0, abs=1e-12)  # it has asked about all there are
    assert np.all(one.returns[one.infeasible] == -worth.mean() / (worth.max() - worth.mean()))


def test_a_predictor_that_errs_lets_picks_break_the_limit_and_a_margin_keeps_them_within(table: Table):
    def missed(confidence: float | None) -> float:
        settings = settings_of("random", budget=64, assist=Assist.MASK, noise=0.3, confidence=confidence)
        plays = [play(table, settings, controller="random", limit=5.0, seed=seed) for seed in range(20)]
        return float(np.mean([one.missed[-1] for one in plays]))

    assert missed(None) > 0.25
    assert missed(0.9) < missed(None) / 2


def test_without_an_error_no_pick_breaks_the_limit(table: Table):
    one = play(table, settings_of("random", budget=64), controller="random", limit=3.0, seed=0)

    assert not one.missed.any()


@pytest.mark.parametrize("name", EVERY)
def test_a_search_for_a_front_dominates_more_and_more_and_never_more_than_there_is(table: Table, name: str):
    settings = settings_of(name, budget=30, assist=Assist.NEAR_BUDGET)

    one = play_front(table, settings, controller=name, seed=0)

    assert one.hypervolume.shape == one.share.shape == (30,)
    assert np.all(np.diff(one.hypervolume) >= -1e-9)
    assert 0.3 < one.share[-1] <= 1.0 + 1e-12


def test_a_search_for_a_front_cycles_the_limits_whatever_a_limit_has_left(table: Table):
    settings = settings_of(COMET, budget=64)

    one = play_front(table, settings, controller=COMET, seed=0)

    below = table.cost <= max(cycled_limits(table, settings.reference))
    found = hypervolume(table.signal[below], table.cost[below], settings.reference)
    assert one.hypervolume[-1] == pytest.approx(found)
    assert one.share[-1] == pytest.approx(found / table_hypervolume(table, settings.reference))


def test_a_table_with_no_network_better_than_the_reference_has_no_front(table: Table):
    settings = BenchmarkSettings(
        controllers=("random",), limits=(3.0,), seeds=(0,), budget=3, reference=Reference(accuracy=99.0, cost=10.0)
    )

    assert benchmark(table, settings, workers=1, advance=lambda *_: None).front == ()
