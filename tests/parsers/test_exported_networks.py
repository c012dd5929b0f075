"""Networks as torch writes them, by its newer exporter (dynamo) and its older one (TorchScript)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from parsers.errors import NetworkError
from parsers.graphs.files import load_model
from parsers.network import Network, read_network, require_shapes
from parsers.schema import Layer
from tests.parsers.exported import Decoder, MobileNet, Transformer, export
from tests.parsers.sketch import kinds

PICTURE = torch.zeros(1, 3, 32, 32)
WORDS = torch.zeros(2, 16, dtype=torch.int64)


def layers(network: Network) -> list[Layer]:
    return [item.layer for item in network.layers]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one network as both exporters write it: ``newer.onnx`` and ``older.onnx``."""
    made = tmp_path_factory.mktemp("exported")
    export(MobileNet(), PICTURE, made / "newer.onnx", dynamo=True, external_data=True)
    export(MobileNet(), PICTURE, made / "older.onnx", dynamo=False)
    return made


def test_both_exporters_write_the_same_layers(folder: Path):
    newer, older = (read_network(folder / name) for name in ("newer.onnx", "older.onnx"))

    assert layers(newer) == layers(older)
    assert newer.peak_live_elements == older.peak_live_elements
    assert newer.unknown == older.unknown == ()


def test_a_decoders_transposed_convolution_is_the_same_in_both(tmp_path: Path):
    newer, older = (
        read_network(export(Decoder(), PICTURE, tmp_path / f"{dynamo}.onnx", dynamo=dynamo)) for dynamo in (True, False)
    )

    assert layers(newer) == layers(older)
    assert kinds(newer) == [("Conv", "Relu6"), ("ConvTranspose", "Relu"), ("Concat",), ("Conv",)]


def test_squeeze_and_excitation_and_hard_swish_are_the_same_in_both_and_in_an_old_operator_set(tmp_path: Path):
    exporters = {"newer": {"dynamo": True}, "older": {"dynamo": False}, "old": {"dynamo": False, "opset_version": 11}}
    found = {
        name: read_network(
            export(MobileNet(activation=nn.Hardswish, squeezes=True), PICTURE, tmp_path / f"{name}.onnx", **options)
        )
        for name, options in exporters.items()
    }

    assert layers(found["newer"]) == layers(found["older"]) == layers(found["old"])
    assert kinds(found["old"])[:7] == [
        ("Conv", "HardSwish"),
        ("DepthwiseConv", "HardSwish"),
        ("GlobalAveragePool",),
        ("Conv", "Relu"),
        ("Conv", "HardSigmoid"),
        ("Mul",),
        ("Conv", "Add"),
    ]


def test_an_export_has_the_layers_that_the_module_has(folder: Path):
    network = read_network(folder / "newer.onnx")

    block = [("Conv", "Relu6"), ("DepthwiseConv", "Relu6"), ("Conv",)]
    adding = [*block[:2], ("Conv", "Add")]
    head = [("Conv", "Relu6"), ("GlobalAveragePool",), ("Reshape",), ("Gemm",)]
    assert kinds(network) == [("Conv", "Relu6"), *adding[1:], *block, *adding, *block, *head]
    module = MobileNet()
    weights = sum(parameter.numel() for parameter in module.parameters())
    normalised = sum(part.num_features for part in module.modules() if isinstance(part, nn.BatchNorm2d))
    assert network.weight_elements == weights - normalised  # of a normalisation's two weights one bias remains


@pytest.mark.parametrize(("dynamo", "opset"), [(True, 20), (True, 18), (False, 14)])
def test_a_transformers_products_are_counted_whatever_wrote_it(dynamo: bool, opset: int, tmp_path: Path):
    path = export(Transformer(), WORDS, tmp_path / "net.onnx", dynamo=dynamo, opset_version=opset)

    network = require_shapes(read_network(path))

    batch, length, width, heads = 2, 16, Transformer.WIDTH, Transformer.HEADS
    projections = 4 * batch * length * width * width
    attention = 2 * batch * heads * length * length * (width // heads)
    thinking = 2 * batch * length * width * 128
    scores = batch * length * width * Transformer.WORDS
    assert network.macs == projections + attention + thinking + scores
    types = [item.layer.type for item in network.layers]
    assert {kind: types.count(kind) for kind in ("MatMul", "Softmax", "LayerNormalization", "Gelu", "Gather")} == {
        "MatMul": 9,
        "Softmax": 1,
        "LayerNormalization": 2,
        "Gelu": 1,
        "Gather": 1,
    }
    assert {item.layer.precision for item in network.layers} == {"float32"}


def test_weights_beside_the_model_are_not_needed_to_read_its_layers(folder: Path, tmp_path: Path):
    path = Path(shutil.copy(folder / "newer.onnx", tmp_path))

    assert read_network(path).layers == read_network(folder / "newer.onnx").layers
    with pytest.raises(NetworkError, match=r"newer\.onnx: cannot read the weight"):
        load_model(path)


@pytest.mark.parametrize("dynamo", [True, False])
def test_a_batch_of_any_size_is_refused_with_a_command_that_fixes_it(dynamo: bool, folder: Path, tmp_path: Path):
    options: dict[str, object] = {"dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]}
    if dynamo:
        options = {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "input_names": ["x"]}
    path = export(MobileNet(), torch.zeros(2, 3, 32, 32), tmp_path / "net.onnx", dynamo=dynamo, **options)

    with pytest.raises(NetworkError, match=r"input 'x' has the dynamic shape batchx3x32x32\.") as refused:
        read_network(path)
    (command,) = re.findall("`python (.*) IN.onnx OUT.onnx`", str(refused.value))
    fixed = tmp_path / "fixed.onnx"
    subprocess.run([sys.executable, *command.split(), path, fixed], check=True, capture_output=True)

    assert layers(read_network(fixed)) == layers(read_network(folder / "newer.onnx"))
