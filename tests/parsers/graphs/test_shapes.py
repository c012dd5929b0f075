"""Shapes that ONNX's inference alone does not find, and what is unknown all the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto

from parsers.errors import NetworkError
from parsers.network import Network, parse_network, require_shapes
from tests.parsers.sketch import Sketch, kinds, settings


def parse(text: str) -> Network:
    """Read a network in ONNX's own text form."""
    return parse_network(onnx.parser.parse_model(text), name="net")


def volumes(network: Network) -> list[tuple[str, int, int]]:
    return [(item.layer.type, item.layer.input_volume, item.layer.output_volume) for item in network.layers]


def test_a_reshape_to_a_shape_that_the_network_computes_is_worked_out():
    sketch = Sketch((2, 16, 32))
    shape = sketch.node("Shape", "x")
    zero, one, three = (sketch.constant(np.array([number])) for number in (0, 1, 3))
    rows = sketch.node("Slice", shape, zero, one)
    doubled = sketch.node("Mod", sketch.node("Mul", rows, three), sketch.constant(np.array([4])))
    heads = sketch.node("Concat", doubled, sketch.constant(np.array([8, -1])), axis=0)

    network = sketch.parse(sketch.node("MatMul", sketch.node("Reshape", "x", heads), sketch.weight(64, 5)))

    # (2 · 3) mod 4 = 2 rows of 8 heads, 64 features left for each.
    assert [item.layer.output_shape for item in network.layers] == [(2, 8, 64), (2, 8, 5)]


@pytest.mark.parametrize("told", ["shape", "elem_type"])
def test_an_output_of_which_no_shape_or_no_type_is_told_is_an_output_all_the_same(told: str):
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["": 17, "acme": 1]>
        net (float[1,4,2,2] x) => (float[1] y, float[1] z) {
            y = Relu (x)
            z = acme.Blur (y)
        }""")
    for output in model.graph.output:
        output.type.tensor_type.ClearField(told)

    assert volumes(parse_network(model, name="net")) == [("Relu", 16, 16), ("Blur", 16, 0)]


def test_an_expansion_to_a_computed_shape_is_worked_out():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17]>
        net (float[1,4,1,1] x) => (float[1,4,2,2] y) {
            wanted = Constant <value_ints: ints = [1, 4, 2, 2]> ()
            size = Shape (wanted)
            minus = Constant <value: tensor = int64[1] {-1}> ()
            filled = ConstantOfShape <value: tensor = int64[1] {-1}> (size)
            same = Equal (wanted, filled)
            one = ConstantOfShape <value: tensor = int64[1] {1}> (size)
            shape = Where (same, one, wanted)
            y = Expand (x, shape)
        }""")

    assert volumes(network) == [("Expand", 4, 16)]


def test_a_branch_that_a_constant_chooses_is_part_of_the_network():
    text = """
        <ir_version: 8, opset_import: ["": 17]>
        net (float[1,4,1,1] x) => (float[?] y) {
            rank = Shape <start: int = 2> (x)
            one = Constant <value: tensor = int64[2] {1, 1}> ()
            equal = Equal (rank, one)
            first = Constant <value: tensor = int64[1] {0}> ()
            squeezable = Gather (equal, first)
            y = If (squeezable) <
                then_branch: graph = squeezing () => (float[1,4] z) {
                    axes = Constant <value: tensor = int64[2] {2, 3}> ()
                    inside = Squeeze (x, axes)
                    z = Relu (inside)
                },
                else_branch: graph = not () => (float[1,4,1,1] inside) { inside = Sigmoid (x) }
            >
        }"""

    network = parse(text)

    assert volumes(network) == [("Squeeze", 4, 4), ("Relu", 4, 4)]
    assert network.layers[-1].outputs == ("y",) or network.layers[-1].tensors[-1] == "y"


