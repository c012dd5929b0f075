from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from metamodel.artefact import load_artefact
from metamodel.errors import OutputError
from metamodel.export import check_against_bag, onnx_of, save_onnx
from metamodel.features import NUMBERS
from metamodel.offset import FittedOffset, SettingRates
from metamodel.targets import Target

SEEN = SettingRates(setting=(4.0, None, 8.0, 2.5, 34.0, None, 160.0, 1.0), per_flop=1e-8, per_byte=3e-7, floor=0.002)
OTHER = SettingRates(setting=(None, 12.0, 4.0, 0.75, None, None, None, 2.0), per_flop=4e-8, per_byte=1e-7, floor=0.02)


def run(written: onnx.ModelProto, matrix):
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"features": matrix})[0]


def model_of(artefact, target=Target.LATENCY, **changes):
    model = next(one for one in artefact.models if one.record.response.target is target)
    record = replace(model.record, response=replace(model.record.response, **changes))
    return replace(model, record=record)


def a_matrix(artefact, rows=400):
    random = np.random.default_rng(3)
    matrix = random.gamma(1, 100, (rows, len(artefact.manifest.feature_names))).astype(np.float32)
    matrix[random.random(matrix.shape) < 0.2] = np.nan
    return matrix


@pytest.mark.parametrize("target", [Target.LATENCY, Target.MEMORY])
def test_the_file_predicts_what_the_bag_does_missing_values_included(lab_artefact, target):
    model, matrix = model_of(lab_artefact, target), a_matrix(lab_artefact)

    written = onnx_of(model, lab_artefact.manifest.feature_names)

    np.testing.assert_allclose(run(written, matrix), model.predict(matrix), rtol=1e-5)
    assert check_against_bag(written, model) < 1e-5


def test_an_offset_by_rates_is_that_of_the_setting_or_what_declared_rates_lead_to_expect(lab_artefact):
    model = model_of(lab_artefact, fitted=FittedOffset(settings=(SEEN, OTHER)))
    names = ("cores", "compute_units", "memory_gb", "clock_freq_ghz", "memory_bw_gbs", "last_level_cache_mb")
    columns = [NUMBERS.index(name) for name in (*names, "peak_gflops", "threads")]
    settings = [SEEN.setting, OTHER.setting, (4.0, None, 8.0, 2.5, 17.0, None, 40.0, 1.0)]
    settings += [(None,) * 8, (4.0, None, 8.0, 2.5, 17.0, None, 0.0, 1.0), (4.0, None, 8.0, 2.5, None, None, 40.0, 1.0)]
    matrix = a_matrix(lab_artefact, rows=60)
    matrix[:, columns] = np.array([settings[row % 6] for row in range(60)], dtype=np.float32)

    predicted = run(onnx_of(model, lab_artefact.manifest.feature_names), matrix)

    np.testing.assert_allclose(predicted, model.predict(matrix), rtol=1e-5)


def test_a_response_without_offset_and_one_row_and_no_row_are_predicted(lab_artefact):
    model = model_of(lab_artefact, offset_feature=None, fitted=None)
    written = onnx_of(model, lab_artefact.manifest.feature_names)

    for rows in (0, 1):
        matrix = a_matrix(lab_artefact, rows)
        np.testing.assert_allclose(run(written, matrix), model.predict(matrix), rtol=1e-5)


def test_the_file_says_what_it_takes_and_what_it_gives(lab_artefact):
    written = onnx_of(model_of(lab_artefact), lab_artefact.manifest.feature_names)

    said = {entry.key: entry.value for entry in written.metadata_props}
    assert (said["target"], said["unit"], said["ground"]) == ("latency", "ms", "evidence")
    assert tuple(json.loads(said["feature_names"])) == lab_artefact.manifest.feature_names
    assert "float32" in said["accumulation"]
    assert said["adaptations_left_out"] == "[]"


def test_the_file_of_a_calibrated_model_names_the_devices_whose_adaptation_is_not_in_it(lab_artefact):
    written = onnx_of(model_of(lab_artefact), lab_artefact.manifest.feature_names, adapted=("pocket",))

    said = {entry.key: entry.value for entry in written.metadata_props}
    assert json.loads(said["adaptations_left_out"]) == ["pocket"]


def test_a_model_of_an_earlier_release_that_knew_fewer_features_is_exported_for_todays():
    artefact = load_artefact(Path(__file__).parent / "artefacts" / "format-1")
    model = artefact.models[0]
    names = artefact.manifest.space.names

    written = onnx_of(model, names)

    assert check_against_bag(written, model) < 1e-5


def test_a_file_that_predicts_otherwise_is_refused(lab_artefact):
    names = lab_artefact.manifest.feature_names
    written = onnx_of(model_of(lab_artefact, offset_floor=1.0, fitted=None), names)

    with pytest.raises(OutputError, match="predicts otherwise than the bag, by up to"):
        check_against_bag(written, model_of(lab_artefact, fitted=None))


def test_the_same_bag_is_written_as_the_same_bytes(lab_artefact, tmp_path: Path):
    names = lab_artefact.manifest.feature_names
    for name in ("a.onnx", "b.onnx"):
        save_onnx(onnx_of(model_of(lab_artefact), names), tmp_path / "out" / name)

    assert (tmp_path / "out/a.onnx").read_bytes() == (tmp_path / "out/b.onnx").read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.onnx", "b.onnx"]
