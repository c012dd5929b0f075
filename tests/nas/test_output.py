from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from nas.errors import ExportError, OutputError
from nas.network import Network
from nas.output import check_output, write_search
from nas.run import Outcome
from nas.space import architecture_from_json, architecture_to_json

MODEL = Path("models/bench")
FILES = {
    "architecture.json",
    "best.onnx",
    "best.safetensors",
    "front.csv",
    "front.png",
    "history.parquet",
    "learning_curve.png",
    "run.toml",
}


@pytest.fixture(scope="module")
def written(tiny_outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny search."""
    folder = tmp_path_factory.mktemp("searches") / "tiny"
    write_search(tiny_outcome, folder, MODEL)
    return folder


def test_a_search_folder_holds_all_its_files_and_nothing_is_left_beside_it(written: Path):
    assert {path.name for path in written.iterdir()} == FILES
    assert all(path.stat().st_size > 0 for path in written.iterdir())
    assert [path.name for path in written.parent.iterdir()] == ["tiny"]


def test_the_onnx_file_of_a_search_scores_images_as_its_weights_do(written: Path, tiny_outcome: Outcome, easy_data):
    network = Network(tiny_outcome.space, tiny_outcome.winner.architecture).eval()
    network.load_state_dict(load_file(written / "best.safetensors"))
    session = onnxruntime.InferenceSession(written / "best.onnx", providers=["CPUExecutionProvider"])

    scores = np.concatenate(
        [session.run(["scores"], {"image": image[None].numpy()})[0] for image in easy_data.test.images]
    )

    with torch.no_grad():
        expected = network(easy_data.test.images).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-4, rtol=1e-4)
    assert np.mean(scores.argmax(1) == easy_data.test.labels.numpy()) == pytest.approx(
        tiny_outcome.winner.test_accuracy
    )


def test_the_winner_is_described_in_words_and_numbers(written: Path, tiny_outcome: Outcome):
    described = json.loads((written / "architecture.json").read_text(encoding="utf-8"))
    winner = tiny_outcome.winner

    assert architecture_from_json(json.dumps(described.pop("blocks")), tiny_outcome.space) == winner.architecture
    assert described == {
        "schema": 1,
        "space": "small",
        "image": [1, 12, 12],
        "classes": 3,
        "predicted_latency_ms": winner.record.cost,
        "shared_accuracy": winner.record.accuracy,
        "validation_accuracy": winner.validation_accuracy,
        "test_accuracy": winner.test_accuracy,
        "test_images": 96,
        "macs": winner.macs,
        "weight_elements": winner.weight_elements,
    }


def test_what_decided_the_search_is_written_as_toml(written: Path):
    read = tomllib.loads((written / "run.toml").read_text(encoding="utf-8"))

    assert set(read.pop("versions")) == {"autocomet", "torch", "numpy", "onnxruntime"}
    assert read == {
        "schema": 1,
        "device": "low",
        "space": "small",
        "data": "stripes",
        "controller": "comet",
        "potential": "exact",
        "budget": 8,
        "seed": 0,
        "threads": 1,
        "shared_epochs": 6,
        "tuning_epochs": 2,
        "finalists": 5,
        "alone_epochs": 12,
        "model": "models/bench",
        "limits": {"latency": 15.0},
    }


@pytest.mark.usefixtures("fake_export")
def test_an_older_search_is_replaced_as_a_whole(written: Path, tiny_outcome: Outcome):
    (written / "left-over.txt").write_text("old")

    write_search(dataclasses.replace(tiny_outcome, records=tiny_outcome.records[:3]), written, MODEL)

    assert {path.name for path in written.iterdir()} == FILES
    assert pq.read_table(written / "history.parquet").num_rows == 3
    assert [path.name for path in written.parent.iterdir()] == ["tiny"]


@pytest.fixture
def fake_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no real ONNX: what is tested here is the folder."""
    monkeypatch.setattr("nas.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))


def failing_plot(*_: object) -> None:
    raise ExportError("scores differ")


@pytest.mark.usefixtures("fake_export")
def test_a_failure_halfway_leaves_no_folder_behind(tiny_outcome: Outcome, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("nas.output.plot_learning_curve", failing_plot)

    with pytest.raises(ExportError, match="scores differ"):
        write_search(tiny_outcome, tmp_path / "tiny", MODEL)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("fake_export")
def test_a_failure_halfway_leaves_the_older_search_as_it_was(tiny_outcome: Outcome, tmp_path: Path, monkeypatch):
    folder = tmp_path / "tiny"
    write_search(tiny_outcome, folder, MODEL)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("nas.output.plot_learning_curve", failing_plot)

    with pytest.raises(ExportError, match="scores differ"):
        write_search(dataclasses.replace(tiny_outcome, records=tiny_outcome.records[:1]), folder, MODEL)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_full_disk_is_one_line_that_names_the_folder(tiny_outcome: Outcome, tmp_path: Path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.output.export_onnx", full)

    with pytest.raises(OutputError, match=r"Cannot write .*tiny: No space left on device\. Name another folder"):
        write_search(tiny_outcome, tmp_path / "tiny", MODEL)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(OutputError, match="is there already and is no search folder"):
        check_output(tmp_path)


def test_a_file_in_the_folders_place_is_left_alone(tmp_path: Path):
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(OutputError, match="is there already and is no search folder"):
        check_output(tmp_path / "taken")


def test_a_parent_that_is_no_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(OutputError, match=r"Cannot write in .*file: .*Name another folder with -o\."):
        check_output(tmp_path / "file" / "search")


def test_an_empty_folder_and_a_missing_parent_are_fine(tmp_path: Path):
    (tmp_path / "empty").mkdir()

    check_output(tmp_path / "empty")
    check_output(tmp_path / "missing" / "search")

    assert list((tmp_path / "empty").iterdir()) == []


def test_an_architecture_in_the_history_is_the_one_in_the_record(written: Path, tiny_outcome: Outcome):
    text = pq.read_table(written / "history.parquet").column("architecture")[0].as_py()

    assert text == architecture_to_json(
        tuple(
            slot.choices[index]
            for slot, index in zip(tiny_outcome.space.slots, tiny_outcome.records[0].choices, strict=True)
        )
    )
