import math

import numpy as np
import onnx
import onnxruntime
import pytest

from parsers.network import parse_network
from profiler.errors import SuiteError
from profiler.networks import NETWORKS, build_network, light_network, name_nodes, network_graph

TINY = float(np.finfo(np.float32).tiny)

PUBLISHED = {
    # name: (GMACs, million weights). Runtimes fold a normalisation into the weights in front of it, so of its two weights per
    # channel one remains: that and rounding are the differences.
    "googlenet": (1.43, 7.0),  # Sze et al., Proceedings of the IEEE 2017, Table II
    "inception_v3": (5.71, 23.8),  # torchvision, without the auxiliary head
    "mobilenet_v1": (0.569, 4.24),  # Howard et al., 2017, Table 4
    "mobilenet_v2": (0.3008, 3.505),  # torchvision: 0.301 GFLOPS, 3504872 parameters
    "resnet50": (4.089, 25.557),  # torchvision: 4.089 GFLOPS, 25557032 parameters
    "squeezenet": (0.349, 1.2355),  # version 1.1; torchvision: 0.349 GFLOPS, 1235496 parameters
    "vgg19": (19.632, 143.667),  # torchvision: 19.632 GFLOPS, 143667240 parameters
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_work_and_weights_are_those_published(name: str):
    gmacs, weights = PUBLISHED[name]

    network = network_graph(name)

    assert network.macs / 1e9 == pytest.approx(gmacs, rel=0.01)
    assert network.weight_elements / 1e6 == pytest.approx(weights, rel=0.01)


def test_densenet_keeps_the_normalisations_that_no_convolution_precedes():
    """torchvision: 2.83 GFLOPS, 7978856 parameters; two per channel of a normalisation where the file has six."""
    network = network_graph("densenet121")

    alone = [item.layer for item in network.layers if item.layer.type == "BatchNormalization"]
    assert network.macs / 1e9 == pytest.approx(2.83, rel=0.01)
    assert (network.weight_elements - sum(4 * layer.channels for layer in alone)) / 1e6 == pytest.approx(7.98, rel=0.01)


def test_alexnets_work_is_that_published_for_pictures_of_its_size():
    """Sze et al. (Proceedings of the IEEE 2017, Table II): 724 M MACs and 61 M weights, at 227×227 and in two groups."""
    model = light_network("alexnet")
    for side in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_value = 227
    model.graph.ClearField("value_info")

    published, bundled = parse_network(model, name="alexnet"), network_graph("alexnet")

    assert published.macs / 1e6 == pytest.approx(724, rel=0.01)
    assert published.weight_elements / 1e6 == pytest.approx(61, rel=0.01)
    # onnx bundles it for 224×224, where the first convolution makes 54×54 of 55×55.
    assert bundled.macs < published.macs
    assert bundled.weight_elements == published.weight_elements


def test_an_rcnn_is_its_backbone_for_a_picture_and_its_head_for_many_regions():
    backbone, head = network_graph("faster_rcnn_backbone"), network_graph("faster_rcnn_head")

    # Five convolutions of ZF's widths and three of the proposal network, over the sizes that Caffe's pooling rounds up to.
    sizes = [(300 * 400, 96, 3 * 49), (76 * 101, 256, 96 * 25), (39 * 51, 384, 256 * 9), (39 * 51, 384, 384 * 9)]
    sizes += [(39 * 51, 256, 384 * 9), (39 * 51, 256, 256 * 9), (39 * 51, 18 + 36, 256)]
    assert backbone.macs == sum(area * channels * window for area, channels, window in sizes)
    assert head.macs == 300 * (256 * 36 * 4096 + 4096 * 4096 + 4096 * (21 + 84))
    assert {item.layer.input_shapes[0][0] for item in head.layers} == {300}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_read_and_names_its_layers_apart(name: str):
    network = network_graph(name)

    assert len({item.name for item in network.layers}) == len(network.layers)
    assert {item.layer.precision for item in network.layers} == {"float32"}
    assert {item.layer.batch for item in network.layers} == {300 if name == "faster_rcnn_head" else 1}


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
