from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from parsers.errors import NetworkError
from parsers.network import parse_network, read_network, require_shapes
from parsers.network_layer import NetworkLayer
from parsers.schema import Layer
from tests.parsers.sketch import Sketch, kinds, settings


def test_a_convolution_with_normalisation_and_activation_is_one_layer_with_all_attributes():
    sketch = Sketch((2, 3, 11, 9))
    convolved = sketch.convolution("x", 8, 3, 3, 5, strides=[2, 1], pads=[1, 2, 0, 3], dilations=[1, 1])
    result = sketch.node("Relu", sketch.normalisation(convolved, 8))

    network = sketch.parse(result)

    layer = Layer(
        type="Conv",
        batch=2,
        in_channels=3,
        channels=8,
        height=11,
        width=9,
        out_height=5,
        out_width=10,
        kernel_height=3,
        kernel_width=5,
        stride_height=2,
        stride_width=1,
        pad_top=1,
        pad_bottom=0,
        pad_left=2,
        pad_right=3,
        input_volume=2 * 3 * 11 * 9,
        output_volume=2 * 8 * 5 * 10,
        weight_elements=8 * 3 * 3 * 5 + 8,
        fused_ops=("Relu",),
        input_shapes=((2, 3, 11, 9),),
        output_shape=(2, 8, 5, 10),
    )
    assert network.layers == (
        NetworkLayer(
            name="Conv0",
            layer=layer,
            nodes=("Conv0", "BatchNormalization1", "Relu2"),
            tensors=("t0", "t1", "t2"),
            inputs=("x",),
            outputs=("t2",),
        ),
    )
    assert network.macs == 2 * 8 * 5 * 10 * 3 * 3 * 5


@pytest.mark.parametrize(
    ("mode", "expected"),
    # 7 pixels, stride 2, kernel 4: 4 outputs need (4 − 1)·2 + 4 − 7 = 3 rows of padding; 8 columns need 2.
    [("SAME_UPPER", (1, 2, 1, 1)), ("SAME_LOWER", (2, 1, 1, 1)), ("VALID", (0, 0, 0, 0))],
)
def test_automatic_padding_is_resolved(mode: str, expected: tuple[int, ...]):
    sketch = Sketch((1, 1, 7, 8))

    layer = sketch.parse(sketch.convolution("x", 1, 1, 4, 4, strides=[2, 2], auto_pad=mode)).layers[0].layer

    assert (layer.pad_top, layer.pad_bottom, layer.pad_left, layer.pad_right) == expected


def test_the_automatic_padding_of_a_transposed_convolution_is_resolved():
    sketch = Sketch((1, 2, 4, 4))
    weight = sketch.weight(2, 5, 3, 3)
    result = sketch.node("ConvTranspose", "x", weight, strides=[2, 2], auto_pad="SAME_UPPER")

    layer = sketch.parse(result).layers[0].layer

    # (4 − 1)·2 + 3 − 8 = 1: nothing in front, one behind.
    assert (layer.pad_top, layer.pad_bottom, layer.pad_left, layer.pad_right) == (0, 1, 0, 1)
    assert (layer.type, layer.channels, layer.out_height) == ("ConvTranspose", 5, 8)


def test_depthwise_and_grouped_convolutions_are_told_apart():
    sketch = Sketch((1, 8, 4, 4))
    plain = sketch.convolution("x", 8, 8, 1, 1)
    grouped = sketch.convolution(plain, 8, 2, 1, 1, group=4)
    depthwise = sketch.convolution(grouped, 16, 1, 3, 3, group=8)

    network = sketch.parse(depthwise)

    assert [(item.layer.type, item.layer.groups) for item in network.layers] == [
        ("Conv", 1),
        ("GroupedConv", 4),
        ("DepthwiseConv", 8),
    ]


def test_per_channel_factors_and_offsets_fold_into_the_convolution():
    sketch = Sketch((1, 3, 4, 4))
    scaled = sketch.node("Mul", sketch.convolution("x", 8, 3, 1, 1), sketch.weight(8, 1, 1))
    shifted = sketch.node("Add", sketch.weight(1, 8, 1, 1), scaled)

    network = sketch.parse(sketch.node("LeakyRelu", shifted, alpha=0.1))

    assert kinds(network) == [("Conv", "LeakyRelu")]
    assert network.layers[0].layer.weight_elements == 8 * 3 + 8
    assert settings(network.layers[0].layer) == {"LeakyRelu": {"alpha": 0.1}}


def test_a_factor_per_pixel_does_not_fold():
    sketch = Sketch((1, 3, 4, 4))

    network = sketch.parse(sketch.node("Mul", sketch.convolution("x", 8, 3, 1, 1), sketch.weight(4, 4)))

    assert kinds(network) == [("Conv",), ("Mul",)]
    assert settings(network.layers[1].layer) == {"constant_operands": {"1": [4, 4]}}


