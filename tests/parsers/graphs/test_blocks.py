"""Inverted residuals as one layer each."""

from __future__ import annotations

import json

import pytest

from nas.networks.export import to_onnx
from nas.networks.network import Network as SearchedNetwork
from nas.space import Image
from nas.spaces.mobilenetv2 import mobilenetv2
from parsers.network import Network, parse_network
from parsers.roofline import bytes_moved
from parsers.schema import Layer
from profiler.architectures import MOBILENET_V2_BLOCKS
from profiler.networks import light_network
from tests.parsers.sketch import Sketch, kinds


def both(name: str) -> tuple[Network, Network]:
    """A network by its operators, and by its blocks."""
    model = light_network(name)
    return parse_network(model, name=name), parse_network(model, name=name, blocks=True)


def assert_costs_are_equal(operators: Network, blocks: Network) -> None:
    assert (blocks.macs, blocks.flops) == (operators.macs, operators.flops)
    assert blocks.weight_elements == operators.weight_elements
    moved = [sum(bytes_moved(item.layer) for item in network.layers) for network in (operators, blocks)]
    assert moved[0] == moved[1]
    assert blocks.peak_live_elements == operators.peak_live_elements
    nodes = [[name for item in network.layers for name in item.nodes] for network in (operators, blocks)]
    assert sorted(nodes[0]) == sorted(nodes[1])


