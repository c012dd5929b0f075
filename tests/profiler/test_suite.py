import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from parsers.errors import NetworkError
from parsers.network import parse_network
from parsers.roofline import flops
from parsers.schema import Layer, layer_to_json
from profiler.errors import SuiteError
from profiler.networks import build_network, network_graph
from profiler.suite import SUITES, load_suite, suite_from_layers, suite_from_models

RELU = Layer(
    type="Relu",
    in_channels=4,
    channels=4,
    input_volume=4,
    output_volume=4,
    input_shapes=((1, 4),),
    output_shape=(1, 4),
)


def write_layers(path: Path, layers: list[Layer]) -> Path:
    document = {"schema": 1, "layers": [layer_to_json(layer) for layer in layers]}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_model(path: Path, ops: list[str], shape: tuple[int, ...] = (1, 4)) -> Path:
    """A chain of operators, unnamed; one that starts with ``My`` is nobody's."""
    nodes = [
        onnx.helper.make_node(op, [f"t{index}"], [f"t{index + 1}"], domain="mine" if op.startswith("My") else "")
        for index, op in enumerate(ops)
    ]
    values = [
        onnx.helper.make_tensor_value_info(f"t{index}", TensorProto.FLOAT, shape) for index in range(len(ops) + 1)
    ]
    graph = onnx.helper.make_graph(nodes, path.stem, [values[0]], [values[-1]], value_info=values[1:-1])
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("mine", 1)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_has_each_layer_once_and_knows_its_networks(name: str):
    suite = load_suite(name)

    assert len({part.layer.key for part in suite.layers}) == len(suite.layers)
    assert all(part.networks and part.footprint_mb for part in suite.layers)


def test_the_paper_suite_is_all_layers_of_the_papers_networks():
    names = (
        "alexnet",
        "faster_rcnn_backbone",
        "faster_rcnn_head",
        "googlenet",
        "mobilenet_v1",
        "mobilenet_v2",
        "squeezenet",
        "vgg19",
    )
    networks = {name: network_graph(name) for name in names}

    suite = load_suite("paper")

    keys = {item.layer.key for network in networks.values() for item in network.layers}
    assert {part.layer.key for part in suite.layers} == keys
    assert sum(part.count for part in suite.layers) == sum(len(network.layers) for network in networks.values())
    assert suite.networks == ()


def test_the_networks_suite_measures_six_networks_as_a_whole():
    suite = load_suite("networks")

    names = [part.name for part in suite.networks]
    assert names == ["densenet121", "googlenet", "resnet50", "shufflenet", "squeezenet", "vgg19"]
    assert {name for part in suite.layers for name in part.networks} == set(names)


def test_the_demo_suite_is_small_and_has_something_of_each_family():
    suite = load_suite("demo")

    kinds = {(part.layer.type, *part.layer.fused_ops) for part in suite.layers}
    assert {
        ("Conv", "Relu"),
        ("Conv", "Add"),
        ("DepthwiseConv", "Relu6"),
        ("Gemm",),
        ("MaxPool",),
        ("Concat",),
    } <= kinds
    assert 20 <= len(suite.layers) <= 28
    assert max(flops(part.layer) for part in suite.layers) < 200e6
    assert [part.name for part in suite.networks] == ["squeezenet"]


def test_a_footprint_is_that_of_the_smallest_network_with_the_layer():
    suite = load_suite("paper")
    networks = {name: network_graph(name) for name in ("googlenet", "squeezenet", "vgg19")}
    megabytes = {
        name: 4 * (network.peak_live_elements + network.weight_elements) / 2**20 for name, network in networks.items()
    }

    for part in suite.layers:
        if set(part.networks) <= set(megabytes):
            assert part.footprint_mb == pytest.approx(min(megabytes[name] for name in part.networks))


def test_a_suites_network_builds_the_model_whose_nodes_it_lists():
    (part,) = load_suite("demo").networks

    assert parse_network(part.model(), name=part.name) == part.network


