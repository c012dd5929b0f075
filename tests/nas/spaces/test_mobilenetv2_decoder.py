from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from nas.networks.export import check_against_torch, to_onnx
from nas.networks.layers import network_layers, slot_layers, space_layers
from nas.networks.network import Network
from nas.networks.operations import FeatureMap
from nas.networks.supernet import SuperNetwork
from nas.space import (
    Architecture,
    Carried,
    Image,
    Space,
    Task,
    architecture_from_json,
    architecture_to_json,
    choice_label,
)
from nas.spaces.mobilenetv2_decoder import Level, Skip, mobilenetv2_decoder, scaled_mobilenetv2_decoder
from nas.trellis import Trellis, space_trellis
from parsers.roofline import macs

ODD = Image(channels=3, height=37, width=26)
SMALL = Image(channels=1, height=28, width=28)
DEEPEST = 7
"""The first slot of the decoder for small images."""

Members = Callable[..., list[Architecture]]


def level(skip: Skip, *, separable: bool = True, kernel_size: int = 3, channels: int = 24) -> Level:
    return Level(kernel_size=kernel_size, channels=channels, skip=skip, separable=separable)


@pytest.fixture(scope="module")
def small() -> Space:
    return mobilenetv2_decoder(SMALL, 2)


@pytest.fixture(scope="module")
def trellis(small: Space) -> Trellis:
    return space_trellis(small)


@pytest.fixture(scope="module")
def deepest(small: Space) -> Carried:
    """What the encoder by hand hands to the decoder."""
    return small.carried(small.manual())[DEEPEST]


def test_random_networks_are_the_same_in_torch_in_layers_and_in_onnx(
    small: Space, trellis: Trellis, members: Members, assert_all_agree: Callable[[Space, Architecture], None]
):
    for member in members(small, trellis, 200, seed=3):
        assert_all_agree(small, member)


@pytest.mark.parametrize(
    "image",
    [
        ODD,
        Image(channels=3, height=32, width=32),
        Image(channels=1, height=64, width=64),
        Image(channels=3, height=97, width=130),
    ],
)
def test_every_image_gets_scores_of_its_own_size(image: Image, assert_all_agree: Callable[[Space, Architecture], None]):
    space = mobilenetv2_decoder(image, 5)
    plain = (slot.choices[-1 if isinstance(slot.manual, Level) else 0] if slot.opens else None for slot in space.slots)

    for member in (space.manual(), tuple(plain)):
        assert_all_agree(space, member)


def test_what_is_priced_slot_by_slot_makes_whole_networks(
    small: Space,
    trellis: Trellis,
    members: Members,
    assert_pieces_make_networks: Callable[..., None],
):
    assert_pieces_make_networks(small, members(small, trellis, 10, seed=8), most=1.5)


def test_exported_networks_score_images_as_torch_does(small: Space, trellis: Trellis, members: Members):
    torch.manual_seed(1)
    for member in members(small, trellis, 5, seed=4):
        network = Network(small, member).eval()

        check_against_torch(to_onnx(network, small.image), network, small.image)


def test_paths_through_the_shared_weights_are_the_networks_cut_out_and_learn(
    small: Space,
    trellis: Trellis,
    members: Members,
    assert_shared_weights_train: Callable[[SuperNetwork, Sequence[Architecture]], None],
):
    torch.manual_seed(0)
    shared = SuperNetwork(small)
    for name, parameter in shared.named_parameters():
        if name.endswith(("scale", "shift")):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)

    assert_shared_weights_train(shared, members(small, trellis, 20, seed=5))


def test_the_encoder_keeps_what_the_decoder_looks_at_and_no_longer_than_it_does(small: Space):
    states = small.carried(small.manual())

    assert states[DEEPEST].kept == (
        SMALL,
        FeatureMap(channels=6, height=14, width=14),
        FeatureMap(channels=12, height=7, width=7),
        FeatureMap(channels=24, height=4, width=4),
    )
    assert [len(state.kept) for state in states] == [1, 2, 2, 3, 3, 4, 4, 4, 3, 2, 1, 0]
    assert [state.height for state in states] == [14, 14, 7, 7, 4, 4, 2, 2, 4, 7, 14, 28]


