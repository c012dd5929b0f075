from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import onnx
import pytest

from nas.errors import MeasuringError, SearchFolderError
from nas.networks.layers import network_layers
from nas.searching.finished import read_finished
from nas.searching.prepared import device_setting
from nas.verification.comparison import Group
from nas.verification.verdicts import Verdict
from nas.verify import How, OnDevice, verify
from parsers.network import read_network
from parsers.schema import DeviceKind, Status
from tests.nas.verification.conftest import FakeDevice, ran


def twice_as_predicted(predictor):
    return lambda _name, layers: 2 * predictor.predict_network(layers, None).latency_ms


def test_the_best_and_as_many_random_networks_within_the_limit_are_measured_by_the_searchs_provider(
    tiny_search: Path, predictor
):
    search = read_finished(tiny_search)
    device = FakeDevice(twice_as_predicted(predictor))

    found = verify(search, predictor, device, How(best=3, random=4))

    assert device.asked == [("verify-tiny", "cpu", 4, True)]
    candidates = [one.candidate for one in found.networks]
    assert [one.group for one in candidates] == [Group.BEST] * 3 + [Group.RANDOM] * 4
    assert [one.architecture for one in candidates[:3]] == [one.architecture for one in search.best(3)]
    assert [one.is_winner for one in candidates] == [True] + [False] * 6
    assert len({one.architecture for one in candidates}) == 7
    assert {one.name for one in candidates[3:]} == {f"random-{number}" for number in range(1, 5)}
    limit = search.settings.limits[0].value
    assert all(predictor.predict_network(one.layers, None).latency_ms <= limit for one in candidates)
    assert all(one.layers == network_layers(search.space, one.architecture) for one in candidates)


def test_errors_limits_and_groups_follow_from_what_the_device_takes(tiny_search: Path, predictor):
    search = read_finished(tiny_search)

    found = verify(search, predictor, FakeDevice(twice_as_predicted(predictor)), How(best=3, random=3))

    assert found.errors(Group.BEST) == pytest.approx([-0.5] * 3)
    assert found.errors(Group.RANDOM) == pytest.approx([-0.5] * 3)
    assert found.mean_error(Group.BEST).mean == pytest.approx(-0.5)
    assert found.winners_curse.mean == pytest.approx(0.0)
    (latency,) = found.limits
    assert (latency.limit, latency.unmeasured) == (15.0, None)
    over = {one.candidate.name: one.measured_ms.middle / 15.0 - 1 for one in found.networks}
    assert {name: told.beyond for name, told in latency.judgements.items()} == pytest.approx(over)
    assert found.verdict("winner") is Verdict.BREAKS
    assert found.missing == ()


def test_the_same_seed_draws_the_same_networks_and_another_others(tiny_search: Path, predictor):
    search = read_finished(tiny_search)

    def drawn(seed: int) -> list[object]:
        found = verify(search, predictor, FakeDevice(twice_as_predicted(predictor)), How(best=1, seed=seed))
        return [one.candidate.architecture for one in found.networks]

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_the_winner_is_measured_as_the_file_that_ships_and_the_others_as_their_layers(
    tiny_search: Path, predictor, tmp_path: Path
):
    search = read_finished(tiny_search)
    kept = tmp_path / "kept"

    class Keeper(FakeDevice):
        def __call__(self, models, **how):
            shutil.copytree(models[0].parent, kept)
            return super().__call__(models, **how)

    found = verify(search, predictor, Keeper(twice_as_predicted(predictor)), How(best=2, random=2))

    assert (kept / "winner.onnx").read_bytes() == search.network_file.read_bytes()
    for one in found.networks:
        layers = [part.layer for part in read_network(kept / f"{one.candidate.name}.onnx").layers]
        assert sorted(layer.key for layer in layers) == sorted(layer.key for layer in one.candidate.layers)
        onnx.checker.check_model(kept / f"{one.candidate.name}.onnx", full_check=True)


def test_a_file_that_is_another_network_than_the_winner_is_refused(tiny_search: Path, predictor):
    search = read_finished(tiny_search)
    other = next(one for one in search.networks if one.architecture != search.winner.architecture)
    path = tiny_search / "architecture.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "query": other.query}))

    with pytest.raises(SearchFolderError, match=f"best.onnx is not the network of query {other.query}, the winner"):
        verify(read_finished(tiny_search), predictor, FakeDevice(twice_as_predicted(predictor)), How())


