from __future__ import annotations

import math
from dataclasses import replace

import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from parsers.network import parse_network
from parsers.published.block_layer import inverted_residual, squeeze_channels
from parsers.published.sketch import Image
from parsers.roofline import macs

SOURCE = Image(channels=4, height=8, width=8)
RESULT = Image(channels=6, height=4, width=4)


def conv(name: str, source: str, weights: dict[str, list[int]], shape: list[int], **attributes: object) -> NodeProto:
    """A convolution with a bias; its weights join the others."""
    weights |= {f"{name}_w": shape, f"{name}_b": shape[:1]}
    kernel = shape[2:]
    return helper.make_node(
        "Conv",
        [source, f"{name}_w", f"{name}_b"],
        [name],
        kernel_shape=kernel,
        pads=[side // 2 for side in kernel] * 2,
        **attributes,
    )


def block_graph(*, squeezed: int, adds: bool) -> onnx.ModelProto:
    """An 8×8 block of 4 channels: expand to 12, depthwise 3×3, perhaps squeeze, project to 4."""
    weights: dict[str, list[int]] = {}
    nodes = [
        conv("e", "x", weights, [12, 4, 1, 1]),
        helper.make_node("Relu", ["e"], ["er"]),
        conv("d", "er", weights, [12, 1, 3, 3], group=12),
        helper.make_node("Relu", ["d"], ["dr"]),
    ]
    if squeezed:
        nodes += [
            helper.make_node("GlobalAveragePool", ["dr"], ["p"]),
            conv("s", "p", weights, [squeezed, 12, 1, 1]),
            helper.make_node("Relu", ["s"], ["sr"]),
            conv("g", "sr", weights, [12, squeezed, 1, 1]),
            helper.make_node("HardSigmoid", ["g"], ["gr"]),
            helper.make_node("Mul", ["dr", "gr"], ["m"]),
        ]
    nodes.append(conv("y" if not adds else "q", "m" if squeezed else "dr", weights, [4, 12, 1, 1]))
    if adds:
        nodes.append(helper.make_node("Add", ["q", "x"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "block",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])],
        [
            helper.make_tensor(name, TensorProto.FLOAT, shape, [0.5] * math.prod(shape))
            for name, shape in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("squeezes", [False, True])
def test_a_block_is_the_layer_that_is_read_off_its_graph(squeezes: bool, adds: bool):
    model = block_graph(squeezed=squeeze_channels(12) if squeezes else 0, adds=adds)
    (item,) = parse_network(model, name="block", blocks=True).layers

    layer = inverted_residual(
        SOURCE, SOURCE, middle=12, kernel=3, stride=1, adds=adds, activation="Relu", squeezes=squeezes
    )

    assert layer == item.layer


def test_a_blocks_work_is_that_of_its_three_convolutions():
    block = inverted_residual(
        SOURCE, RESULT, middle=12, kernel=5, stride=2, adds=False, activation="Relu", squeezes=False
    )

    assert block is not None
    assert macs(block) == 64 * 4 * 12 + 16 * 12 * 25 + 16 * 12 * 6


def test_sizes_of_which_no_graph_would_be_a_block_are_none():
    one = replace(SOURCE, channels=1)

    assert (
        inverted_residual(one, one, middle=1, kernel=3, stride=1, adds=False, activation="Relu", squeezes=False) is None
    )


@pytest.mark.parametrize(("middle", "channels"), [(12, 8), (72, 24), (120, 32), (480, 120), (16, 8)])
def test_a_squeeze_is_a_quarter_in_steps_of_eight_that_never_loses_a_tenth(middle: int, channels: int):
    # 72/4 = 18: 16 would lose more than a tenth
    assert squeeze_channels(middle) == channels
