"""ONNX files, and weights in files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from parsers.errors import NetworkError
from parsers.graphs.files import load_model, load_structure
from parsers.network import read_network
from tests.parsers.sketch import Sketch


def model_with_weights_beside_it(folder: Path) -> Path:
    sketch = Sketch((1, 4, 6, 6))
    sketch.constant(np.arange(8 * 4 * 9, dtype=np.float32).reshape(8, 4, 3, 3))
    path = folder / "net.onnx"
    model = sketch.model(sketch.node("Conv", "x", "w0"))
    onnx.save(model, path, save_as_external_data=True, location="net.weights", size_threshold=0)
    return path


def point_to(path: Path, location: str) -> None:
    model = onnx.load(path, load_external_data=False)
    (entry,) = [entry for entry in model.graph.initializer[0].external_data if entry.key == "location"]
    entry.value = location
    path.write_bytes(model.SerializeToString())


def test_weights_are_read_from_their_file(tmp_path: Path):
    path = model_with_weights_beside_it(tmp_path)

    (weight,) = load_model(path).graph.initializer

    assert onnx.numpy_helper.to_array(weight).ravel()[-1] == 8 * 4 * 9 - 1
    assert not weight.external_data
    assert read_network(path).weight_elements == 8 * 4 * 9


def test_layers_are_read_without_opening_the_weights(tmp_path: Path):
    path = model_with_weights_beside_it(tmp_path)
    (tmp_path / "net.weights").unlink()

    assert read_network(path).weight_elements == 8 * 4 * 9
    with pytest.raises(NetworkError, match=r"net\.onnx: cannot read the weight 'w0'"):
        load_model(path)


@pytest.mark.parametrize(
    "location", ["../net.weights", "folder/../../net.weights", "/etc/passwd", "C:\\weights", "\\\\host\\share", "..\\w"]
)
def test_weights_outside_the_models_folder_are_refused_before_anything_is_opened(location: str, tmp_path: Path):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = model_with_weights_beside_it(inside)
    (inside / "net.weights").rename(tmp_path / "net.weights")
    point_to(path, location)

    for read in (load_structure, load_model, read_network):
        with pytest.raises(NetworkError, match="outside the model's folder") as refused:
            read(path)
        assert "\n" not in str(refused.value)


def test_a_link_out_of_the_models_folder_is_refused(tmp_path: Path):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = model_with_weights_beside_it(inside)
    (inside / "net.weights").rename(tmp_path / "net.weights")
    (inside / "net.weights").symlink_to(tmp_path / "net.weights")

    with pytest.raises(NetworkError, match="cannot read the weight 'w0'"):
        load_model(path)


def test_a_weight_beyond_the_end_of_its_file_is_refused(tmp_path: Path):
    path = model_with_weights_beside_it(tmp_path)
    (tmp_path / "net.weights").write_bytes(b"short")

    with pytest.raises(NetworkError, match="cannot read the weight 'w0'"):
        load_model(path)
