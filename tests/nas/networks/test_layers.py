from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.networks.export import to_onnx
from nas.networks.layers import network_layers, slot_layers, space_layers
from nas.networks.network import Convolution, Network
from nas.space import Architecture, Carried, Space
from nas.spaces.inverted_residual import InvertedResidual
from nas.trellis import NOWHERE, architecture_of, space_trellis
from parsers.network import parse_network
from parsers.roofline import macs
from parsers.schema import Layer


def random_members(space: Space, n: int, seed: int) -> list[Architecture]:
    """Walk through the space with a fair choice in every slot."""
    random, trellis = np.random.default_rng(seed), space_trellis(space)
    members = []
    for _ in range(n):
        node, choices = 0, []
        for successor in trellis.successors:
            choices.append(int(random.choice(np.flatnonzero(successor[node] != NOWHERE))))
            node = int(successor[node, choices[-1]])
        members.append(architecture_of(space, choices))
    return members


def trained(space: Space, member: Architecture) -> Network:
    """A network with statistics as training leaves them: biases that are nil would not be exported."""
    network, generator = Network(space, member), torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(generator=generator)
    return network.eval()


def test_the_layers_of_random_networks_are_those_of_their_exported_graphs(space: Space):
    for member in random_members(space, 200, seed=3):
        network, written = trained(space, member), network_layers(space, member)

        read = parse_network(to_onnx(network, space.image), name="member")

        assert tuple(item.layer for item in read.layers) == written
        assert read.macs == sum(map(macs, written))
        folded = [layer.folded() for layer in network.layers.values() if isinstance(layer, Convolution)]
        weights = [weight for layer in (*folded, network.layers["classifier"]) for weight in layer.parameters()]
        assert sum(weight.numel() for weight in weights) == sum(layer.weight_elements for layer in written)


def test_a_block_is_expansion_depthwise_and_a_projection_that_adds_the_input(small_space: Space):
    block = InvertedResidual(kernel_size=5, expansion=2, channels=4, idskip=True)

    expand, depthwise, project = slot_layers(small_space, 1, Carried(channels=4, height=6, width=6), block)

    assert (expand.type, expand.in_channels, expand.channels, expand.weight_elements) == ("Conv", 4, 8, 4 * 8 + 8)
    assert depthwise == Layer(
        type="DepthwiseConv",
        in_channels=8,
        channels=8,
        height=6,
        width=6,
        out_height=6,
        out_width=6,
        kernel_height=5,
        kernel_width=5,
        stride_height=1,
        stride_width=1,
        pad_top=2,
        pad_bottom=2,
        pad_left=2,
        pad_right=2,
        groups=8,
        input_volume=8 * 36,
        output_volume=8 * 36,
        weight_elements=8 * 25 + 8,
        fused_ops=("Relu6",),
        input_shapes=((1, 8, 6, 6),),
        output_shape=(1, 8, 6, 6),
    )
    assert project.fused_ops == ("Add",)
    assert project.input_shapes == ((1, 8, 6, 6), (1, 4, 6, 6))
    assert project.input_volume == (8 + 4) * 36


def test_a_block_without_expansion_has_two_layers_and_a_dropped_slot_none(small_space: Space):
    carried = Carried(channels=4, height=6, width=6)
    plain = InvertedResidual(kernel_size=3, expansion=1, channels=6, idskip=False)

    assert [layer.type for layer in slot_layers(small_space, 1, carried, plain)] == ["DepthwiseConv", "Conv"]
    assert slot_layers(small_space, 1, carried, None) == ()


def test_a_choice_that_does_not_fit_has_no_layers(small_space: Space):
    with pytest.raises(ValueError, match="slot 0 cannot hold None"):
        slot_layers(small_space, 0, small_space.start(), None)


def test_the_layers_of_a_space_hold_those_of_every_network_each_once(space: Space):
    everything = [layer.key for layer in space_layers(space)]

    members = random_members(space, 50, seed=5)

    assert len(set(everything)) == len(everything)
    assert {layer.key for member in members for layer in network_layers(space, member)} <= set(everything)
