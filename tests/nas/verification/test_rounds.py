from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from metamodel.interface import NetworkCalibration
from nas.searching.finished import FinishedSearch, read_finished
from nas.searching.prepared import device_setting
from nas.searching.run_file import settings_of
from nas.verification.rounds import next_step, prepare_round
from nas.verify import How, verify
from parsers.schema import Status
from tests.nas.verification.conftest import FakeDevice, ran


@pytest.fixture
def search(tiny_search: Path) -> FinishedSearch:
    return read_finished(tiny_search)


@pytest.fixture
def verified(search: FinishedSearch, predictor):
    """Verify the tiny search on a device that takes what it is told to."""

    def run(law, best: int = 5, random: int = 5):
        return verify(search, predictor, FakeDevice(law), How(best=best, random=random))

    return run


@pytest.fixture
def calibrations(monkeypatch: pytest.MonkeyPatch):
    """Note what the predictor is calibrated by, and write a model that names it."""
    asked = []

    def calibrate(model, setting, networks, output):
        asked.append((model, setting, networks))
        output.mkdir(parents=True, exist_ok=True)
        (output / "manifest.json").write_text(repr([one.latency_ms for one in networks]))
        return NetworkCalibration(networks=len(networks), before_percent=50.0, after_percent=2.0)

    monkeypatch.setattr("nas.verification.rounds.calibrate_predictor", calibrate)
    return asked


@pytest.mark.parametrize(
    ("law", "told"),
    [
        (lambda _name, _layers: 20.0, None),
        (lambda _name, _layers: ran([14.0, 15.0, 16.0]), None),
        (lambda _name, _layers: 14.0, "The winner keeps its limits."),
        (lambda name, _layers: ran(status=Status.LOST) if name == "winner" else 20.0, "The winner was not measured"),
    ],
)
def test_another_round_follows_a_miss_and_a_measurement_that_cannot_tell(verified, law, told):
    ending = next_step(verified(law, best=2, random=0))

    assert ending is None if told is None else ending.startswith(told)


def test_a_limit_that_no_calibration_helps_ends_it(verified):
    found = verified(lambda _name, _layers: ran([10.0], memory_mb=[50.0]), best=1, random=0)
    (latency,) = found.limits
    memory = dataclasses.replace(
        latency,
        signal=dataclasses.replace(latency.signal, name="memory"),
        judgements={"winner": dataclasses.replace(latency.judgements["winner"], verdict="breaks")},
    )

    assert next_step(dataclasses.replace(found, limits=(latency, memory))) == (
        "The winner misses its memory, but only latencies are calibrated: lower that limit."
    )
    assert next_step(dataclasses.replace(found, limits=())) == "No limit of the search can be checked on this device."


def test_a_round_is_the_same_search_for_the_device_that_was_measured_by_the_calibrated_model(
    search: FinishedSearch, verified, calibrations
):
    found = verified(lambda _name, _layers: 20.0)

    following = prepare_round(search, [found], Path("bench"), number=2)

    given = search.folder.with_name("tiny-round2.given")
    assert following.folder == search.folder.with_name("tiny-round2")
    assert following.options == dataclasses.replace(
        search.options, device=str(given / "shelf-phone.toml"), model=(given / "model").as_posix(), confidence=0.9
    )
    setting = device_setting(settings_of(following.options).device)
    assert setting == found.on.setting
    ((model, asked, networks),) = calibrations
    assert (model, asked) == (Path("bench"), setting)
    assert [one.layers for one in networks] == [one.candidate.layers for one in found.networks]
    assert {one.latency_ms for one in networks} == {20.0}
    assert following.is_old is False


def test_a_search_for_the_very_device_keeps_its_config(search: FinishedSearch, verified, calibrations):
    found = dataclasses.replace(verified(lambda _name, _layers: 20.0), is_target=True)

    following = prepare_round(search, [found], Path("bench"), number=2)

    assert following.options.device == "low"
    assert calibrations[0][1] == device_setting(search.settings.device)


def test_all_rounds_teach_and_what_was_not_measured_does_not(search: FinishedSearch, verified, calibrations):
    first = verified(lambda name, _layers: None if name == "winner" else 20.0, best=2, random=1)
    second = verified(lambda _name, _layers: 16.0, best=1, random=1)

    following = prepare_round(search, [first, second], Path("bench"), number=3)

    ((_, _, networks),) = calibrations
    assert [one.latency_ms for one in networks] == [20.0, 20.0, 16.0, 16.0]
    assert [one.name for one in networks][2:] == ["round 2, winner", "round 2, random-1"]
    # Four networks cannot say what nine of ten stay below.
    assert following.options.confidence == search.options.confidence


def test_the_same_measurements_give_the_same_round_which_can_be_gone_on_with(
    search: FinishedSearch, verified, calibrations
):
    found, other = verified(lambda _name, _layers: 20.0), verified(lambda _name, _layers: 21.0)

    told = [prepare_round(search, [one], Path("bench"), number=2).is_old for one in (found, found, other)]

    assert told == [False, True, False]
    assert len(calibrations) == 3