@pytest.mark.parametrize("op", ["Add", "Sum"])
def test_a_convolution_takes_the_residual_and_the_activation_behind_it(op: str):
    sketch = Sketch((1, 8, 4, 4))
    first = sketch.node("Relu", sketch.convolution("x", 8, 8, 1, 1))
    second = sketch.convolution(first, 8, 8, 1, 1, bias=True)

    network = sketch.parse(sketch.node("Relu", sketch.node(op, first, second)))

    assert kinds(network) == [("Conv", "Relu"), ("Conv", op, "Relu")]
    assert network.layers[1].inputs == ("t1", "t1")
    assert network.layers[1].layer.input_shapes == ((1, 8, 4, 4), (1, 8, 4, 4))


def test_of_two_convolutions_that_are_added_the_first_operand_takes_the_other():
    sketch = Sketch((1, 8, 4, 4))
    early = sketch.convolution("x", 8, 8, 1, 1)
    late = sketch.normalisation(sketch.convolution("x", 8, 8, 3, 3, pads=[1] * 4), 8)

    network = sketch.parse(sketch.node("Add", late, early))

    assert kinds(network) == [("Conv",), ("Conv", "Add")]
    assert [item.layer.kernel_size for item in network.layers] == [1, 3]
    assert network.layers[1].inputs == ("x", "t0")


def test_what_somebody_else_reads_is_not_fused():
    sketch = Sketch((1, 8, 4, 4))
    convolved = sketch.convolution("x", 8, 8, 1, 1)
    activated = sketch.node("Relu", convolved)

    network = sketch.parse(sketch.node("Concat", convolved, activated, axis=1))

    assert kinds(network) == [("Conv",), ("Relu",), ("Concat",)]


def test_what_leaves_the_network_is_not_fused():
    sketch = Sketch((1, 8, 4, 4))
    convolved = sketch.convolution("x", 8, 8, 1, 1)

    network = sketch.parse(sketch.node("Relu", convolved), convolved)

    assert kinds(network) == [("Conv",), ("Relu",)]


def test_an_addition_that_broadcasts_is_no_residual():
    sketch = Sketch((1, 8, 4, 4), (1, 8, 1, 1))

    network = sketch.parse(sketch.node("Add", sketch.convolution("x", 8, 8, 1, 1), "y"))

    assert kinds(network) == [("Conv",), ("Add",)]


def test_a_normalisation_of_its_own_takes_what_scales_behind_it():
    sketch = Sketch((1, 8, 4, 4))
    normalised = sketch.normalisation("x", 8)
    shifted = sketch.node("Add", sketch.node("Mul", normalised, sketch.weight(8, 1, 1)), sketch.weight(8, 1, 1))

    network = sketch.parse(sketch.node("Relu", shifted))

    assert kinds(network) == [("BatchNormalization", "Mul", "Add", "Relu")]
    assert network.layers[0].layer.weight_elements == 4 * 8 + 2 * 8


def test_a_product_with_a_bias_is_a_gemm_and_so_is_gemm_however_its_weight_lies():
    sketch = Sketch((2, 32))
    product = sketch.node(
        "Relu", sketch.node("Add", sketch.node("MatMul", "x", sketch.weight(32, 10)), sketch.weight(10))
    )
    first = sketch.node("Gemm", "x", sketch.weight(32, 10), sketch.weight(10))
    second = sketch.node("Gemm", "x", sketch.weight(10, 32), sketch.weight(10), transB=1)

    by_product, by_gemm, by_transposed = (item.layer for item in sketch.parse(product, first, second).layers)

    assert (by_product.type, by_product.fused_ops) == ("Gemm", ("Relu",))
    assert (by_gemm.batch, by_gemm.in_channels, by_gemm.channels, by_gemm.height, by_gemm.width) == (2, 32, 10, 1, 1)
    assert (by_gemm.kernel_size, by_gemm.weight_elements) == (None, 330)
    assert by_gemm == by_transposed


def test_a_matrix_product_over_a_sequence_keeps_its_rows_as_height():
    sketch = Sketch((2, 5, 32))

    layer = sketch.parse(sketch.node("MatMul", "x", sketch.weight(32, 10))).layers[0].layer

    assert (layer.type, layer.batch, layer.height, layer.in_channels, layer.channels) == ("MatMul", 2, 5, 32, 10)
    assert layer.weight_elements == 320


