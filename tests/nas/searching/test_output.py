from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from nas.errors import OutputError
from nas.networks.network import Network
from nas.searching.output import write_search
from nas.searching.run import Outcome
from nas.space import architecture_from_json, architecture_to_json, choice_label

MODEL = Path("models/bench")
FILES = {
    "architecture.json",
    "best.onnx",
    "best.safetensors",
    "front.csv",
    "front.png",
    "history.parquet",
    "learning_curve.png",
    "report.html",
}


@pytest.fixture(scope="module")
def written(tiny_outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny search."""
    folder = tmp_path_factory.mktemp("searches") / "tiny"
    folder.mkdir()
    write_search(tiny_outcome, folder, model=MODEL)
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


def test_the_winner_and_the_finalists_are_described_in_words_and_numbers(written: Path, tiny_outcome: Outcome):
    described = json.loads((written / "architecture.json").read_text(encoding="utf-8"))
    winner, records = tiny_outcome.winner, tiny_outcome.records
    finalists = described.pop("finalists")

    assert architecture_from_json(json.dumps(described.pop("blocks")), tiny_outcome.space) == winner.architecture
    assert [records[one["query"] - 1] for one in finalists] == [one.record for one in tiny_outcome.finalists]
    assert [one["validation_accuracy"] for one in finalists] == [
        one.validation_accuracy for one in tiny_outcome.finalists
    ]
    assert described == {
        "schema": 1,
        "space": "small",
        "image": [1, 12, 12],
        "classes": 3,
        "task": "classification",
        "latency_limit_ms": 15.0,
        "manual_latency_ms": tiny_outcome.signals[0].manual,
        "primary": "accuracy",
        "limits": {"latency_ms": 15.0},
        "manual": {"latency_ms": tiny_outcome.signals[0].manual},
        "queries": len(records),
        "query": records.index(winner.record) + 1,
        "labels": [choice_label(choice) for choice in winner.architecture],
        "predicted_latency_ms": winner.record.cost,
        "predicted": {"latency_ms": winner.record.cost},
        "query_accuracy": winner.record.accuracy,
        "validation_accuracy": winner.validation_accuracy,
        "test_accuracy": winner.test_accuracy,
        "test_images": 96,
        "macs": winner.macs,
        "weight_elements": winner.weight_elements,
        "curve": [[point.epochs, point.accuracy] for point in winner.curve],
        "ranks": None,
    }


def test_a_full_disk_is_one_line_that_names_the_folder_and_says_that_nothing_is_lost(
    tiny_outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.searching.output.export_onnx", full)

    with pytest.raises(
        OutputError, match=r"Cannot write .*: No space left on device\. What is done is kept: make room, then go on"
    ):
        write_search(tiny_outcome, tmp_path, model=MODEL)


def test_an_architecture_in_the_history_is_the_one_in_the_record(written: Path, tiny_outcome: Outcome):
    text = pq.read_table(written / "history.parquet").column("architecture")[0].as_py()

    assert text == architecture_to_json(
        tuple(
            slot.choices[index]
            for slot, index in zip(tiny_outcome.space.slots, tiny_outcome.records[0].choices, strict=True)
        )
    )
