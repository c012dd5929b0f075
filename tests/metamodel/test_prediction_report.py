from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from metamodel.adaptation import Adaptation, LayerMap, MeasuredLayer, PhoneAdaptation
from metamodel.interface import Setting
from metamodel.prediction_report import predict, prediction_json, prediction_table
from metamodel.predictor import TrainedPredictor
from metamodel.rows import Ground
from metamodel.targets import Target
from parsers.device_config import load_device_config
from parsers.network import Network, NetworkLayer


def text(table):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.fixture
def prediction(lab_artefact, bench):
    """The lab's phone with a network of one feasible and one infeasible layer."""
    layers = [bench.convolution(8), bench.convolution(4096, in_channels=4096)]
    parts = [
        NetworkLayer(name=f"layer-{n}", layer=layer, nodes=(), tensors=(), inputs=(), outputs=())
        for n, layer in enumerate(layers)
    ]
    setting = Setting(context=bench.phone, device="phone")
    network = Network(name="net", layers=tuple(parts), peak_live_elements=100)
    return predict(TrainedPredictor(lab_artefact), network, load_device_config("mid"), setting)


def test_an_infeasible_layer_is_called_infeasible_and_so_is_its_network(prediction):
    lines = text(prediction_table(prediction)).splitlines()

    assert [line.count("infeasible") for line in lines if "│ layer-" in line] == [0, 3]
    assert [line.count("infeasible") for line in lines if "network " in line and "2 layers" in line] == [3]


def test_an_infeasible_cost_is_null_in_json_which_knows_no_infinity(prediction):
    document = json.loads(json.dumps(prediction_json(prediction), allow_nan=False))

    assert (document["feasible"], document["latency_ms"], document["memory_mb"]) == (False, None, None)
    assert [layer["feasible"] for layer in document["layers"]] == [True, False]
    assert document["layers"][0]["latency_ms"] > document["layers"][0]["own_latency_ms"]
    assert document["layers"][1]["latency_ms"] is None


def test_a_prediction_says_how_many_rows_of_its_own_setting_it_stands_on(prediction):
    shown = text(prediction_table(prediction))

    assert "Rows in this setting: 75 measured (phone). Rows in all: 150 measured (phone)." in shown
    assert "add up uncorrected" not in shown


def test_a_type_that_only_the_other_ground_saw_is_a_guess(prediction):
    (gemm,) = (replace(part, layer=replace(part.layer, type="Gemm")) for part in prediction.network.layers[:1])
    network = replace(prediction.network, layers=(*prediction.network.layers, gemm))

    on_evidence = replace(prediction, network=network, layer_reasons=((), (), ()))
    on_formula = replace(on_evidence, ground=Ground.FORMULA)

    assert on_evidence.unknown_types == ()
    assert on_formula.unknown_types == ("Conv", "Gemm")


@pytest.fixture
def feasible(prediction, lab_artefact, bench):
    """A network of seven layers that all can be executed, the fourth by far the costliest."""
    layers = [bench.convolution(8 * n, in_channels=8) for n in (1, 2, 3)]
    layers += [bench.convolution(156, in_channels=156, size=56, kernel=5)]
    layers += [bench.convolution(4 * n, in_channels=8) for n in (1, 3, 5)]
    parts = [
        NetworkLayer(name=f"layer-{n}", layer=layer, nodes=(), tensors=(), inputs=(), outputs=())
        for n, layer in enumerate(layers)
    ]
    network = Network(name="net", layers=tuple(parts), peak_live_elements=100)
    return predict(TrainedPredictor(lab_artefact), network, prediction.device, prediction.setting)


def test_the_five_costliest_layers_are_named_with_their_shares_the_largest_first(feasible):
    document = prediction_json(feasible)

    shares = {layer["name"]: layer["latency_ms"] for layer in document["layers"]}
    assert document["costliest"] == sorted(shares, key=shares.get, reverse=True)[:5]
    assert document["costliest"][0] == "layer-3"
    first = 100 * shares["layer-3"] / document["latency_ms"]
    assert f"Costliest layers: layer-3 ({first:.1f} %), " in text(prediction_table(feasible))


def test_each_layers_interval_lies_around_its_latency_and_throughput_is_what_latency_implies(feasible):
    document = json.loads(json.dumps(prediction_json(feasible), allow_nan=False))

    for layer in document["layers"]:
        lower, upper = layer["own_latency_interval_ms"]
        assert lower < layer["own_latency_ms"] < upper
    assert document["throughput_per_s"] == pytest.approx(1000 / document["latency_ms"])
    assert document["latency_interval_ms"] is None


def test_a_network_interval_is_shown_where_networks_were_held_out(feasible):
    costs = replace(feasible.costs, latency_ms=2.0, latency_interval_ms=(1.0, 4.0))

    shown = text(prediction_table(replace(feasible, costs=costs)))

    assert "Total: 2 ms, 500 inferences per second; in 90 of 100 networks within 1 to 4 ms." in shown
    assert prediction_json(replace(feasible, costs=costs))["latency_interval_by"] == "evaluation"
    assert prediction_json(feasible)["latency_interval_by"] is None


def test_a_network_interval_by_the_devices_own_networks_says_so(feasible):
    costs = replace(feasible.costs, latency_ms=2.0, latency_interval_ms=(1.0, 4.0))
    own = replace(feasible, costs=costs, correction=replace(feasible.correction, network_factor=2.0))

    name = feasible.device.name
    assert f"within 1 to 4 ms, by {name}'s own held-out networks." in text(prediction_table(own))
    assert prediction_json(own)["latency_interval_by"] == "device"


def test_a_calibrated_phone_is_said_to_be_one_with_the_error_to_expect(prediction):
    times = {"measured": 1.0, "before": 3.0, "after": 1.05}
    layers = tuple(
        MeasuredLayer(layer_key=str(number), type="Conv", left_out=1.0 + number / 10, **times) for number in range(3)
    )
    adaptation = Adaptation(
        layer_map=LayerMap(features=(), means=(0.0, 0.0), scales=(1.0, 1.0)),
        support=((0.0, 0.0),) * 3,
        residuals=(-1.0,) * 3,
        drift=0.1,
        length=1.0,
        factor=1.0,
        noise=0.01,
    )
    calibration = PhoneAdaptation(
        target=Target.LATENCY,
        device="pocket",
        provider="cpu",
        threads=1,
        setting_key="0",
        layers=layers,
        adaptation=adaptation,
    )
    calibrated = replace(prediction, calibration=calibration)

    assert (
        "Calibrated to pocket by 3 layers measured there; each of them told by the others to within 10.0 % (median)."
        in text(prediction_table(calibrated))
    )
    assert prediction_json(calibrated)["calibrated_by"] == 3
    assert prediction_json(prediction)["calibrated_by"] == 0


def test_what_is_outside_is_flagged_at_the_layer_and_said_in_words(prediction):
    shown = text(prediction_table(prediction))

    assert "layer-1 (!)" in shown
    assert "(!) layer-1: Conv: in_channels 4096 is above the largest seen" in shown
    assert "layer-0 (!)" not in shown
    document = prediction_json(prediction)
    assert document["outside"] == []
    assert [bool(layer["outside"]) for layer in document["layers"]] == [False, True]