def test_a_product_with_the_weights_in_front_sums_over_the_rows_of_what_it_reads():
    sketch = Sketch((5, 32, 7), (9, 6))
    product = sketch.node("MatMul", sketch.weight(10, 32), "x")
    gemm = sketch.node("Gemm", sketch.weight(3, 9), "y")
    turned = sketch.node("Gemm", sketch.weight(3, 6), "y", transB=1)

    network = sketch.parse(product, gemm, turned)

    assert [item.layer.in_channels for item in network.layers] == [32, 9, 6]
    assert network.macs == 5 * 10 * 32 * 7 + 3 * 9 * 6 + 3 * 6 * 9
    assert settings(network.layers[0].layer) == {"constant_operands": {"0": [10, 32]}}


def test_a_product_of_two_activations_counts_every_head():
    sketch = Sketch((2, 4, 5, 8), (2, 4, 8, 7))

    network = sketch.parse(sketch.node("MatMul", "x", "y"))

    assert network.macs == 2 * 4 * 5 * 8 * 7
    assert network.layers[0].layer.weight_elements == 0


def test_constants_shapes_identities_and_dropouts_are_no_layers():
    sketch = Sketch((1, 8, 2, 2))
    weight = sketch.node("Mul", sketch.weight(8, 8, 1, 1), sketch.weight(1))
    same = sketch.node("Dropout", sketch.node("Identity", "x"))
    convolved = sketch.node("Conv", same, weight)
    batch = sketch.node("Slice", sketch.node("Shape", "x"), *(sketch.constant(np.array([end])) for end in (0, 1)))
    shape = sketch.node("Concat", batch, sketch.constant(np.array([-1])), axis=0)

    network = sketch.parse(sketch.node("Reshape", convolved, shape))

    assert kinds(network) == [("Conv",), ("Reshape",)]
    assert network.layers[0].inputs == ("x",)
    assert network.layers[0].layer.weight_elements == 64
    assert network.layers[1].layer.output_shape == (1, 32)


def test_a_dropout_behind_a_layer_is_another_name_of_its_tensor():
    sketch = Sketch((1, 8))
    dropped = sketch.node("Dropout", sketch.node("Gemm", "x", sketch.weight(8, 4)))

    network = sketch.parse(sketch.node("Relu", dropped))

    assert kinds(network) == [("Gemm", "Relu")]
    assert network.layers[0].tensors == ("t0", "t1", "t2")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 6.0, ("Relu6", {})), (0.0, None, ("Relu", {})), (-1.0, 1.0, ("Clip", {"max": 1.0, "min": -1.0}))],
)
def test_a_clip_is_named_by_its_bounds(low: float, high: float | None, expected: tuple[str, object]):
    sketch = Sketch((1, 4))
    bounds = [sketch.constant(np.float32(bound)) if bound is not None else "" for bound in (low, high)]

    layer = sketch.parse(sketch.node("Clip", "x", *bounds)).layers[0].layer

    assert (layer.type, settings(layer)) == expected


def test_an_old_clip_keeps_its_bounds_in_attributes_and_is_the_same_layer():
    old, new = Sketch((1, 4), opset=9), Sketch((1, 4))
    bounds = [new.constant(np.float32(bound)) for bound in (0, 6)]

    assert old.parse(old.node("Clip", "x", min=0.0, max=6.0)).layers[0].layer == (
        new.parse(new.node("Clip", "x", *bounds)).layers[0].layer
    )


def test_attributes_are_told_in_todays_defaults():
    old, new = Sketch((2, 3, 4), opset=9), Sketch((2, 3, 4))

    assert settings(old.parse(old.node("Softmax", "x")).layers[0].layer) == {"axis": 1}
    assert settings(new.parse(new.node("Softmax", "x")).layers[0].layer) == {}


def test_an_attribute_that_a_later_opset_added_is_left_out_at_its_default():
    old, new = Sketch((1, 4, 2, 2)), Sketch((1, 4, 2, 2), opset=18)
    axes = new.constant(np.array([2, 3]))

    assert old.parse(old.node("ReduceMean", "x", axes=[2, 3])).layers[0].layer == (
        new.parse(new.node("ReduceMean", "x", axes)).layers[0].layer
    )


def test_settings_that_arrive_as_constants_are_attributes():
    sketch = Sketch((1, 4, 6, 6))
    pads = sketch.constant(np.array([0, 0, 1, 1, 0, 0, 2, 2]))

    layer = sketch.parse(sketch.node("Pad", "x", pads, mode="reflect")).layers[0].layer

    assert settings(layer) == {"mode": "reflect", "pads": [0, 0, 1, 1, 0, 0, 2, 2]}
    assert layer.weight_elements == 0


