import math

import numpy as np
import onnx
import onnxruntime
import pytest

from parsers.network import parse_network
from profiler.errors import SuiteError
from profiler.networks import NETWORKS, build_network, name_nodes, network_graph

TINY = float(np.finfo(np.float32).tiny)

PUBLISHED = {
    # name: (GMACs, million weights), from the papers and torchvision's tables; weights without BN statistics.
    "alexnet": (0.655, 60.97),  # two groups, as in the original
    "googlenet": (1.43, 6.99),
    "inception_v3": (5.71, 23.8),
    "mobilenet_v1": (0.569, 4.23),
    "mobilenet_v2": (0.300, 3.50),
    "resnet50": (4.09, 25.55),
    "densenet121": (2.83, 7.98),
    "squeezenet": (0.349, 1.235),
    "vgg19": (19.63, 143.67),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_work_and_weights_are_those_published(name: str):
    gmacs, weights = PUBLISHED[name]

    network = network_graph(name)

    assert network.macs / 1e9 == pytest.approx(gmacs, rel=0.005)
    assert network.weight_elements / 1e6 == pytest.approx(weights, rel=0.02)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_read_and_names_its_layers_apart(name: str):
    network = network_graph(name)

    assert len({item.name for item in network.layers}) == len(network.layers)
    assert {item.layer.precision for item in network.layers} == {"float32"}
    assert {item.layer.batch for item in network.layers} == {1}


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "mobilenet_v2"])
def test_weights_change_nothing_about_a_networks_layers(name: str):
    model = build_network(name)

    assert parse_network(model, name=name) == network_graph(name)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("name", ["squeezenet", "mobilenet_v1"])
def test_activations_stay_ordinary_all_the_way_through(name: str):
    model = onnx.shape_inference.infer_shapes(build_network(name))
    shown = {value.name for value in model.graph.output}
    model.graph.output.extend(
        value
        for value in model.graph.value_info
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and value.name not in shown
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).standard_normal(session.get_inputs()[0].shape, dtype=np.float32)

    tensors = session.run(None, {session.get_inputs()[0].name: image})

    assert len(session.get_inputs()) == 1
    for tensor in tensors:
        size = np.abs(tensor)
        assert np.isfinite(size).all()
        assert not ((size > 0) & (size < TINY)).any()
        assert size.max() < 1e4


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (build_network("squeezenet", seed=seed).SerializeToString() for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_convolution_weights_have_hes_variance():
    model = build_network("squeezenet")
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    largest = max(weights.values(), key=lambda array: array.size if array.ndim == 4 else 0)

    assert float(largest.std()) == pytest.approx(math.sqrt(2 / math.prod(largest.shape[1:])), rel=0.01)


def test_an_unknown_network_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match=r"^No network 'resnet18'\. Known: alexnet, densenet121, "):
        build_network("resnet18")


def test_nodes_get_names_by_which_a_profile_can_call_them():
    model = build_network("squeezenet")
    wanted = [node.name for node in model.graph.node]
    for node in model.graph.node[5:]:
        node.name = ""

    names = [node.name for node in name_nodes(model).graph.node]

    assert names[:5] == wanted[:5]
    assert len(set(names)) == len(names)
    assert [item.nodes for item in parse_network(model, name="net").layers][-1] == (names[-1],)
