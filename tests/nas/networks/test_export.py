from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from nas.errors import ExportError
from nas.networks.export import check_against_torch, export_onnx, save_weights, to_onnx
from nas.networks.network import Network
from nas.space import Space
from nas.spaces.inverted_residual import InvertedResidual

SKIP = InvertedResidual(kernel_size=5, expansion=2, channels=4, idskip=True)
STRIDING = InvertedResidual(kernel_size=3, expansion=1, channels=8, idskip=False)
ARCHITECTURE = (SKIP, SKIP, STRIDING, None)


@pytest.fixture(scope="module")
def network(small_space: Space) -> Network:
    """Weights and statistics as training leaves them: none nil."""
    torch.manual_seed(3)
    network = Network(small_space, ARCHITECTURE)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.randn(16, 1, 12, 12) + 0.3)
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return network.eval()


@pytest.fixture(scope="module")
def exported(network: Network, small_space: Space, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("export") / "best.onnx"
    export_onnx(network, small_space.image, path)
    return onnx.load(path)


def test_the_exported_network_scores_an_image_as_torch_does(exported: onnx.ModelProto, network: Network):
    image = np.random.default_rng(0).normal(size=(1, 1, 12, 12)).astype(np.float32)
    session = onnxruntime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])

    (scores,) = session.run(["scores"], {"image": image})

    with torch.no_grad():
        expected = network(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_the_file_loads_in_every_runtime_from_1_17_on_and_says_nothing_of_the_machine(exported: onnx.ModelProto):
    assert (exported.ir_version, [(one.domain, one.version) for one in exported.opset_import]) == (8, [("", 17)])
    assert {node.op_type for node in exported.graph.node} == {
        "Add", "Clip", "Conv", "Gemm", "GlobalAveragePool", "Reshape",
    }  # fmt: skip
    assert str(Path(torch.__file__).parent) not in str(exported)


def test_shapes_are_fixed_at_one_image(exported: onnx.ModelProto):
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*exported.graph.input, *exported.graph.output)
    }

    assert shapes == {"image": [1, 1, 12, 12], "scores": [1, 3]}


def test_a_file_that_computes_something_else_is_refused(
    exported: onnx.ModelProto, network: Network, small_space: Space
):
    changed = copy.deepcopy(network)
    with torch.no_grad():
        changed.get_parameter("layers.classifier.bias")[0] += 0.01

    with pytest.raises(ExportError, match="scores differ from torch's by"):
        check_against_torch(exported, changed, small_space.image)


def test_folding_normalisation_leaves_the_network_itself_as_it_was(network: Network, small_space: Space):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    to_onnx(network, small_space.image)

    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_saved_weights_make_the_same_network_again(network: Network, small_space: Space, tmp_path: Path):
    path = tmp_path / "best.safetensors"
    save_weights(network, path)
    again = Network(small_space, ARCHITECTURE)

    again.load_state_dict(load_file(path))

    images = torch.randn(4, 1, 12, 12)
    with torch.no_grad():
        assert torch.equal(again.eval()(images), network(images))