def test_a_branch_chosen_at_run_time_is_one_layer_that_reads_what_its_branches_read():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17]>
        net (float[1,4] x, bool c) => (float[1,4] y) <float[4,4] w = {1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}> {
            a = Sigmoid (x)
            b = Relu (a)
            z = If (c) <
                then_branch: graph = one () => (float[1,4] p) { p = MatMul (a, w) },
                else_branch: graph = two () => (float[1,4] q) <float[1,4] v = {1,2,3,4}> { q = Add (b, v) }
            >
            y = Tanh (z)
        }""")

    # The condition and a, b; w from outside and v inside are its weights.
    assert volumes(network) == [("Sigmoid", 4, 4), ("Relu", 4, 4), ("If", 9, 4), ("Tanh", 4, 4)]
    assert network.layers[2].inputs == ("c", "a", "b")
    assert network.layers[2].layer.weight_elements == 16 + 4


def test_what_a_branch_reads_is_not_fused_away():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17]>
        net (float[1,4,2,2] x, bool c) => (float[1,4,2,2] y) <float[4,4,1,1] w = {1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}> {
            a = Conv (x, w)
            b = Relu (a)
            y = If (c) <
                then_branch: graph = one () => (float[1,4,2,2] p) { p = Identity (a) },
                else_branch: graph = two () => (float[1,4,2,2] q) { q = Identity (b) }
            >
        }""")

    assert kinds(network) == [("Conv",), ("Relu",), ("If",)]


def test_a_loop_is_one_layer_with_the_shapes_that_are_known_without_running_it():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17]>
        net (float[1,4] x) => (float[1,4] y) {
            trips = Constant <value_int: int = 3> ()
            go = Constant <value: tensor = bool {1}> ()
            y = Loop (trips, go, x) <
                body: graph = step (int64 i, bool on, float[1,4] s) => (bool more, float[1,4] t) {
                    more = Identity (on)
                    t = Relu (s)
                }
            >
        }""")

    assert volumes(network) == [("Loop", 4, 4)]
    assert network.unknown == ()


def test_functions_are_written_out():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17, "own": 1]>
        net (float[1,4] x) => (float[1,4] y) { y = own.twice (x) }
        <domain: "own", opset_import: ["": 17, "own": 1]> twice (a) => (b) { c = own.once (a) b = own.once (c) }
        <domain: "own", opset_import: ["": 17]> once (a) => (b) { b = Sigmoid (a) }
        """)

    assert volumes(network) == [("Sigmoid", 4, 4), ("Sigmoid", 4, 4)]


def test_functions_that_would_be_written_out_without_an_end_are_refused():
    ten = " ".join(f"x{n + 1} = own.f{{}} (x{n})" for n in range(10))
    functions = [
        f"""<domain: "own", opset_import: ["": 17, "own": 1]> f{n} (x0) => (x10) {{ {ten.replace("{}", str(n - 1))} }}"""
        for n in range(1, 9)
    ]
    bomb = f"""
        <ir_version: 8, opset_import: ["": 17, "own": 1]>
        net (float[1,4] x) => (float[1,4] y) {{ y = own.f8 (x) }}
        {" ".join(functions)}
        <domain: "own", opset_import: ["": 17]> f0 (a) => (b) {{ b = Sigmoid (a) }}
        """
    circle = """
        <ir_version: 8, opset_import: ["": 17, "own": 1]>
        net (float[1,4] x) => (float[1,4] y) { y = own.f (x) }
        <domain: "own", opset_import: ["": 17, "own": 1]> f (a) => (b) { b = own.f (a) }
        """

    with pytest.raises(NetworkError, match="net has more than 200000 nodes once its functions are written out"):
        parse(bomb)
    with pytest.raises(NetworkError, match="its functions call each other without an end"):
        parse(circle)


def test_an_operator_that_onnx_does_not_have_is_a_layer_in_any_domain_and_opset():
    text = """
        <ir_version: 99, opset_import: ["": 99]>
        net (float[1,4] x) => (float[1,4] y) { a = NewFangled <kernel_shape: ints = [3, 3, 3]> (x) b = own.Thing (a) y = Relu (b) }"""

    network = parse(text)

    # Neither shape is told; but what a Relu makes has the shape of what it reads.
    assert volumes(network) == [("NewFangled", 4, 0), ("Thing", 0, 4), ("Relu", 4, 4)]
    assert network.unknown == ("a",)
    assert settings(network.layers[0].layer) == {"kernel_shape": [3, 3, 3], "unknown_outputs": [0]}
    assert settings(network.layers[1].layer) == {"unknown_inputs": [0]}
    with pytest.raises(
        NetworkError, match=r"net: the shape of tensor 'a' \(made by NewFangled 'NewFangled_0'\) is not known"
    ):
        require_shapes(network)


def test_a_shape_that_the_file_tells_of_an_unknown_operator_carries_on():
    sketch = Sketch((1, 4, 6, 6))
    fancy = sketch.node("Fancy", "x", domain="mine")
    model = sketch.model(
        sketch.node("Reshape", sketch.convolution(fancy, 8, 2, 3, 3), sketch.constant(np.array([1, -1])))
    )
    model.graph.value_info.append(onnx.helper.make_tensor_value_info(fancy, TensorProto.FLOAT, (1, 2, 4, 4)))

    network = parse_network(model, name="sketch")

    assert volumes(network) == [("Fancy", 144, 32), ("Conv", 32, 32), ("Reshape", 32, 32)]
    assert require_shapes(network) is network


