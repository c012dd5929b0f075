from __future__ import annotations

import hashlib
import json
import shutil
from typing import Any

import pytest

from metamodel.artefact import load_artefact, save_artefact
from metamodel.calibrate import calibrate_by_rows
from metamodel.errors import ModelError
from parsers.stats import rows_to_frame


@pytest.fixture(scope="module")
def adapted_model(lab_artefact, lab_rows, tmp_path_factory):
    """The lab's model, calibrated to rows of one of its phones, with an interval to read."""
    rows = rows_to_frame(lab_rows)
    rows = rows[(rows["device"] == "slow-phone") & (rows["scope"] == "isolated")]
    calibration = calibrate_by_rows(lab_artefact, "0" * 64, rows, device="slow-phone", count=3, seed=0)
    folder = tmp_path_factory.mktemp("adapted") / "model"
    save_artefact(calibration.artefact, folder)
    return folder


@pytest.fixture
def edited(adapted_model, tmp_path):
    """Writes a value into the manifest, and makes the digest match."""

    def edited(path: str, value: Any):
        folder = tmp_path / "model"
        shutil.copytree(adapted_model, folder)
        file = folder / "manifest.json"
        document = json.loads(file.read_text())
        place = document
        *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in parents:
            place = place[step]
        place[last] = value
        del document["sha256"]
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        file.write_text(json.dumps({**document, "sha256": digest}))
        return folder

    return edited


def test_what_a_fit_and_a_calibration_write_is_read(adapted_model):
    assert len(load_artefact(adapted_model).manifest.adaptations) == 2


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("manifest.responses", [], "responses is empty"),
        ("manifest.responses.0.members", 0, "responses[0].members is 0"),
        ("manifest.responses.0.members", -3, "responses[0].members is -3"),
        ("manifest.responses.0.members", 10**9, "responses[0].members is 1000000000"),
        ("manifest.responses.0.ground", [], "manifest.responses[0].ground must be one of evidence, formula, not []"),
        ("manifest.responses.0.response.offset_scale", -1, "has an offset that is not positive"),
        ("manifest.responses.0.response.fitted.settings", [], "response.fitted.settings is empty"),
        ("manifest.responses.0.response.fitted.settings.0.setting", [], "response.fitted.settings is empty, or not of"),
        ("manifest.responses.0.response.fitted.settings.0.per_flop", 0, "holds a rate that is not positive"),
        ("manifest.responses.0.interval.quantile", -0.5, "interval holds a negative quantile"),
        ("manifest.responses.0.interval.alpha", 1, "interval.alpha is no share"),
        ("manifest.feature_names", ["flops"], "was not fitted to the 1 features that the manifest names"),
        ("manifest.feature_names", ["flops", "flops"], "feature_names holds a name twice"),
        ("manifest.outside.margin", 0, "outside.margin is 0.0"),
        ("manifest.corrections.0.per_time", -1, "corrections[0] holds a negative coefficient"),
        ("manifest.memory_base_mb", -1, "memory_base_mb, or a setting's, is negative"),
        ("manifest.adaptations.0.layers.0.measured", 0, "layers holds a measurement that is not positive"),
        ("manifest.adaptations.0.adaptation.residuals", [0.5], "residuals are not as many as the support's layers"),
        ("manifest.adaptations.0.adaptation.support.0", [0.5], "support, means or scales have not"),
        ("manifest.adaptations.0.adaptation.length", 0, "drift, length, factor, noise or a scale is not positive"),
        ("manifest.adaptations.0.adaptation.factor", 1e30, "drift, length, factor or noise is above 1e+06"),
        ("manifest.adaptations.0.adaptation.layer_map.features.0", "frob", "names a feature that is not computed"),
        ("manifest.adaptations.0.adaptation.residuals.0", float("nan"), "is no JSON (Out of range float values"),
        ("manifest.memory_base_mb", float("inf"), "is no JSON (Out of range float values"),
        ("manifest.settings.0.device", "\ud800", "is no JSON ('utf-8' codec can't encode"),
        ("files", ["latency-evidence-00.ubj"], "does not list its files"),
    ],
)
def test_what_no_fit_writes_is_refused_in_one_line_though_the_digest_matches(edited, path, value, says):
    with pytest.raises(ModelError) as caught:
        load_artefact(edited(path, value))

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_nested_without_end_is_refused_in_one_line(adapted_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(adapted_model, folder)
    (folder / "manifest.json").write_text("[" * 100_000)

    with pytest.raises(ModelError, match="is no JSON"):
        load_artefact(folder)
