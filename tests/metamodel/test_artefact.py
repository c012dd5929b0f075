from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import xgboost

from metamodel.artefact import MANIFEST_FILE, check_output, load_artefact, save_artefact
from metamodel.errors import ModelError, OutputError
from metamodel.interface import Setting
from metamodel.model import ResponseModel
from metamodel.predictor import TrainedPredictor
from metamodel.rows import Ground
from tests.metamodel.conftest import convolution


@pytest.fixture
def model(lab_model, tmp_path):
    """A copy of the lab's model that may be broken."""
    return shutil.copytree(lab_model, tmp_path / "broken")


def edit(folder, change):
    path = folder / MANIFEST_FILE
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_saved_model_loads_with_the_same_manifest_and_predicts_the_same_to_the_last_bit(
    lab_artefact, lab_model, bench, setting
):
    layers = bench.layers(50)
    before = TrainedPredictor(lab_artefact).predict_layers(layers, setting)

    loaded = load_artefact(lab_model)

    after = TrainedPredictor(loaded).predict_layers(layers, setting)
    assert loaded.manifest == lab_artefact.manifest
    np.testing.assert_array_equal(after.latency_ms, before.latency_ms)
    np.testing.assert_array_equal(after.network_latency_ms, before.network_latency_ms)
    np.testing.assert_array_equal(after.memory_mb, before.memory_mb)


def test_a_model_is_a_manifest_a_file_per_member_and_residual_model_an_onnx_per_bag_and_nothing_else(
    lab_artefact, lab_model
):
    members = [
        f"{record.response.target}-{record.ground}-{index:02d}.ubj"
        for record in lab_artefact.manifest.responses
        for index in range(record.members)
    ]
    spreads = [
        f"{record.response.target}-{record.ground}-spread.ubj"
        for record in lab_artefact.manifest.responses
        if record.ground is Ground.EVIDENCE
    ]

    bags = [f"{record.response.target}-{record.ground}.onnx" for record in lab_artefact.manifest.responses]

    assert sorted(path.name for path in lab_model.iterdir()) == sorted(["manifest.json", *members, *spreads, *bags])
    assert [path.name for path in lab_model.parent.iterdir()] == [lab_model.name]


def test_an_older_model_is_replaced_whole(lab_artefact, model):
    (model / "latency-evidence-99.ubj").write_bytes(b"of an older, larger bag")

    save_artefact(lab_artefact, model)

    assert not (model / "latency-evidence-99.ubj").exists()
    assert load_artefact(model).manifest == lab_artefact.manifest
    assert [path.name for path in model.parent.iterdir()] == [model.name]


@pytest.mark.parametrize("operation", ["write_bytes", "rename"])
def test_a_disk_that_fails_half_way_leaves_the_older_model_in_place_and_nothing_beside_it(
    lab_artefact, model, monkeypatch, operation
):
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    real = getattr(Path, operation)

    def fail_on_the_new_model(path, target):
        if path.name in {"memory-evidence-00.ubj", "new"}:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, target)

    monkeypatch.setattr(Path, operation, fail_on_the_new_model)

    with pytest.raises(OutputError, match=r"Cannot write the model .*: No space left on device"):
        save_artefact(lab_artefact, model)

    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_a_folder_that_holds_something_else_is_never_overwritten(lab_artefact, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(OutputError, match="exists and is no model; name another folder with -o"):
        save_artefact(lab_artefact, tmp_path)

    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_folders_place_is_never_overwritten(tmp_path):
    (tmp_path / "model").write_text("a file")

    with pytest.raises(OutputError, match="exists and is no model"):
        check_output(tmp_path / "model")


def test_an_empty_or_absent_folder_may_be_written_to(tmp_path):
    check_output(tmp_path)
    check_output(tmp_path / "new")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_line(lab_artefact, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputError, match="Cannot write the model"):
        save_artefact(lab_artefact, tmp_path / "file" / "model")


def test_an_absent_model_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelError, match="run 'metamodel fit' first"):
        load_artefact(tmp_path / "nowhere")


def test_a_truncated_booster_is_noticed(model):
    path = model / "latency-evidence-00.ubj"
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(
        ModelError, match=r"latency-evidence-00.ubj is not the file that 'metamodel fit' wrote \(SHA-256 differs\)"
    ):
        load_artefact(model)


def test_an_absent_booster_is_noticed(model):
    (model / "memory-evidence-00.ubj").unlink()

    with pytest.raises(ModelError, match=r"Cannot read .*memory-evidence-00.ubj: No such file"):
        load_artefact(model)


def test_a_booster_that_is_none_is_refused_though_its_digest_is_right(model, monkeypatch):
    monkeypatch.setattr("metamodel.artefact._sha256", lambda data: "the same")  # noqa: ARG005
    edit(model, lambda document: document.update(files=dict.fromkeys(document["files"], "the same"), sha256="the same"))
    (model / "latency-evidence-00.ubj").write_bytes(b"no booster")

    with pytest.raises(ModelError, match=r"latency-evidence-00.ubj: this XGBoost cannot read it"):
        load_artefact(model)


