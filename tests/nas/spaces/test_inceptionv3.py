from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
import torch

from nas.networks.export import check_against_torch, to_onnx
from nas.networks.layers import network_layers, slot_layers, space_layers
from nas.networks.network import Network
from nas.networks.operations import FeatureMap, Kind
from nas.networks.supernet import SuperNetwork
from nas.space import (
    Architecture,
    Carried,
    Choice,
    Image,
    Space,
    architecture_from_json,
    architecture_to_json,
    choice_label,
)
from nas.spaces.inception import LEFT_OUT, Branch, Pooling
from nas.spaces.inceptionv3 import inceptionv3
from nas.trellis import Trellis, space_trellis
from parsers.network import parse_network
from parsers.roofline import macs
from profiler.networks import light_network

LARGE = Image(channels=3, height=299, width=299)
SMALL = Image(channels=1, height=28, width=28)
FIVE = Branch(kernels=("1x1", "5x5"), widths=(4, 8))
POINT = Branch(kernels=("1x1",), widths=(8,))


@pytest.fixture(scope="module")
def small() -> Space:
    return inceptionv3(SMALL, 10)


@pytest.fixture(scope="module")
def trellis(small: Space) -> Trellis:
    return space_trellis(small)


@pytest.fixture(scope="module")
def shared(small: Space) -> SuperNetwork:
    torch.manual_seed(0)
    network = SuperNetwork(small)
    for name, parameter in network.named_parameters():
        if name.endswith(("scale", "shift")):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return network


def test_the_design_by_hand_is_inception_v3_as_published():
    """The models that torchvision and Keras ship: 5.71 billion multiply-accumulates, 23.8 million trained parameters."""
    space = inceptionv3(LARGE, 1000)

    layers = network_layers(space, space.manual())
    states = space.carried(space.manual())
    behind = [states[slot.number + 1] for slot in space.slots if slot.joins]

    assert sum(map(macs, layers)) == pytest.approx(5.71e9, rel=0.002)
    # Keras' normalises without a scale: beside the kernels, one shift per channel is trained, as many as biases here.
    assert sum(layer.weight_elements for layer in layers) == 23_817_352
    assert [state.channels for state in behind] == [256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048]
    assert [state.height for state in behind] == [35, 35, 35, 17, 17, 17, 17, 17, 8, 8, 8]


def test_its_layers_are_those_of_the_network_that_is_measured_but_for_how_often_branches_are_put_together():
    space = inceptionv3(LARGE, 1000)

    ours = Counter(layer for layer in network_layers(space, space.manual()) if layer.type != "Concat")
    measured = parse_network(light_network("inception_v3"), name="inception_v3")

    assert ours == Counter(item.layer for item in measured.layers if item.layer.type != "Concat")


def test_random_networks_are_the_same_in_torch_in_layers_and_in_onnx(
    small: Space,
    trellis: Trellis,
    members: Callable[..., list[Architecture]],
    assert_all_agree: Callable[[Space, Architecture], None],
):
    for member in members(small, trellis, 200, seed=3):
        assert_all_agree(small, member)


def test_so_are_large_ones(assert_all_agree: Callable[[Space, Architecture], None]):
    space = inceptionv3(LARGE, 1000)
    other: list[Choice] = [slot.choices[1] for slot in space.slots]

    for member in (space.manual(), tuple(other)):
        assert_all_agree(space, member)


def test_what_is_priced_slot_by_slot_makes_whole_networks(
    small: Space,
    trellis: Trellis,
    members: Callable[..., list[Architecture]],
    assert_pieces_make_networks: Callable[..., None],
):
    assert_pieces_make_networks(small, members(small, trellis, 10, seed=8), most=1.5)


def test_exported_networks_score_images_as_torch_does(
    small: Space, trellis: Trellis, members: Callable[..., list[Architecture]]
):
    torch.manual_seed(1)
    for member in members(small, trellis, 5, seed=4):
        network = Network(small, member).eval()

        check_against_torch(to_onnx(network, small.image), network, small.image)


def test_paths_through_the_shared_weights_are_the_networks_cut_out_and_learn(
    small: Space,
    trellis: Trellis,
    shared: SuperNetwork,
    members: Callable[..., list[Architecture]],
    assert_shared_weights_train: Callable[[SuperNetwork, Sequence[Architecture]], None],
):
    assert_shared_weights_train(shared, members(small, trellis, 20, seed=5))


def test_a_branch_meets_the_same_weights_however_wide_the_branches_before_it_are(small: Space, shared: SuperNetwork):
    narrow = Branch(kernels=("1x1",), widths=(4,))
    block, rest = small.manual()[1:4], small.manual()[4:]

    wide_path, narrow_path, without = (
        shared.cut_out((first, *block, *rest)).get_parameter("layers.slot4_p_0.convolution.weight")
        for first in (POINT, narrow, LEFT_OUT)
    )

    assert torch.equal(narrow_path[:, 4:], wide_path[:, 8:])
    assert torch.equal(without, wide_path[:, 8:])
    assert torch.equal(narrow_path[:, :4], wide_path[:, :4])


