from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metamodel.artefact import load_artefact, manifest_sha256
from metamodel.correction import between_bytes
from metamodel.errors import ModelError, TableError
from metamodel.interface import (
    MeasuredNetwork,
    NetworkCalibration,
    Setting,
    Standing,
    calibrate_predictor,
    load_predictor,
    standing_in,
)
from metamodel.network_calibration import calibrate_by_networks
from metamodel.predictor import TrainedPredictor


@pytest.fixture
def there(bench) -> Setting:
    """A device of which no row tells."""
    return Setting(context=replace(bench.phone, clock_freq_ghz=2.0), device="new")


@pytest.fixture
def networks(bench):
    """Ten networks of various lengths, as measured by a law of the model's own predictions."""

    def measured(predictor, setting, *, factor, per_node_ms=0.0, per_byte_ms=0.0, noise=0.0, count=10):
        random, found = np.random.default_rng(1), []
        for number in range(count):
            layers = tuple(bench.layers(6 + 3 * number))
            predicted_ms = predictor.predict_network(layers, setting).latency_ms
            law_ms = factor * predicted_ms + per_node_ms * len(layers) + per_byte_ms * sum(map(between_bytes, layers))
            wall_ms = law_ms * float(np.exp(noise * random.standard_normal()))
            found.append(MeasuredNetwork(name=f"net-{number}", layers=layers, latency_ms=wall_ms))
        return found

    return measured


def test_a_device_that_is_nine_times_as_slow_is_one_factor_away(lab_artefact, there, networks):
    seen = networks(TrainedPredictor(lab_artefact), there, factor=9.0)

    calibrated = calibrate_by_networks(lab_artefact, "parent", there, seen)

    predictor = TrainedPredictor(calibrated.artefact)
    predicted = [predictor.predict_network(one.layers, there).latency_ms for one in seen]
    np.testing.assert_allclose(predicted, [one.latency_ms for one in seen], rtol=1e-6)
    np.testing.assert_allclose(calibrated.before, np.log(9.0))
    np.testing.assert_allclose(calibrated.held_out, 0.0, atol=1e-6)


def test_a_law_of_time_nodes_and_bytes_is_learned_and_holds_for_networks_that_were_not_measured(
    lab_artefact, there, networks
):
    parent = TrainedPredictor(lab_artefact)
    law = {"factor": 2.0, "per_node_ms": 0.05, "per_byte_ms": 2e-8}
    seen = networks(parent, there, **law, noise=0.01)

    calibrated = calibrate_by_networks(lab_artefact, "parent", there, seen)

    others = networks(parent, there, **law)
    predictor = TrainedPredictor(calibrated.artefact)
    errors = [predictor.predict_network(one.layers, there).latency_ms / one.latency_ms - 1 for one in others]
    assert np.abs(errors).max() < 0.1
    assert np.abs(calibrated.held_out).max() < 0.1
    (correction,) = (one for one in calibrated.artefact.manifest.corrections if one.device == "new")
    assert [fit.network for fit in correction.networks] == [one.name for one in seen]
    assert correction.network_factor == pytest.approx(np.exp(np.abs(calibrated.held_out).max()))


def test_a_devices_own_step_is_built_upon_and_replaced(lab_artefact, setting, networks):
    parent = TrainedPredictor(lab_artefact)
    seen = networks(parent, setting, factor=1.5)

    calibrated = calibrate_by_networks(lab_artefact, "parent", setting, seen).artefact

    assert [(one.device, one.threads) for one in calibrated.manifest.corrections] == [("phone", 1)]
    assert calibrated.manifest.parent == "parent"
    predictor = TrainedPredictor(calibrated)
    shares = predictor.predict_layers(seen[0].layers, setting).network_latency_ms
    assert shares.sum() == pytest.approx(seen[0].latency_ms)


def test_other_devices_are_predicted_as_before(lab_artefact, there, setting, networks):
    seen = networks(TrainedPredictor(lab_artefact), there, factor=3.0)

    calibrated = TrainedPredictor(calibrate_by_networks(lab_artefact, "parent", there, seen).artefact)

    layers = seen[0].layers
    before = TrainedPredictor(lab_artefact).predict_network(layers, setting)
    assert calibrated.predict_network(layers, setting).latency_ms == before.latency_ms


def test_a_network_that_was_measured_twice_counts_once_by_its_median(lab_artefact, there, networks):
    one, other = networks(TrainedPredictor(lab_artefact), there, factor=2.0, count=2)
    again = replace(one, name="again", latency_ms=one.latency_ms * 3)

    calibrated = calibrate_by_networks(lab_artefact, "parent", there, [one, other, again])

    np.testing.assert_allclose(calibrated.before, np.log([4.0, 2.0]))


def test_one_network_gives_no_held_out_error(lab_artefact, there, networks):
    calibrated = calibrate_by_networks(
        lab_artefact, "parent", there, networks(TrainedPredictor(lab_artefact), there, factor=2.0, count=1)
    )

    assert calibrated.held_out is None


def test_nothing_measured_teaches_nothing(lab_artefact, there):
    with pytest.raises(TableError, match="No network was measured on new"):
        calibrate_by_networks(lab_artefact, "parent", there, [])


def test_a_network_that_the_model_knows_as_infeasible_is_named(bench, lab_artefact, setting):
    layers = (bench.convolution(4096, in_channels=4096),)

    with pytest.raises(TableError, match="gives big a latency of inf ms on phone"):
        calibrate_by_networks(
            lab_artefact, "parent", setting, [MeasuredNetwork(name="big", layers=layers, latency_ms=1.0)]
        )


def test_times_in_microseconds_are_refused(lab_artefact, there, networks):
    seen = networks(TrainedPredictor(lab_artefact), there, factor=1000.0)

    with pytest.raises(TableError, match="Is it in microseconds"):
        calibrate_by_networks(lab_artefact, "parent", there, seen)


def test_a_model_folder_becomes_another_that_knows_the_device_and_its_parent(lab_model, there, networks, tmp_path):
    parent = load_predictor(lab_model)
    seen = networks(parent, there, factor=2.0, noise=0.02)

    told = calibrate_predictor(lab_model, there, seen, tmp_path / "calibrated")

    calibrated = load_predictor(tmp_path / "calibrated")
    assert told == NetworkCalibration(
        networks=10, before_percent=pytest.approx(50, abs=2), after_percent=pytest.approx(2, abs=2)
    )
    assert load_artefact(tmp_path / "calibrated").manifest.parent == manifest_sha256(lab_model)
    errors = [calibrated.predict_network(one.layers, there).latency_ms / one.latency_ms - 1 for one in seen]
    assert np.abs(errors).max() < 0.1
    assert standing_in(parent, there).known is False
    assert standing_in(calibrated, there) == Standing(modelled=False, known=True, outside=())


def test_a_model_that_is_gone_is_one_line(there, tmp_path):
    with pytest.raises(ModelError, match="No model in"):
        calibrate_predictor(tmp_path / "gone", there, [], tmp_path / "new")


def test_a_setting_says_what_predictions_in_it_stand_on(lab_artefact, setting, there):
    predictor = TrainedPredictor(lab_artefact)

    assert standing_in(predictor, setting) == Standing(modelled=False, known=True, outside=())
    assert standing_in(predictor, there).outside == predictor.setting_reasons(there)


def test_a_predictor_that_does_not_know_what_it_stands_on_says_nothing(setting):
    class Guess:
        targets = ("latency",)

    assert standing_in(Guess(), setting) is None