class Residual(Sketch):
    """Writes the parts of a block."""

    def block(self, source: str, *widths: int, activation: str = "Relu", kernel: int = 3, **attributes: object) -> str:
        first, middle, last = widths
        expanded = self.node(activation, self.convolution(source, middle, first, 1, 1)) if middle != first else source
        window = {"pads": [kernel // 2] * 4, "group": middle, **attributes}
        deep = self.node(activation, self.convolution(expanded, middle, 1, kernel, kernel, **window))
        return self.convolution(deep, last, middle, 1, 1)

    def parse_blocks(self, *results: str) -> Network:
        model = self.model(*results)
        network = parse_network(model, name="sketch", blocks=True)
        assert_costs_are_equal(parse_network(model, name="sketch"), network)
        return network


def test_mobilenet_v2_is_its_seventeen_blocks_between_stem_and_head():
    operators, blocks = both("mobilenet_v2")

    found = [item.layer for item in blocks.layers if item.layer.type == "InvertedResidual"]
    wanted = [
        (float(expansion), channels, first if repeat == 0 else 1, int(repeat > 0))
        for expansion, channels, repeats, first in MOBILENET_V2_BLOCKS
        for repeat in range(repeats)
    ]
    assert [(layer.expansion_ratio, layer.channels, layer.stride, layer.idskip) for layer in found] == wanted
    assert {(layer.kernel_size, layer.padding, layer.groups) for layer in found} == {(3, 2, 1)}
    assert [item.layer.type for item in blocks.layers if item.layer.type != "InvertedResidual"] == [
        "Conv",
        "Conv",
        "GlobalAveragePool",
        "Reshape",
        "Gemm",
    ]
    assert_costs_are_equal(operators, blocks)


def test_a_block_has_all_attributes():
    sketch = Residual((1, 4, 8, 6))

    network = sketch.parse_blocks(sketch.block("x", 4, 24, 10, activation="HardSwish", kernel=5, strides=[2, 2]))

    assert [item.layer for item in network.layers] == [
        Layer(
            type="InvertedResidual",
            in_channels=4,
            channels=10,
            height=8,
            width=6,
            out_height=4,
            out_width=3,
            kernel_height=5,
            kernel_width=5,
            stride_height=2,
            stride_width=2,
            pad_top=2,
            pad_bottom=2,
            pad_left=2,
            pad_right=2,
            expansion_ratio=6.0,
            input_volume=4 * 48,
            output_volume=10 * 12,
            weight_elements=24 * 4 + 24 * 25 + 10 * 24,
            input_shapes=((1, 4, 8, 6),),
            output_shape=(1, 10, 4, 3),
            attributes='{"activations":["HardSwish","HardSwish"]}',
        )
    ]
    assert (network.layers[0].inputs, network.layers[0].outputs) == (("x",), ("t4",))


def test_the_blocks_of_a_searched_network_are_its_choices():
    """``nas.networks.layers`` writes a block's operators; read from the export and put together again they are the choice."""
    space = mobilenetv2(image=Image(channels=3, height=32, width=32), classes=10)
    architecture = space.manual()
    model = to_onnx(SearchedNetwork(space, architecture).eval(), space.image)

    found = [item.layer for item in parse_network(model, name="net", blocks=True).layers]

    chosen = [choice for choice in architecture if choice is not None]
    assert [
        (layer.kernel_size, layer.expansion_ratio, layer.channels, bool(layer.idskip))
        for layer in found
        if layer.type == "InvertedResidual"
    ] == [(block.kernel_size, float(block.expansion), block.channels, block.idskip) for block in chosen]


@pytest.mark.parametrize("name", ["mobilenet_v1", "shufflenet", "resnet50"])
def test_networks_without_inverted_residuals_stay_as_they_are(name: str):
    operators, blocks = both(name)

    assert blocks == operators


def test_a_residual_of_its_own_is_added_and_anothers_is_not():
    sketch = Residual((1, 4, 8, 8), (1, 4, 8, 8))

    own = sketch.node("Add", "x", sketch.block("x", 4, 24, 4))
    others = sketch.node("Add", "y", sketch.block(own, 4, 24, 4))
    network = sketch.parse_blocks(others)

    assert kinds(network) == [("InvertedResidual",), ("Conv", "Relu"), ("DepthwiseConv", "Relu"), ("Conv", "Add")]
    assert network.layers[0].layer.idskip == 1


def test_what_is_read_inside_a_block_makes_it_none():
    sketch = Residual((1, 4, 8, 8))
    expanded = sketch.node("Relu", sketch.convolution("x", 24, 4, 1, 1))
    deep = sketch.node("Relu", sketch.convolution(expanded, 24, 1, 3, 3, pads=[1] * 4, group=24))
    projected = sketch.convolution(deep, 4, 24, 1, 1)

    assert "InvertedResidual" not in {kind for (kind, *_) in kinds(sketch.parse_blocks(projected, deep))}
    # Seen from outside, the expansion belongs to others too; what remains is a block that does not expand.
    (_, block) = sketch.parse_blocks(projected, expanded).layers
    assert (block.layer.type, block.layer.expansion_ratio, block.inputs) == ("InvertedResidual", 1.0, (expanded,))


@pytest.mark.parametrize("activation", ["Relu", "HardSwish"])
def test_a_projection_with_an_activation_is_none(activation: str):
    sketch = Residual((1, 4, 8, 8))

    network = sketch.parse_blocks(sketch.node(activation, sketch.block("x", 4, 24, 4)))

    assert [kind for (kind, *_) in kinds(network)] == ["Conv", "DepthwiseConv", "Conv"]


def test_squeeze_and_excitation_is_part_of_the_block_and_noted():
    sketch = Residual((1, 4, 8, 8))
    expanded = sketch.node("Relu", sketch.convolution("x", 24, 4, 1, 1))
    deep = sketch.node("Relu", sketch.convolution(expanded, 24, 1, 3, 3, pads=[1] * 4, group=24))
    squeezed = sketch.node("Relu", sketch.convolution(sketch.node("GlobalAveragePool", deep), 6, 24, 1, 1, bias=True))
    gate = sketch.node("Sigmoid", sketch.convolution(squeezed, 24, 6, 1, 1, bias=True))
    projected = sketch.convolution(sketch.node("Mul", deep, gate), 4, 24, 1, 1)

    (block,) = sketch.parse_blocks(sketch.node("Add", projected, "x")).layers

    assert (block.layer.expansion_ratio, block.layer.idskip) == (6.0, 1)
    assert block.layer.weight_elements == 24 * 4 + 24 * 9 + 4 * 24 + (24 + 1) * 6 + (6 + 1) * 24
    # Beside the three convolutions: two products of 24·6, pooling and weighing of 24·64 elements.
    assert json.loads(block.layer.attributes) == {
        "activations": ["Relu", "Relu"],
        "squeeze": 6,
        "gate": "Sigmoid",
        "beside": {
            "macs": 2 * 144,
            "flops": 4 * 144 + 2 * 1536,
            "elements": 3 * 1536 + 4 * 24 + 2 * 6 + (24 + 1) * 6 + (6 + 1) * 24 - ((24 + 1) * 6 + (6 + 1) * 24),
        },
    }


def test_activations_that_are_layers_of_their_own_are_part_of_the_block():
    sketch = Residual((1, 4, 8, 8))

    def swish(tensor: str) -> str:
        return sketch.node("Mul", tensor, sketch.node("Sigmoid", tensor))

    expanded = swish(sketch.convolution("x", 24, 4, 1, 1))
    deep = swish(sketch.convolution(expanded, 24, 1, 3, 3, pads=[1] * 4, group=24))

    (block,) = sketch.parse_blocks(sketch.convolution(deep, 8, 24, 1, 1)).layers

    assert json.loads(block.layer.attributes)["activations"] == ["Swish", "Swish"]
    assert json.loads(block.layer.attributes)["beside"]["flops"] == 2 * 24 * 64