def test_branches_that_differ_in_their_kernels_size_share_weights_and_others_do_not(small: Space):
    names = {
        choice_label(choice): {
            operation.weights
            for operation in small.slot_operations(12, _inside(small, 12), choice)
            if operation.weights
        }
        for choice in small.slots[12].choices
    }

    assert names["1x1 1x7 7x1 c16"] == names["1x1 1x3 3x1 c16"] == {f"slot12_prc_{place}" for place in range(3)}
    assert not any("slot12" in name for name in names["none"])


def _inside(space: Space, slot: int) -> Carried:
    return space.carried(space.manual())[slot]


def test_a_block_puts_its_branches_together_without_those_that_are_left_out(small: Space):
    kept = (FeatureMap(channels=8, height=14, width=14), FeatureMap(channels=0, height=14, width=14))
    inside = Carried(channels=8, height=14, width=14, kept=(*kept, kept[0]))
    average = Branch(pooling=Pooling.AVERAGE, kernels=("1x1",), widths=(8,))

    pool, point, concat = slot_layers(small, 3, inside, average)

    assert (pool.type, point.type, concat.type) == ("AveragePool", "Conv", "Concat")
    assert concat.input_shapes == ((1, 8, 14, 14),) * 3
    assert small.follow(3, inside, average) == Carried(channels=24, height=14, width=14)
    assert [layer.type for layer in slot_layers(small, 3, inside, LEFT_OUT)] == ["Concat"]


def test_one_branch_alone_is_not_copied_and_no_block_has_none(small: Space):
    nothing = FeatureMap(channels=0, height=14, width=14)
    alone = Carried(channels=8, height=14, width=14, kept=(replace_channels(nothing, 8), nothing, nothing))
    empty = Carried(channels=8, height=14, width=14, kept=(nothing,) * 3)

    assert slot_layers(small, 3, alone, LEFT_OUT) == ()
    assert [one.kind for one in small.slot_operations(3, alone, LEFT_OUT)] == [Kind.CONCATENATE]
    assert small.follow(3, empty, LEFT_OUT) is None


def replace_channels(shape: FeatureMap, channels: int) -> FeatureMap:
    return FeatureMap(channels=channels, height=shape.height, width=shape.width)


def test_a_stage_loses_whole_blocks_from_its_end_and_never_a_part_of_one(small: Space):
    first = _inside(small, 4)
    begun = small.follow(4, first, POINT)
    assert begun is not None
    ended = small.follow(4, first, None)

    assert ended == Carried(channels=32, height=14, width=14, ended=True)
    assert small.follow(5, begun, None) is None
    assert small.follow(5, ended, None) == ended
    assert small.follow(5, ended, FIVE) is None
    assert [slot.number for slot in small.slots if None in slot.choices] == [4, 5, 6, 7, 15, 16, 17, 18]


@pytest.mark.parametrize("image", [LARGE, SMALL])
def test_no_two_branches_of_a_block_can_have_the_same_form(image: Image):
    """Else two networks would differ only in the order in which a block puts its branches together."""
    space = inceptionv3(image, 10)
    blocks: list[list[set[Choice]]] = []
    for slot in space.slots:
        if not slot.inside:
            blocks.append([])
        blocks[-1].append(set(slot.choices) - {None, LEFT_OUT})

    for block in blocks:
        assert not any(first & second for first, second in itertools.combinations(block, 2))
    assert [len(block) for block in blocks][-1] == 4


def test_shapes_are_few_enough_for_exact_potentials(small: Space):
    assert max(map(len, small.states())) < 1000
    assert max(map(len, inceptionv3(LARGE, 1000).states())) < 2000


def test_the_layers_of_the_space_hold_those_of_every_network(
    small: Space, trellis: Trellis, members: Callable[..., list[Architecture]]
):
    everything = {layer.key for layer in space_layers(small)}

    drawn = members(small, trellis, 20, seed=6)

    assert {layer.key for member in drawn for layer in network_layers(small, member)} <= everything


def test_architectures_survive_their_json(small: Space, trellis: Trellis, members: Callable[..., list[Architecture]]):
    for member in members(small, trellis, 20, seed=7):
        assert architecture_from_json(architecture_to_json(member), small) == member


def test_a_branch_is_written_as_pool_kernels_and_width():
    average = Branch(pooling=Pooling.AVERAGE, kernels=("1x1",), widths=(32,))

    assert [branch.label for branch in (average, FIVE, Branch(pooling=Pooling.MAX), LEFT_OUT)] == [
        "average 1x1 c32", "1x1 5x5 c8", "max", "none",
    ]  # fmt: skip


@pytest.mark.parametrize(("side", "sides"), [(28, [14, 7, 4]), (47, [24, 12, 6]), (64, [16, 8, 4]), (74, [19, 10, 5])])
def test_small_images_are_halved_three_or_four_times(side: int, sides: list[int]):
    space = inceptionv3(Image(channels=3, height=side, width=side), 10)

    heights = [state.height for state in space.carried(space.manual())]

    assert list(dict.fromkeys(heights)) == sides


def test_the_design_by_hand_for_small_images_costs_less_than_three_million_operations(small: Space):
    assert sum(map(macs, network_layers(small, small.manual()))) < 3e6
