from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from metamodel.interface import Setting
from metamodel.predictor import TrainedPredictor
from metamodel.report import Prediction, fit_summary, prediction_json, prediction_table
from metamodel.rows import Ground
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
    predictor = TrainedPredictor(lab_artefact)
    return Prediction(
        network=Network(name="net", layers=tuple(parts), peak_live_elements=100),
        device=load_device_config("mid"),
        setting=setting,
        costs=predictor.predict_network(layers, setting),
        correction=predictor.correction(setting),
        ground=lab_artefact.layer_model.ground(setting),
        manifest=lab_artefact.manifest,
    )


def test_an_infeasible_layer_is_called_infeasible_and_so_is_its_network(prediction):
    lines = text(prediction_table(prediction)).splitlines()

    assert [line.count("infeasible") for line in lines if "layer-" in line] == [0, 3]
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

    on_evidence = replace(prediction, network=network)
    on_formula = replace(on_evidence, ground=Ground.FORMULA)

    assert on_evidence.unknown_types == ()
    assert on_formula.unknown_types == ("Conv", "Gemm")


def test_a_summary_without_scores_says_that_there_are_none(lab_artefact):
    assert "Unseen networks: not scored" in text(fit_summary(lab_artefact.manifest))
