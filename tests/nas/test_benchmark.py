from __future__ import annotations

import numpy as np
import pytest

from nas.benchmark import COMET, RIVALS, BenchmarkSettings, Play, benchmark, check_benchmark, make_searcher, play
from nas.controllers.assistance import Assist
from nas.errors import SettingsError
from nas.problem import PotentialName
from nas.tables import Table

EVERY = (COMET, *RIVALS)


@pytest.fixture(scope="module")
def table() -> Table:
    """Three slots of four choices: accuracy and cost rise with the choices, and no cost adds up."""
    one, two, three = np.indices((4, 4, 4)).astype(float)
    signal = 40 + 6 * one + 5 * two + 4 * three - 2 * one * two / 3
    return Table(signal=signal, report=signal / 2, cost=1 + np.maximum(one * two, three) + three / 4, cost_name="ms")


def settings_of(*controllers: str, budget: int = 12, **others: object) -> BenchmarkSettings:
    return BenchmarkSettings(controllers=controllers, limits=(3.0, 5.0), seeds=(0, 1), budget=budget, **others)


def decided(one: Play) -> tuple[object, ...]:
    """Everything of a search but its times."""
    return one.controller, one.limit, one.seed, one.regret.tolist(), one.report.tolist(), one.infeasible.tolist()


@pytest.mark.parametrize("name", EVERY)
def test_a_searcher_asks_about_no_network_twice(table: Table, name: str):
    settings = settings_of(name, assist=Assist.NONE)
    searcher = make_searcher(table, settings, controller=name, limit=5.0, seed=0)

    asked = []
    while len(asked) < 20 and (choices := searcher.propose()) is not None:
        searcher.learn(choices, float(table.signal[choices]) / 100)
        asked.append(choices)

    assert len(set(asked)) == len(asked) == 20


@pytest.mark.parametrize("name", EVERY)
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

    assert [(one.controller, one.limit, one.seed) for one in alone] == [
        (name, limit, seed) for name in (COMET, "random") for limit in (3.0, 5.0) for seed in (0, 1)
    ]
    assert notes == list(range(1, 9))
    assert list(map(decided, alone)) == list(map(decided, together))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"controllers": ("oracle",)}, "No controller 'oracle' for a table. Known: comet, random"),
        ({"controllers": ("random", "random")}, "named twice"),
        ({"seeds": ()}, "No seed"),
        ({"budget": 0}, "A budget of 0 accuracy queries finds nothing"),
    ],
)
def test_a_benchmark_that_cannot_be_is_refused(changed: dict[str, object], message: str):
    usual: dict[str, object] = {"controllers": ("comet",), "limits": (3.0,), "seeds": (0,), "budget": 1}

    with pytest.raises(SettingsError, match=message):
        check_benchmark(BenchmarkSettings(**(usual | changed)))