def test_a_level_grows_to_exactly_the_size_of_what_the_encoder_made(small: Space, deepest: Carried):
    even = slot_layers(small, DEEPEST, deepest, level(Skip.NONE))[0]
    odd = slot_layers(small, DEEPEST + 1, small.carried(small.manual())[DEEPEST + 1], level(Skip.NONE, channels=12))[0]

    assert (even.type, even.height, even.out_height) == ("ConvTranspose", 2, 4)
    assert (odd.type, odd.height, odd.out_height) == ("ConvTranspose", 4, 7)
    assert (even.attributes, odd.attributes) == ('{"output_padding":[1,1]}', "{}")


def test_a_level_concatenates_what_the_encoder_made_or_adds_a_projection_or_leaves_it_alone(
    small: Space, deepest: Carried
):
    types = {skip: [layer.type for layer in slot_layers(small, DEEPEST, deepest, level(skip))] for skip in Skip}
    full = [layer.type for layer in slot_layers(small, DEEPEST, deepest, level(Skip.NONE, separable=False))]
    added = slot_layers(small, DEEPEST, deepest, level(Skip.ADD))[1]

    assert types == {
        Skip.CONCATENATE: ["ConvTranspose", "Concat", "DepthwiseConv", "Conv"],
        Skip.ADD: ["ConvTranspose", "Conv", "DepthwiseConv", "Conv"],
        Skip.NONE: ["ConvTranspose", "DepthwiseConv", "Conv"],
    }
    assert full == ["ConvTranspose", "Conv"]
    assert added.fused_ops == ("Add",)


def test_only_the_last_level_looks_at_the_image_and_never_adds_it(small: Space):
    skips = [{choice.skip for choice in slot.choices if isinstance(choice, Level)} for slot in small.slots[DEEPEST:]]
    last = small.slot_operations(10, small.carried(small.manual())[10], small.manual()[10])

    assert skips == [set(Skip)] * 3 + [{Skip.CONCATENATE, Skip.NONE}]
    assert last[1].reads == ("x8_up", "image")


def test_the_space_asks_for_pixels_and_its_network_scores_them(small: Space):
    with torch.no_grad():
        scores = Network(small, small.manual())(torch.zeros(3, 1, 28, 28))

    assert small.task is Task.SEGMENTATION
    assert scores.shape == (3, 2, 28, 28)


def test_by_hand_it_trains_on_a_cpu_and_its_shapes_are_few():
    space = mobilenetv2_decoder(Image(channels=1, height=64, width=64), 2)
    large = mobilenetv2_decoder(Image(channels=3, height=224, width=224), 21)

    assert sum(map(macs, network_layers(space, space.manual()))) < 3e6
    assert max(map(len, space.states())) < 200
    assert max(map(len, large.states())) < 500


def test_the_layers_of_the_space_hold_those_of_every_network(small: Space, trellis: Trellis, members: Members):
    everything = {layer.key for layer in space_layers(small)}

    drawn = members(small, trellis, 20, seed=6)

    assert {layer.key for member in drawn for layer in network_layers(small, member)} <= everything


def test_architectures_survive_their_json_and_a_level_is_written_in_a_few_words(
    small: Space, trellis: Trellis, members: Members
):
    for member in members(small, trellis, 20, seed=7):
        assert architecture_from_json(architecture_to_json(member), small) == member

    written = [choice_label(level(Skip.ADD)), choice_label(level(Skip.NONE, separable=False, kernel_size=5))]
    assert written == ["up3 c24 add separable", "up5 c24 none"]


def test_scaled_by_one_it_is_the_network_by_hand_and_by_a_half_encoder_and_decoder_are_narrower(small: Space):
    same, half = (scaled_mobilenetv2_decoder(SMALL, 2, depth=scale, width=scale) for scale in (1.0, 0.5))

    assert network_layers(same, same.manual()) == network_layers(small, small.manual())
    assert len(half.slots) == len(small.slots) - 3
    assert [choice.channels for choice in half.manual()] == [4, 6, 12, 16, 12, 6, 4, 4]