def test_a_manifest_edited_by_hand_is_noticed(model):
    edit(model, lambda document: document["manifest"].update(seed=1))

    with pytest.raises(ModelError, match=r"manifest.json was edited after it was written"):
        load_artefact(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(format=3), "has format 3; this program reads 1 to 2"),
        (lambda document: document.update(format=True), "has format True; this program reads 1 to 2"),
        (lambda document: document["manifest"].update(schema_version=0), "has schema version 0; this program reads 1"),
        (lambda document: document.update(manifest=[]), "has schema version None"),
        (lambda document: document.pop("files"), "is no manifest of a model"),
        (lambda document: document.update(hint="x"), "is no manifest of a model"),
    ],
)
def test_another_version_or_another_document_is_refused(model, change, message):
    edit(model, change)

    with pytest.raises(ModelError, match=message):
        load_artefact(model)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[]"])
def test_a_manifest_that_is_no_manifest_is_one_clear_line(model, content):
    (model / MANIFEST_FILE).write_bytes(content)

    with pytest.raises(ModelError, match=r"is no (JSON|manifest)") as caught:
        load_artefact(model)

    assert "\n" not in str(caught.value)


def test_a_model_of_features_that_are_computed_no_more_is_refused(lab_artefact, tmp_path):
    names = (*lab_artefact.manifest.feature_names, "phase_of_the_moon")
    other = replace(lab_artefact, manifest=replace(lab_artefact.manifest, feature_names=names))
    save_artefact(other, tmp_path / "model")

    with pytest.raises(
        ModelError, match="fitted to the feature 'phase_of_the_moon', which this program does not compute"
    ):
        load_artefact(tmp_path / "model")


FORMAT_1 = Path(__file__).parent / "artefacts" / "format-1"


def test_a_model_of_fewer_features_than_are_computed_today_sees_only_those(lab_artefact, tmp_path, bench, setting):
    manifest = lab_artefact.manifest
    columns = tuple(place for place, name in enumerate(manifest.space.names) if name != "winograd")
    names = tuple(manifest.space.names[place] for place in columns)
    matrix = manifest.space.layer_matrix(bench.layers(5), setting)
    member = xgboost.train({}, xgboost.DMatrix(matrix[:, columns], np.arange(5.0)), 2)
    models = tuple(
        ResponseModel(record=replace(model.record, members=1), members=(member,), columns=columns)
        for model in lab_artefact.models
    )
    older = replace(manifest, feature_names=names, responses=tuple(model.record for model in models))
    save_artefact(replace(lab_artefact, manifest=older, models=models), tmp_path / "model")

    (latency, *_) = load_artefact(tmp_path / "model").models

    assert latency.columns == columns
    np.testing.assert_array_equal(latency.predict(matrix), models[0].predict(matrix))


def test_a_model_whose_trees_know_other_features_than_it_names_is_refused(lab_artefact, tmp_path):
    names = lab_artefact.manifest.feature_names[1:]
    other = replace(lab_artefact, manifest=replace(lab_artefact.manifest, feature_names=names))
    save_artefact(other, tmp_path / "model")

    with pytest.raises(ModelError, match=f"was not fitted to the {len(names)} features that the manifest names"):
        load_artefact(tmp_path / "model")


FORMAT_1 = Path(__file__).parent / "artefacts" / "format-1"


def test_a_model_that_an_earlier_release_wrote_predicts_what_it_predicted_then(bench):
    wanted = json.loads(FORMAT_1.with_name("format-1-predictions.json").read_text())
    layers = [layer for network in bench.networks(3, layers=7).values() for layer in network][:6]
    crashed = convolution(4096, in_channels=4096)

    predictor = TrainedPredictor(load_artefact(FORMAT_1))

    for device, context in (("phone", bench.phone), ("low", bench.slow_phone)):
        costs = predictor.predict_layers([*layers, crashed], Setting(context=context, device=device))
        for name, values in wanted[device].items():
            then = [np.inf if value is None else value for value in values]
            np.testing.assert_allclose(getattr(costs, name), then, rtol=1e-6)


def test_a_model_of_an_earlier_release_says_what_it_does_not_know(bench):
    artefact = load_artefact(FORMAT_1)
    predictor = TrainedPredictor(artefact)
    setting = Setting(context=bench.phone, device="phone")

    assert predictor.layer_intervals(bench.layers(2), setting) == {}
    assert predictor.predict_network(bench.layers(2), setting).latency_interval_ms is None
    assert predictor.layer_reasons(bench.layers(2), setting) == [(), ()]
    assert artefact.manifest.parent is None
    assert artefact.manifest.feasibility.reason == "the model is of format 1, which had known members only"


def test_the_onnx_of_a_bag_predicts_what_the_bag_does(lab_artefact, lab_model, bench, setting):
    matrix = lab_artefact.manifest.space.layer_matrix(bench.layers(20), setting)

    for model in lab_artefact.models:
        path = lab_model / f"{model.record.response.target}-{model.record.ground}.onnx"
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (predicted,) = session.run(None, {"features": matrix})
        np.testing.assert_allclose(predicted, model.predict(matrix), rtol=1e-5)


def test_a_model_whose_onnx_was_taken_away_or_changed_loads_all_the_same(model):
    before = load_artefact(model).manifest
    (model / "latency-evidence.onnx").unlink()
    (model / "memory-evidence.onnx").write_bytes(b"something else")

    assert load_artefact(model).manifest == before


def test_no_path_is_read_from_the_manifest(model):
    edit(model, lambda document: document["files"].update({"../../secret": "0"}))

    with pytest.raises(ModelError, match="was edited"):
        load_artefact(model)
