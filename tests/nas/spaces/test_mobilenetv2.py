from __future__ import annotations

import pytest

from nas.networks.layers import network_layers
from nas.space import Image
from nas.spaces.inverted_residual import InvertedResidual
from nas.spaces.mobilenetv2 import mobilenetv2, mobilenetv2_tiny, scaled_mobilenetv2
from parsers.roofline import macs

IMAGENET = Image(channels=3, height=224, width=224)
SMALL = Image(channels=1, height=28, width=28)


def test_the_design_by_hand_is_mobilenetv2_as_published():
    """Sandler et al., Table 4: 300 million multiply-accumulates, 3.4 million parameters."""
    space = mobilenetv2(IMAGENET, 1000)

    layers = network_layers(space, space.manual())

    assert len(space.slots) == 17
    assert sum(map(macs, layers)) == pytest.approx(300e6, rel=0.01)
    assert sum(layer.weight_elements for layer in layers) == pytest.approx(3.4e6, rel=0.03)


@pytest.mark.parametrize("image", [SMALL, IMAGENET])
def test_a_slot_holds_every_kernel_expansion_and_width_with_and_without_its_input_and_can_be_dropped(image: Image):
    space = mobilenetv2(image, 10)

    choices = set(space.slots[2].choices)  # the second of its stage

    widths = {choice.channels for choice in choices if isinstance(choice, InvertedResidual)}
    assert choices == {None} | {
        InvertedResidual(kernel_size=kernel, expansion=expansion, channels=width, idskip=idskip)
        for kernel in (3, 5, 7)
        for expansion in range(1, 7)
        for width in widths
        for idskip in (False, True)
    }
    assert len(widths) == 3


def test_on_small_images_the_backbone_halves_three_times_and_stays_below_three_million_operations():
    space = mobilenetv2(SMALL, 10)

    states = space.carried(space.manual())

    assert [state.height for state in states] == [14] * 4 + [7] * 10 + [4] * 4
    assert sum(map(macs, network_layers(space, space.manual()))) < 3e6


def test_the_tiny_space_has_nine_slots_in_three_stages():
    space = mobilenetv2_tiny(SMALL, 10)

    assert [slot.stage for slot in space.slots] == [0, 0, 1, 1, 1, 2, 2, 2, 2]


def test_scaled_by_one_the_network_is_the_one_by_hand_and_by_less_it_is_narrower_and_shallower():
    space = mobilenetv2(SMALL, 10)
    same, half = (scaled_mobilenetv2(SMALL, 10, depth=scale, width=scale) for scale in (1.0, 0.5))

    assert network_layers(same, same.manual()) == network_layers(space, space.manual())
    assert [slot.stage for slot in half.slots] == [0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert [choice.channels for choice in half.manual()] == [4, 4, 4, 4, 8, 8, 8, 8, 16, 16, 32]
