from __future__ import annotations

import math
from dataclasses import replace

import onnx
import pytest
from onnx import TensorProto, helper

from parsers.network import parse_network
from parsers.published.sketch import (
    Fused,
    Image,
    Sketch,
    concatenation,
    convolution,
    dense,
    global_pooling,
    image_cells,
    pooling,
    same_padding,
    same_size,
)
from parsers.schema import Layer

SOURCE = Image(channels=8, height=14, width=14)
RESULT = Image(channels=16, height=7, width=7)


def graph(nodes: list[onnx.NodeProto], inputs: dict[str, list[int]], output: list[int], weights: dict[str, list[int]]):
    """A model of float inputs and weights."""
    return helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
            [
                helper.make_tensor(name, TensorProto.FLOAT, shape, [0.5] * math.prod(shape))
                for name, shape in weights.items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )


def only_layer(model: onnx.ModelProto) -> Layer:
    (item,) = parse_network(model, name="one").layers
    return item.layer


@pytest.mark.parametrize(("groups", "type_"), [(1, "Conv"), (2, "GroupedConv"), (8, "DepthwiseConv")])
def test_a_convolution_is_the_layer_that_an_onnx_graph_of_it_gives(groups: int, type_: str):
    conv = helper.make_node(
        "Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, group=groups
    )
    model = graph(
        [conv, helper.make_node("Relu", ["c"], ["y"])],
        {"x": [1, 8, 14, 14]},
        [1, 16, 7, 7],
        {"w": [16, 8 // groups, 3, 3], "b": [16]},
    )

    sketch = Sketch.whole(convolution(SOURCE, RESULT, kernel=3, stride=2, groups=groups, pads=(1, 1)))

    assert sketch.type == type_
    assert sketch.followed_by(Fused(ops=("Relu",))).layer == only_layer(model)


def test_a_fused_skip_is_one_more_input_as_in_an_onnx_graph_and_marks_the_layer():
    square = Image(channels=8, height=14, width=14)
    model = graph(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[1, 1]),
            helper.make_node("Add", ["c", "r"], ["y"]),
        ],
        {"x": [1, 8, 14, 14], "r": [1, 8, 14, 14]},
        [1, 8, 14, 14],
        {"w": [8, 8, 1, 1], "b": [8]},
    )

    layer = (
        Sketch.whole(convolution(square, square, kernel=1, stride=1, groups=1, pads=(0, 0)))
        .followed_by(Fused(ops=("Add",), skips=1))
        .layer
    )

    assert layer is not None
    assert layer.idskip == 1
    assert replace(layer, idskip=0) == replace(only_layer(model), idskip=0)


@pytest.mark.parametrize(
    ("node", "weights", "output", "layer"),
    [
        (
            helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
            {},
            [1, 8, 7, 7],
            pooling("MaxPool", SOURCE, replace(RESULT, channels=8), kernel=3, stride=2, pads=(0, 0), ceil_mode=True),
        ),
        (helper.make_node("GlobalAveragePool", ["x"], ["y"]), {}, [1, 8, 1, 1], global_pooling(SOURCE)),
        (helper.make_node("HardSwish", ["x"], ["y"]), {}, [1, 8, 14, 14], same_size("HardSwish", (SOURCE,))),
        (helper.make_node("Add", ["x", "x2"], ["y"]), {}, [1, 8, 14, 14], same_size("Add", (SOURCE, SOURCE))),
        (
            helper.make_node("BatchNormalization", ["x", "a", "b", "c", "d"], ["y"]),
            {name: [8] for name in "abcd"},
            [1, 8, 14, 14],
            same_size("BatchNormalization", (SOURCE,), weight_elements=32),
        ),
        (
            helper.make_node("Concat", ["x", "x2"], ["y"], axis=1),
            {},
            [1, 16, 14, 14],
            concatenation(SOURCE, Image(channels=16, height=14, width=14), inputs=2),
        ),
    ],
)
def test_other_operators_are_the_layers_of_their_onnx_graphs(node, weights, output, layer: Layer):
    inputs = {name: [1, 8, 14, 14] for name in ("x", "x2") if name in node.input}

    assert layer == only_layer(graph([node], inputs, output, weights))


def test_a_matrix_product_is_the_layer_of_its_onnx_graph():
    model = graph([helper.make_node("Gemm", ["x", "w", "b"], ["y"])], {"x": [1, 5]}, [1, 3], {"w": [5, 3], "b": [3]})

    assert dense(5, 3) == only_layer(model)


def test_of_more_than_two_inputs_the_volume_is_known_and_the_shapes_are_not():
    layer = concatenation(SOURCE, Image(channels=64, height=14, width=14), inputs=4)

    assert (layer.input_volume, layer.input_shapes, layer.attributes) == (64 * 14 * 14, (), '{"axis":1,"inputs":4}')


def test_what_is_fused_in_an_unknown_way_leaves_a_layer_that_is_known_in_part():
    sketch = Sketch.whole(convolution(SOURCE, RESULT, kernel=3, stride=2, groups=1, pads=(1, 1))).followed_by(None)

    assert sketch.layer is None
    assert {"fused_ops", "idskip", "input_volume", "input_shapes"}.isdisjoint(sketch.known)
    assert {name: sketch.known[name] for name in ("type", "kernel_size", "stride", "padding", "groups")} == {
        "type": "Conv",
        "kernel_size": 3,
        "stride": 2,
        "padding": 2,
        "groups": 1,
    }


def test_precision_belongs_to_a_layer_whether_it_is_whole_or_not():
    whole = Sketch.whole(global_pooling(SOURCE)).of_precision("float16")
    part = Sketch.part("PAD", image_cells(source=SOURCE)).of_precision("float16")

    assert whole.layer is not None
    assert whole.layer.precision == "float16"
    assert part.known == {
        "type": "PAD",
        "batch": 1,
        "in_channels": 8,
        "height": 14,
        "width": 14,
        "input_volume": 1568,
        "input_shapes": "1x8x14x14",
        "precision": "float16",
    }


@pytest.mark.parametrize(
    ("sides", "kernel", "stride", "pads"),
    [
        ((224, 112), 3, 2, (0, 1)),  # SAME: 111·2 + 3 − 224 = 1, behind
        ((225, 112), 3, 2, (0, 0)),  # VALID: ⌈223/2⌉ = 112
        ((14, 14), 5, 1, (2, 2)),
        ((14, 10), 5, 1, (0, 0)),
        ((56, 28), 1, 2, (0, 0)),
        ((224, 112), 7, 2, (2, 3)),
        ((14, 9), 5, 1, None),
    ],
)
def test_tensorflows_padding_follows_from_the_sides(sides: tuple[int, int], kernel: int, stride: int, pads):
    assert same_padding(*sides, kernel=kernel, stride=stride) == pads