def test_what_is_not_measured_has_no_error_and_is_named(tiny_search: Path, predictor):
    def law(name: str, layers):
        if name == "winner":
            return ran(status=Status.CONTENDED)
        return None if name == "random-1" else predictor.predict_network(layers, None).latency_ms

    found = verify(read_finished(tiny_search), predictor, FakeDevice(law), How(best=2, random=2))

    assert found.missing == ("winner: contended", "random-1: not measured")
    assert found.verdict("winner") is Verdict.NOT_MEASURED
    assert found.networks[0].error is None
    assert len(found.errors(Group.BEST)) == 1
    assert found.verdict("random-2") is Verdict.KEEPS


def test_a_tier_is_never_the_device_that_was_measured_and_a_phone_searched_for_is(tiny_search: Path, predictor):
    search = read_finished(tiny_search)
    device = FakeDevice(twice_as_predicted(predictor))
    tier = search.settings.device
    phone = dataclasses.replace(tier, name="mine", kind="phone", context=dataclasses.replace(device.context, cores=8))
    another = dataclasses.replace(phone, context=dataclasses.replace(device.context, memory_gb=2.0))

    def is_target(config) -> bool:
        settings = dataclasses.replace(search.settings, device=config)
        return verify(dataclasses.replace(search, settings=settings), predictor, device, How(best=1)).is_target

    assert [is_target(one) for one in (tier, phone, another)] == [False, True, False]
    assert is_target(dataclasses.replace(another, name="shelf-phone"))
    assert is_target(dataclasses.replace(tier, context=device.context)) is False


def test_predictions_for_what_was_measured_and_for_what_was_searched_for_are_kept_apart(tiny_search: Path):
    from tests.nas.conftest import FormulaPredictor

    class ByDevice(FormulaPredictor):
        """Knows the tier to be ten times as slow as anything else."""

        def predict_layers(self, layers, setting):
            costs = super().predict_layers(layers, setting)
            factor = 1.0 if setting is not None and setting.device == "low" else 0.1
            return dataclasses.replace(
                costs,
                latency_ms=factor * costs.latency_ms,
                network_latency_ms=factor * costs.network_latency_ms,
            )

    predictor, search = ByDevice(), read_finished(tiny_search)
    there = FakeDevice(lambda _name, _layers: 1.0)

    found = verify(search, predictor, there, How(best=2, random=0))

    names = [signal.name for signal in found.signals]
    for one in found.networks:
        searched = one.candidate.costs[names.index("latency")]
        assert searched == pytest.approx(10 * one.predicted.latency_ms)
        assert one.error == pytest.approx(one.predicted.latency_ms / 1.0 - 1)
    assert found.searched_for.name == "low"
    assert device_setting(found.searched_for).device == "low"


def test_a_predictor_that_is_not_the_searchs_is_noticed(tiny_search: Path, predictor):
    from tests.nas.conftest import FormulaPredictor

    search = read_finished(tiny_search)

    own, other = (
        verify(search, one, FakeDevice(twice_as_predicted(predictor)), How(best=1, random=0)).other_predictor
        for one in (predictor, FormulaPredictor(overhead_ms=0.9))
    )

    assert own is None
    assert other[0] == search.winner.latency_ms > other[1]


def test_a_device_that_is_not_there_is_one_line_in_the_profilers_words(tmp_path: Path, tiny_search: Path, predictor):
    measure = OnDevice(device="R58M12ABCDE", runs=tmp_path / "runs", advance=lambda _done, _note: None)

    with pytest.raises(MeasuringError, match="R58M12ABCDE") as told:
        verify(read_finished(tiny_search), predictor, measure, How(best=1, random=0))

    assert "\n" not in str(told.value)


def test_small_networks_are_really_measured_on_this_machine(tmp_path: Path, tiny_search: Path, predictor):
    seen: list[int] = []
    measure = OnDevice(
        device="host", runs=tmp_path / "runs", processes=2, advance=lambda done, _note: seen.append(done)
    )

    found = verify(read_finished(tiny_search), predictor, measure, How(best=1, random=1, threads=1))

    assert found.on.kind is DeviceKind.HOST
    assert found.on.setting.threads == 1
    assert set(found.on.networks) == {"winner", "random-1"}
    assert seen == sorted(set(seen))
    assert seen[-1] == 4
    assert found.on.is_old is False
    if not found.missing:  # what was disturbed is measured anew
        again = verify(read_finished(tiny_search), predictor, measure, How(best=1, random=1, threads=1))
        assert again.on.networks == found.on.networks
        assert again.on.is_old is True
    for one in found.networks:
        assert one.runs is not None
        assert one.runs.evidence.is_dir()
        assert one.runs.status in {Status.OK, Status.CONTENDED}
        if one.runs.status is Status.OK:
            assert 0 < one.measured_ms.low <= one.measured_ms.middle <= one.measured_ms.high
            assert len(one.runs.latency_ms) == 2
