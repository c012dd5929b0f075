from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import SpaceError
from nas.space import (
    Carried,
    Choice,
    Image,
    Space,
    architecture_from_json,
    architecture_to_json,
    choice_label,
)
from nas.spaces import make_space
from nas.spaces.inverted_residual import InvertedResidual


def block(channels: int, *, idskip: bool = False) -> InvertedResidual:
    return InvertedResidual(kernel_size=3, expansion=1, channels=channels, idskip=idskip)


def test_the_stem_and_every_stage_but_the_first_halve_the_image_rounding_up(space: Space):
    states = space.carried(space.manual())

    assert [(state.height, state.width) for state in states] == [(14, 14)] * 3 + [(7, 7)] * 3 + [(4, 4)] * 4


def test_the_manual_design_adds_its_input_wherever_shapes_agree(space: Space):
    states = space.carried(space.manual())

    for slot, carried, choice in zip(space.slots, states, space.manual(), strict=False):
        assert choice is not None
        assert choice.idskip == (slot.stride == 1 and carried.channels == choice.channels)


def test_a_block_adds_its_input_only_where_it_keeps_the_shape(small_space: Space):
    carried = Carried(channels=4, height=6, width=6)

    assert small_space.follow(1, carried, block(4, idskip=True)) == carried
    assert small_space.follow(1, carried, block(6, idskip=True)) is None
    assert small_space.follow(2, carried, block(4, idskip=True)) is None  # strides


def test_after_a_dropped_slot_the_rest_of_its_stage_is_dropped_and_the_next_stage_opens(space: Space):
    ended = space.follow(3, Carried(channels=8, height=7, width=7), None)

    assert ended == Carried(channels=8, height=7, width=7, ended=True)
    assert space.follow(4, ended, block(8)) is None
    assert space.follow(4, ended, None) == ended
    assert space.follow(5, ended, block(16)) == Carried(channels=16, height=4, width=4)


def test_a_stage_cannot_lose_its_first_slot(space: Space):
    assert space.follow(0, space.start(), None) is None
    assert None not in space.slots[2].choices


def test_no_network_can_be_written_in_two_ways(small_space: Space):
    seen: dict[tuple[object, ...], object] = {}
    for choices in itertools.product(*(slot.choices for slot in small_space.slots)):
        try:
            small_space.carried(choices)
        except SpaceError:
            continue
        blocks = tuple(
            (slot.stage, choice) for slot, choice in zip(small_space.slots, choices, strict=True) if choice is not None
        )

        assert blocks not in seen
        seen[blocks] = choices

    # 12 blocks that may open; 12 that may follow, or none; 8 that stride; 12 that may follow, or none.
    assert len(seen) == small_space.count() == 12 * 13 * 8 * 13


def test_the_nearest_choice_to_the_backbone_gives_up_its_skip_where_channels_changed(space: Space):
    kept = space.slots[4].choices[space.backbone_choice(4, Carried(channels=8, height=7, width=7))]
    manual = space.slots[4].manual

    assert manual.idskip
    assert kept == InvertedResidual(
        kernel_size=manual.kernel_size, expansion=manual.expansion, channels=manual.channels, idskip=False
    )


def test_the_backbone_drops_what_an_ended_stage_cannot_hold(space: Space):
    ended = Carried(channels=8, height=7, width=7, ended=True)

    assert space.slots[4].choices[space.backbone_choice(4, ended)] is None


def test_a_wrong_number_of_choices_is_named(space: Space):
    with pytest.raises(SpaceError, match="has 9 slots, not 1"):
        space.carried([None])


def test_a_choice_that_does_not_fit_is_named_with_its_slot(space: Space):
    architecture = (None, *space.manual()[1:])

    with pytest.raises(SpaceError, match="Slot 1 of mobilenetv2-tiny cannot hold 'drop' here"):
        space.carried(architecture)


def test_an_unknown_space_lists_the_known_ones():
    with pytest.raises(SpaceError, match=r"No search space 'resnet'\. Known: .*mobilenetv2"):
        make_space("resnet", image=Image(channels=1, height=28, width=28), classes=10)


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4))
def test_an_architecture_survives_its_json(small_space: Space, numbers: list[int]):
    architecture: list[Choice] = []
    carried = small_space.start()
    for slot, number in zip(small_space.slots, numbers, strict=True):
        fitting = [choice for choice in slot.choices if small_space.follow(slot.number, carried, choice) is not None]
        architecture.append(fitting[number % len(fitting)])
        following = small_space.follow(slot.number, carried, architecture[-1])
        assert following is not None
        carried = following

    assert architecture_from_json(architecture_to_json(architecture), small_space) == tuple(architecture)


@pytest.mark.parametrize("text", ["[", "3", '[{"kernel_size": 3}]', "[null]"])
def test_text_that_is_no_architecture_is_refused(small_space: Space, text: str):
    with pytest.raises(SpaceError, match="Not an architecture"):
        architecture_from_json(text, small_space)


def test_blocks_that_a_space_does_not_have_or_cannot_put_together_are_refused(small_space: Space):
    unknown = '[{"code":"x"},null,null,null]'
    manual = architecture_to_json(small_space.manual())
    unfitting = "[null" + manual[manual.index("},") + 1 :]

    with pytest.raises(SpaceError, match=r"Slot 1 of small has no choice"):
        architecture_from_json(unknown, small_space)
    with pytest.raises(SpaceError, match=r"Slot 1 of small has no choice null"):
        architecture_from_json(unfitting, small_space)


def test_a_choice_is_written_in_a_few_letters():
    written = [choice_label(InvertedResidual(kernel_size=5, expansion=3, channels=24, idskip=True)), choice_label(None)]

    assert written == ["k5 e3 c24 +", "drop"]