def test_an_unknown_operator_is_a_layer_with_type_and_volumes():
    sketch = Sketch((1, 4, 6, 6))
    result = sketch.node("FancyAttention", "x", domain="mine")
    model = sketch.model(result)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(result, TensorProto.FLOAT, (1, 2, 3, 3)))

    layer = parse_network(model, name="sketch").layers[0].layer

    assert (layer.type, layer.input_volume, layer.output_volume) == ("FancyAttention", 144, 18)


def test_several_outputs_count_together():
    sketch = Sketch((1, 6, 2, 2))
    sketch.node("Split", "x", outputs=2, axis=1)

    layer = sketch.parse("t0", "t0b").layers[0].layer

    assert (layer.output_volume, layer.output_shape) == (24, (1, 3, 2, 2))
    assert settings(layer) == {"axis": 1, "outputs": 2}


def test_a_window_of_one_dimension_is_a_flat_one_of_two():
    sketch = Sketch((1, 4, 10))

    layer = sketch.parse(sketch.convolution("x", 8, 4, 3, strides=[2], pads=[1, 0])).layers[0].layer

    assert (layer.kernel_height, layer.kernel_width, layer.stride_height, layer.stride_width) == (1, 3, 1, 2)
    assert (layer.pad_top, layer.pad_left, layer.pad_right) == (0, 1, 0)
    assert (layer.height, layer.width, layer.out_width) == (1, 10, 5)


def test_nodes_without_a_name_or_with_the_same_name_get_their_own():
    sketch = Sketch((1, 4))
    first = sketch.node("Sigmoid", "x", name="")
    second = sketch.node("Tanh", first, name="twice")
    third = sketch.node("Exp", second, name="twice")

    network = sketch.parse(third)

    assert [item.name for item in network.layers] == ["Sigmoid_0", "twice_1", "twice_2"]


def test_live_activations_are_watched_over_the_steps():
    sketch = Sketch((1, 4, 2, 2))
    wide = sketch.convolution("x", 32, 4, 1, 1)
    pooled = sketch.node("GlobalAveragePool", wide)
    back = sketch.convolution(pooled, 4, 32, 1, 1)

    network = sketch.parse(sketch.node("Mul", "x", back))

    # x 16, wide 128, pooled 32, back 4, result 16; x lives to the end.
    assert network.peak_live_elements == 16 + 128 + 32
    assert network.between_elements == (16 + 128) + (128 + 32) + (32 + 4) + (16 + 4 + 16)


def test_dynamic_shapes_are_refused_with_what_to_do(tmp_path: Path):
    sketch = Sketch(("batch", 3, 4, 4))
    onnx.save(sketch.model(sketch.node("Relu", "x")), tmp_path / "net.onnx")

    with pytest.raises(
        NetworkError, match=r"net: input 'x' has the dynamic shape batchx3x4x4.*--dim_param batch --dim_value 1"
    ):
        read_network(tmp_path / "net.onnx")


def test_a_shape_that_depends_on_values_leaves_a_layer_with_what_is_known_and_no_price():
    sketch = Sketch((1, 4))

    network = sketch.parse(sketch.node("NonZero", "x"))

    assert network.unknown == ("t0",)
    assert [(item.layer.type, item.layer.input_volume, item.layer.output_volume) for item in network.layers] == [
        ("NonZero", 4, 0)
    ]
    assert settings(network.layers[0].layer) == {"unknown_outputs": [0]}
    with pytest.raises(NetworkError, match=r"the shape of tensor 't0' \(made by NonZero 'NonZero0'\) is not known"):
        require_shapes(network)


def test_a_window_of_three_dimensions_is_refused():
    sketch = Sketch((1, 1, 4, 4, 4))

    with pytest.raises(NetworkError, match="Conv 'Conv0' has a window of 3 dimensions"):
        sketch.parse(sketch.convolution("x", 1, 1, 3, 3, 3))


def test_a_graph_that_contradicts_itself_is_refused():
    sketch = Sketch((1, 4), (1, 5))
    model = sketch.model(sketch.node("Add", "x", "y"))

    with pytest.raises(NetworkError, match="sketch is no valid ONNX network: "):
        parse_network(model, name="sketch")


def test_a_network_of_constants_has_nothing_to_run():
    sketch = Sketch((1, 4))

    with pytest.raises(NetworkError, match="nothing to run"):
        sketch.parse(sketch.node("Add", sketch.weight(4), sketch.weight(4)))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "Cannot read the network .*net.onnx: No such file or directory"),
        (b"", "net has no operators"),
        (b"not ONNX at all", "net.onnx is no ONNX file"),
    ],
)
def test_a_file_that_is_no_network_is_said_in_one_line(tmp_path: Path, content: bytes | None, complaint: str):
    path = tmp_path / "net.onnx"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(NetworkError, match=complaint) as caught:
        read_network(path)
    assert "\n" not in str(caught.value)
