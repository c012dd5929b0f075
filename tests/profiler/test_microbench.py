from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from parsers.network import parse_network
from parsers.operators import EDGE_PREFIX
from parsers.roofline import flops
from parsers.schema import Layer
from profiler.errors import SuiteError
from profiler.microbench import layer_model, light_layer_model
from profiler.networks import NETWORKS, network_graph


@pytest.fixture(scope="module")
def layers() -> tuple[Layer, ...]:
    """Every different layer of every network that ships."""
    found = {item.layer.key: item.layer for name in NETWORKS for item in network_graph(name).layers}
    return tuple(found.values())


def smallest_of_each_kind(layers: tuple[Layer, ...]) -> list[Layer]:
    kinds: dict[tuple[str, ...], Layer] = {}
    for layer in sorted(layers, key=lambda item: (flops(item), item.input_volume)):
        kinds.setdefault((layer.type, *layer.fused_ops), layer)
    return list(kinds.values())


def read_back(model: onnx.ModelProto) -> list[Layer]:
    parsed = parse_network(model, name="layer").layers
    return [item.layer for item in parsed if not item.name.startswith(EDGE_PREFIX)]


def layer_of(name: str, *, layer_type: str, fused: tuple[str, ...] = ()) -> Layer:
    return next(
        item.layer
        for item in network_graph(name).layers
        if item.layer.type == layer_type and item.layer.fused_ops == fused
    )


def test_every_layer_of_every_network_is_read_back_as_itself(layers: tuple[Layer, ...]):
    assert len(layers) > 500
    assert [layer.type for layer in layers if read_back(light_layer_model(layer)) != [layer]] == []


def test_one_layer_of_each_kind_runs_and_gives_its_output(layers: tuple[Layer, ...]):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for layer in smallest_of_each_kind(layers):
        model = layer_model(layer)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        generator = np.random.default_rng(0)

        results = session.run(
            None, {item.name: generator.standard_normal(item.shape, dtype=np.float32) for item in session.get_inputs()}
        )

        assert (results[0].shape, results[0].dtype) == (layer.output_shape, np.float32)
        assert np.isfinite(results[0]).all()


def test_weights_are_initialisers_and_activations_are_inputs():
    layer = layer_of("mobilenet_v2", layer_type="Conv", fused=("Relu6",))

    graph = layer_model(layer).graph

    assert [tuple(dim.dim_value for dim in item.type.tensor_type.shape.dim) for item in graph.input] == [
        (1, 3, 224, 224)
    ]
    assert sum(np.prod(tensor.dims) for tensor in graph.initializer if tensor.dims) == layer.weight_elements
    assert [node.op_type for node in graph.node] == ["Conv", "Clip"]


def test_a_residual_is_handed_over_by_an_edge():
    layer = layer_of("mobilenet_v2", layer_type="Conv", fused=("Add",))

    model = layer_model(layer)

    edges = [node.op_type for node in model.graph.node if node.name.startswith(EDGE_PREFIX)]
    assert edges == ["Conv", "Relu"]
    assert [node.op_type for node in model.graph.node if not node.name.startswith(EDGE_PREFIX)] == ["Conv", "Add"]
    assert read_back(model) == [layer]


def test_the_same_layer_and_seed_give_the_same_bytes_and_another_seed_others():
    layer = layer_of("squeezenet", layer_type="Conv", fused=("Relu",))
    first, again, other = (layer_model(layer, seed=seed).SerializeToString() for seed in (1, 1, 2))

    assert first == again
    assert first != other


RELU = Layer(
    type="Relu",
    in_channels=4,
    channels=4,
    input_volume=4,
    output_volume=4,
    input_shapes=((1, 4),),
    output_shape=(1, 4),
)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (replace(RELU, type="FancyAttention"), "FancyAttention is no operator of ONNX opset 17"),
        (replace(RELU, type="InvertedResidual"), "InvertedResidual is no operator"),
        (replace(RELU, precision="float16"), "precision float16 is not supported"),
        (replace(RELU, attributes="{"), "its attributes are no JSON"),
        (replace(RELU, attributes="[]"), "its attributes are no JSON"),
        (replace(RELU, output_shape=(1, 5)), "its output shape does not follow"),
        (replace(RELU, weight_elements=3), "its inputs or weights do not follow"),
        (replace(RELU, fused_ops=("Add",)), "it reads more inputs than it has"),
        (replace(RELU, type="Slice"), "its attributes contradict each other"),
        (replace(RELU, type="Conv"), "its kernel, stride or padding is not known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_layer_that_cannot_be_built_is_named_with_the_reason(layer: Layer, reason: str):
    with pytest.raises(SuiteError, match=rf"^Cannot build layer {layer.key} \({layer.type}\) as a model: {reason}"):
        layer_model(layer)