def test_layers_come_back_from_their_file_each_once(tmp_path: Path):
    layers = [part.layer for part in load_suite("demo").layers]

    suite = suite_from_layers(write_layers(tmp_path / "space.json", [*layers, *layers[:3]]))

    assert (suite.name, suite.networks) == ("space", ())
    assert [part.layer for part in suite.layers] == layers
    assert {part.footprint_mb for part in suite.layers} == {None}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "Cannot read the layers file .*No such file"),
        ("{", "is no layers file: .*but it is no JSON"),
        ("[]", r"is no layers file: expected \{"),
        ('{"schema": 2, "layers": []}', "but its schema is 2"),
        ('{"schema": 1, "layers": []}', "holds no layers"),
        ('{"schema": 1, "layers": [{"type": "Relu"}]}', "holds a layer that cannot be read"),
        ('{"schema": 1, "layers": ["Relu"]}', "holds a layer that cannot be read"),
    ],
)
def test_a_file_without_layers_is_said_in_one_line(tmp_path: Path, content: str | None, complaint: str):
    path = tmp_path / "layers.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    with pytest.raises(SuiteError, match=complaint) as caught:
        suite_from_layers(path)
    assert "\n" not in str(caught.value)


def test_a_layer_file_with_a_layer_that_cannot_be_built_is_refused(tmp_path: Path):
    path = write_layers(tmp_path / "layers.json", [RELU, replace(RELU, type="MyRelu")])

    with pytest.raises(SuiteError, match=r"\(MyRelu\) as a model"):
        suite_from_layers(path)


def test_a_model_of_ones_own_is_measured_by_layer_and_as_a_whole(tmp_path: Path):
    path = write_model(tmp_path / "mine.onnx", ["Relu", "Sigmoid", "Relu"])

    suite = suite_from_models([path])

    (network,) = suite.networks
    assert [(part.layer.type, part.count) for part in suite.layers] == [("Relu", 2), ("Sigmoid", 1)]
    assert [node.name for node in network.model().graph.node] == ["Relu_0", "Sigmoid_1", "Relu_2"]
    assert [item.nodes for item in network.network.layers] == [("Relu_0",), ("Sigmoid_1",), ("Relu_2",)]
    assert suite.left_out == ()


def test_a_model_in_which_a_shape_is_not_known_is_refused(tmp_path: Path):
    path = write_model(tmp_path / "mine.onnx", ["Relu", "NonZero", "Cast"])
    model = onnx.load(path)
    model.graph.ClearField("value_info")
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("t3", TensorProto.FLOAT, (2, "n")))
    model.graph.node[2].attribute.append(onnx.helper.make_attribute("to", TensorProto.FLOAT))
    onnx.save(model, path)

    with pytest.raises(NetworkError, match=r"the shape of tensor 't2' \(made by NonZero 'NonZero_1'\) is not known"):
        suite_from_models([path])


def test_an_operator_of_ones_own_is_left_out_of_the_layers_with_the_reason(tmp_path: Path):
    suite = suite_from_models([write_model(tmp_path / "mine.onnx", ["MyOp", "Relu"])])

    assert [part.layer.type for part in suite.layers] == ["Relu"]
    assert [item.layer.type for item in suite.networks[0].network.layers] == ["MyOp", "Relu"]
    (reason,) = suite.left_out
    assert "MyOp is no operator of ONNX opset 17" in reason


def test_two_models_of_one_name_or_none_are_refused(tmp_path: Path):
    (tmp_path / "other").mkdir()
    paths = [write_model(folder / "net.onnx", ["Relu"]) for folder in (tmp_path, tmp_path / "other")]

    with pytest.raises(SuiteError, match="Two ONNX files have the same name"):
        suite_from_models(paths)
    with pytest.raises(SuiteError, match="nothing to measure"):
        suite_from_models([])


def test_a_model_that_is_no_onnx_is_refused(tmp_path: Path):
    (tmp_path / "net.onnx").write_text("no", encoding="utf-8")

    with pytest.raises(NetworkError, match=r"net\.onnx is no ONNX file"):
        suite_from_models([tmp_path / "net.onnx"])


def test_an_unknown_suite_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match=r"^No suite 'all'\. Known: demo, paper, networks;"):
        load_suite("all")


def test_a_suites_network_is_the_one_that_can_be_asked_for_by_name():
    (part,) = load_suite("demo").networks

    assert part.model().SerializeToString() == build_network("squeezenet").SerializeToString()
