from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.export import fold_normalisation, to_onnx
from nas.layers import network_layers, slot_layers, space_layers
from nas.network import Network
from nas.space import Architecture, Block, Carried, Space
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
    return network


class Gallery(nn.Module):
    """Several networks that look at one image, so that they can be exported in one go."""

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.stack([network(image) for network in self.networks])


def test_the_layers_of_twenty_random_networks_are_those_of_their_exported_graphs(space: Space):
    members = random_members(space, 20, seed=3)
    networks: list[nn.Module] = [fold_normalisation(trained(space, member)) for member in members]
    written = [network_layers(space, member) for member in members]

    read = parse_network(to_onnx(Gallery(networks).eval(), space.image), name="gallery")
    made_of_networks = [item.layer for item in read.layers if item.layer.type not in {"Unsqueeze", "Concat"}]

    assert sorted(layer.key for layer in made_of_networks) == sorted(one.key for layers in written for one in layers)
    assert read.macs == sum(macs(layer) for layers in written for layer in layers)
    for network, layers in zip(networks, written, strict=True):
        assert sum(weight.numel() for weight in network.parameters()) == sum(one.weight_elements for one in layers)


def test_the_manual_design_is_read_back_layer_by_layer_in_its_order(space: Space):
    manual = space.manual()

    read = parse_network(to_onnx(fold_normalisation(trained(space, manual)), space.image), name="manual")

    assert tuple(item.layer for item in read.layers) == network_layers(space, manual)


def test_a_block_is_expansion_depthwise_and_a_projection_that_adds_the_input(small_space: Space):
    block = Block(kernel_size=5, expansion=2, channels=4, idskip=True)

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
    plain = Block(kernel_size=3, expansion=1, channels=6, idskip=False)

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