def test_behind_an_unknown_shape_a_convolution_is_still_a_layer_with_its_weights():
    sketch = Sketch((1, 4, 6, 6))
    convolved = sketch.convolution(
        sketch.node("Fancy", "x", domain="mine"), 8, 2, 3, 3, bias=True, auto_pad="SAME_UPPER"
    )

    network = sketch.parse(sketch.node("Tanh", convolved))

    assert kinds(network) == [("Fancy",), ("Conv",), ("Tanh",)]
    layer = network.layers[1].layer
    assert (layer.weight_elements, layer.kernel_size, layer.padding, layer.in_channels) == (8 * 2 * 9 + 8, 3, None, 0)
    assert (network.macs, len(network.unknown)) == (0, 3)


def test_sequences_are_no_reason_to_stop():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17]>
        net (float[4,4] x) => (float[1,4] y) {
            s = SplitToSequence <axis: int = 0, keepdims: int = 1> (x)
            last = Constant <value_int: int = -1> ()
            t = SequenceAt (s, last)
            y = Relu (t)
        }""")

    assert volumes(network) == [("SplitToSequence", 16, 0), ("SequenceAt", 0, 4), ("Relu", 4, 4)]
    assert network.unknown == ("s",)


def test_shapes_in_the_file_that_are_wrong_are_not_believed():
    sketch = Sketch((1, 4, 6, 6))
    convolved = sketch.convolution("x", 8, 4, 3, 3)
    model = sketch.model(sketch.node("Softmax", convolved))
    model.graph.value_info.append(onnx.helper.make_tensor_value_info(convolved, TensorProto.FLOAT, (1, 8, 6, 6)))

    assert volumes(parse_network(model, name="sketch")) == [("Conv", 144, 128), ("Softmax", 128, 128)]


def test_of_shapes_in_the_file_that_are_wrong_those_of_unknown_operators_are_kept():
    sketch = Sketch((1, 4, 6, 6))
    fancy = sketch.node("Fancy", sketch.convolution("x", 8, 4, 3, 3), domain="mine")
    model = sketch.model(sketch.convolution(fancy, 2, 3, 1, 1))
    for name, shape in (("t0", (1, 8, 6, 6)), (fancy, (1, 3, 2, 2))):
        model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    assert volumes(parse_network(model, name="sketch")) == [("Conv", 144, 128), ("Fancy", 128, 12), ("Conv", 12, 8)]


def test_a_sequence_that_comes_in_is_not_known():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17]>
        net (seq(float[2,3]) s) => (int64 n) { n = SequenceLength (s) }""")

    assert network.unknown == ("s",)
    with pytest.raises(NetworkError, match=r"the shape of tensor 's' \(an input\) is not known"):
        require_shapes(network)


def test_a_tensor_that_two_nodes_make_is_refused():
    sketch = Sketch((1, 4))
    model = sketch.model(sketch.node("Relu", "x"))
    model.graph.node.append(model.graph.node[0])

    with pytest.raises(NetworkError, match="sketch is no valid ONNX network: 2 nodes make the tensor 't0'"):
        parse_network(model, name="sketch")


@pytest.mark.parametrize("version", [0, -1, 2**40])
def test_a_version_that_cannot_be_is_refused(version: int):
    sketch = Sketch((1, 4))
    model = sketch.model(sketch.node("Relu", "x"))
    model.opset_import[0].version = version

    with pytest.raises(NetworkError, match="versions that cannot be"):
        parse_network(model, name="sketch")


def test_an_input_without_a_shape_is_dynamic():
    sketch = Sketch((1, 4))
    model = sketch.model(sketch.node("Relu", "x"))
    model.graph.input[0].type.tensor_type.ClearField("shape")

    with pytest.raises(NetworkError, match=r"input 'x' has the dynamic shape \?"):
        parse_network(model, name="sketch")


def test_a_long_vector_that_is_added_takes_no_time_or_memory_of_its_length():
    network = parse("""
        <ir_version: 8, opset_import: ["": 17]>
        net (float[1000000000000] x) => (float[1000000000000] y) { y = Add (x, x) }""")

    assert volumes(network) == [("Add", 2 * 10**12, 10**12)]
