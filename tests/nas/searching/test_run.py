from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.errors import DataError, InfeasibleError, SettingsError, SpaceError
from nas.limits.signals import Limit
from nas.networks.layers import network_layers
from nas.searching.prepared import device_setting, prepare
from nas.searching.problem import ControllerName
from nas.searching.run import Outcome, ask, progress_note, run
from nas.searching.search import Record, best_record, finalists
from nas.searching.settings import RunSettings, check_settings, search_name
from nas.space import Architecture
from nas.training.quality import accuracy_of
from nas.training.schedule import Schedule
from nas.training.train import Advance
from nas.trellis import architecture_of
from parsers.roofline import macs


class Stages:
    """Notes which stages were opened and how far each came."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    @contextlib.contextmanager
    def __call__(self, title: str, total: int) -> Iterator[Advance]:
        done = 0

        def advance(now: int, note: str) -> None:
            nonlocal done
            done = now
            assert note

        yield advance
        self.seen.append((title, total, done))


def without_seconds(records: tuple[Record, ...]) -> list[Record]:
    return [dataclasses.replace(record, seconds=0.0) for record in records]


def test_a_search_asks_once_about_each_of_its_networks_and_every_one_keeps_the_limit(tiny_outcome: Outcome):
    records = tiny_outcome.records

    assert len(records) == tiny_outcome.settings.budget
    assert len({record.choices for record in records}) == len(records)
    assert all(record.cost <= tiny_outcome.settings.limits[0].value for record in records)


def test_the_finalists_are_the_best_records_trained_alone_and_the_best_of_them_wins(
    tiny_outcome: Outcome, easy_data, predictor
):
    trained, winner, space = tiny_outcome.finalists, tiny_outcome.winner, tiny_outcome.space
    layers = network_layers(space, winner.architecture)
    setting = device_setting(tiny_outcome.settings.device)

    assert [one.record for one in trained] == list(finalists(tiny_outcome.records, 5))
    assert best_record(tiny_outcome.records) == trained[0].record
    assert winner.validation_accuracy == max(one.validation_accuracy for one in trained)
    assert winner.architecture == architecture_of(space, winner.record.choices)
    assert winner.record.cost == pytest.approx(predictor.predict_network(layers, setting).latency_ms)
    assert winner.test_accuracy == accuracy_of(winner.network, easy_data.test)
    assert winner.validation_accuracy == accuracy_of(winner.network, easy_data.validation)
    assert winner.macs == sum(map(macs, layers))


def test_the_winner_has_learned(tiny_outcome: Outcome):
    assert tiny_outcome.winner.test_accuracy > 0.6  # three classes


@pytest.mark.usefixtures("tiny_world")
@pytest.mark.parametrize("controller", ["comet", "random"])
def test_the_same_seed_gives_the_same_history(tiny_settings: RunSettings, predictor, controller):
    settings = dataclasses.replace(tiny_settings, controller=controller, budget=3)

    first, second = (run(settings, predictor, Stages()) for _ in range(2))

    assert without_seconds(first.records) == without_seconds(second.records)
    assert first.winner.test_accuracy == second.winner.test_accuracy


def searched(settings: RunSettings, predictor) -> tuple[Record, ...]:
    """Search with a stand-in for the accuracy, so that what is told apart is the controllers."""

    class ByWeights:
        def accuracy(self, architecture: Architecture) -> float:
            return sum(layer.weight_elements for layer in network_layers(prepared.problem.space, architecture)) / 1e4

    prepared = prepare(settings, predictor)
    return ask(prepared, ByWeights(), Stages())


@pytest.mark.usefixtures("tiny_world")
@pytest.mark.parametrize("controller", list(ControllerName))
def test_every_controller_searches_and_repeats_itself(tiny_settings: RunSettings, predictor, controller):
    settings = dataclasses.replace(tiny_settings, controller=controller, budget=12)

    first, second = (searched(settings, predictor) for _ in range(2))

    assert without_seconds(first) == without_seconds(second)
    assert len({record.choices for record in first}) == 12
    if controller != ControllerName.COMET_LITERAL:
        assert all(record.within for record in first)


@pytest.mark.usefixtures("tiny_world")
def test_a_rival_without_assistance_asks_beyond_the_limit_too_and_only_what_keeps_it_can_win(
    tiny_settings: RunSettings, predictor
):
    settings = dataclasses.replace(tiny_settings, controller="random", assist="none", budget=20)

    records = searched(settings, predictor)

    beyond = [record for record in records if not record.within]
    assert {record.cost > 15.0 for record in beyond} == {True}
    assert all(record.accuracy > 0 for record in beyond)
    assert all(record.cost <= 15.0 for record in finalists(records, 20))
    assert 0 < len(beyond) < 20


@pytest.mark.usefixtures("tiny_world")
def test_a_search_that_found_nothing_within_the_limit_says_what_to_do(tiny_settings: RunSettings, predictor):
    limit = Limit(target="latency", value=9.01)
    settings = dataclasses.replace(tiny_settings, controller="random", assist="none", budget=2, limits=(limit,))

    with pytest.raises(SettingsError, match="None of the 2 networks that random asked about keeps the limits"):
        run(settings, predictor, Stages())


@pytest.mark.usefixtures("tiny_world")
@pytest.mark.parametrize("changes", [{"epsilon": "constant"}, {"shaping": "both"}, {"potential": "online"}])
def test_the_switches_of_the_controller_change_the_search(tiny_settings: RunSettings, predictor, changes):
    settings = dataclasses.replace(tiny_settings, budget=20)

    usual, changed = searched(settings, predictor), searched(dataclasses.replace(settings, **changes), predictor)

    assert without_seconds(usual) != without_seconds(changed)


@pytest.mark.usefixtures("tiny_world")
def test_shared_weights_are_held_against_training_alone_where_asked(tiny_settings: RunSettings, predictor):
    stages = Stages()
    settings = dataclasses.replace(tiny_settings, budget=1, finalists=1, rank_check=4)

    outcome = run(settings, predictor, stages)

    assert outcome.ranks is not None
    assert outcome.ranks.networks == 4
    assert -1 <= outcome.ranks.correlation <= 1
    assert outcome.ranks.weak == (outcome.ranks.correlation < 0.5)
    assert stages.seen[-2:] == [
        ("Training 4 other networks alone", 4, 4),
        ("Asking about the same networks", 4, 4),
    ]


def test_a_finalists_curve_ends_at_its_validation_accuracy(tiny_outcome: Outcome):
    for finalist in tiny_outcome.finalists:
        assert finalist.curve[-1].epochs == tiny_outcome.settings.alone.epochs
        assert finalist.curve[-1].accuracy == finalist.validation_accuracy
    assert tiny_outcome.ranks is None


@pytest.mark.usefixtures("tiny_world")
def test_another_seed_gives_another_history(tiny_outcome: Outcome, tiny_settings: RunSettings, predictor):
    other = run(dataclasses.replace(tiny_settings, seed=1, budget=3), predictor, Stages())

    assert [record.choices for record in other.records] != [record.choices for record in tiny_outcome.records[:3]]


@pytest.mark.usefixtures("tiny_world")
def test_progress_is_told_in_three_stages_to_their_ends(tiny_settings: RunSettings, predictor):
    stages = Stages()

    run(dataclasses.replace(tiny_settings, budget=3), predictor, stages)

    # 192 images in batches of 64.
    shared = tiny_settings.shared.epochs * 3
    assert stages.seen == [
        ("Training shared weights", shared, shared),
        ("Searching", 3, 3),
        ("Training the best 3 alone", 3, 3),
    ]


@pytest.mark.usefixtures("tiny_world")
def test_a_search_by_brief_training_shares_no_weights(tiny_settings: RunSettings, predictor):
    stages = Stages()
    settings = dataclasses.replace(tiny_settings, accuracy="brief", brief=Schedule(epochs=12), budget=3)

    outcome = run(settings, predictor, stages)

    assert [title for title, _, _ in stages.seen] == ["Searching", "Training the best 3 alone"]
    assert outcome.sought == "validation accuracy, brief training"
    assert all(record.accuracy > 0.5 for record in outcome.records)


def test_what_queries_told_is_named_by_the_signal_and_by_how_it_came_about(tiny_outcome: Outcome):
    by_latency = dataclasses.replace(tiny_outcome.settings, primary="latency")

    assert tiny_outcome.sought == "validation accuracy, shared weights"
    assert dataclasses.replace(tiny_outcome, settings=by_latency).sought == "primary signal, latency"


@pytest.mark.usefixtures("tiny_world")
def test_the_learned_potential_searches_too(tiny_settings: RunSettings, predictor):
    outcome = run(dataclasses.replace(tiny_settings, potential="learned", budget=3), predictor, Stages())

    assert len(outcome.records) == 3
    assert all(record.cost <= tiny_settings.limits[0].value for record in outcome.records)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"budget": 0}, SettingsError, r"A budget of 0 accuracy queries finds nothing\. Give --budget 1 or more\."),
        ({"controller": "magic"}, SettingsError, r"No controller 'magic'\. Known: comet, comet-literal, random, "),
        ({"potential": "magic"}, SettingsError, r"No potential 'magic'\. Known: exact, learned, online\."),
        ({"assist": "magic"}, SettingsError, r"No --assist 'magic'\. Known: none, mask, near-budget\."),
        ({"epsilon": "magic"}, SettingsError, r"No --epsilon 'magic'\. Known: co-regulated, constant\."),
        ({"accuracy": "magic"}, SettingsError, r"No --accuracy 'magic'\. Known: shared, brief\."),
        ({"shaping": "magic"}, SettingsError, r"No --shaping 'magic'\. Known: policy, update, both\."),
        ({"patience": -1}, SettingsError, r"A patience of -1 queries cannot be\."),
        ({"rank_check": 2}, SettingsError, "2 networks have no ranks to compare. Give --rank-check 3"),
        ({"data": "imagenet"}, DataError, r"No data set 'imagenet'\. Known: coco, coco-largest, fashion-mnist, "),
        ({"space": "resnet"}, SpaceError, r"No search space 'resnet'\. Known: .*mobilenetv2"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_computed(
    tiny_settings: RunSettings, changes, error, message
):
    usual = dataclasses.replace(tiny_settings, space="mobilenetv2", data="mnist-5k")

    with pytest.raises(error, match=message):
        check_settings(dataclasses.replace(usual, **changes))


@pytest.mark.usefixtures("tiny_world")
def test_a_limit_that_cannot_be_met_is_found_before_any_training(tiny_settings: RunSettings, predictor):
    stages = Stages()

    with pytest.raises(InfeasibleError, match="the lowest possible is 9"):
        run(dataclasses.replace(tiny_settings, limits=(Limit(target="latency", value=1.0),)), predictor, stages)

    assert stages.seen == []


def test_a_search_is_named_by_what_is_unusual_about_it(tiny_settings: RunSettings):
    device = tiny_settings.device
    usual = RunSettings(device=device, limits=(Limit(target="latency", value=device.latency_limit_ms),))
    other = dataclasses.replace(
        usual,
        budget=7,
        seed=3,
        limits=(Limit(target="latency", value=20.0),),
        potential="learned",
        shared=Schedule(epochs=1),
        alone=Schedule(epochs=2),
    )

    assert search_name(usual, Path("models/default")) == "low-mobilenetv2-mnist-5k-comet-seed0"
    assert search_name(other, Path("models/bench")) == (
        "low-mobilenetv2-mnist-5k-comet-seed3-learned-budget7-latency20ms-shared1-alone2-bench"
    )


def test_a_note_on_progress_is_a_few_words(tiny_outcome: Outcome):
    record = dataclasses.replace(
        tiny_outcome.records[0], accuracy=0.5, costs=(12.34,), epsilon=0.9, feasible_share=0.75
    )

    assert progress_note([record], "ms") == "best 50.0% at 12.3 ms, ε 0.90, feasible 75%"
    assert progress_note([dataclasses.replace(record, epsilon=None)], "") == "best 50.0% at 12.3, feasible 75%"
