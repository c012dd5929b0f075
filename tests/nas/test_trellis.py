from __future__ import annotations

import numpy as np
import pytest

from nas.errors import SpaceError
from nas.space import Space
from nas.trellis import NOWHERE, architecture_of, choices_of, space_trellis


def test_choices_and_architectures_stand_for_each_other(space: Space):
    choices = choices_of(space, space.manual())

    assert architecture_of(space, choices) == space.manual()


def test_choices_of_an_architecture_that_does_not_fit_are_refused(space: Space):
    with pytest.raises(SpaceError, match="Slot 1"):
        choices_of(space, (None,) * 9)


def test_with_nothing_decided_the_network_is_the_backbone(space: Space):
    trellis = space_trellis(space)

    assert architecture_of(space, trellis.complete(())) == space.manual()


def test_whatever_is_decided_the_network_is_a_whole_one(space: Space):
    trellis, random = space_trellis(space), np.random.default_rng(0)
    node, decided = 0, []
    for successor in trellis.successors:
        decided.append(int(random.choice(np.flatnonzero(successor[node] != NOWHERE))))
        node = int(successor[node, decided[-1]])

        whole = trellis.complete(decided)

        assert whole[: len(decided)] == tuple(decided)
        space.carried(architecture_of(space, whole))


def test_dropping_a_slot_drops_the_rest_of_the_backbones_stage(space: Space):
    trellis = space_trellis(space)
    manual = choices_of(space, space.manual())
    drop = space.slots[3].choices.index(None)

    whole = architecture_of(space, trellis.complete((*manual[:3], drop)))

    assert whole == (*space.manual()[:3], None, None, *space.manual()[5:])


def test_a_path_that_does_not_fit_is_refused(space: Space):
    trellis = space_trellis(space)

    with pytest.raises(ValueError, match="does not fit into slot 1"):
        trellis.path([0, space.slots[1].choices.index(space.manual()[1])])


def test_attributes_and_what_is_carried_lie_between_0_and_1(space: Space):
    trellis = space_trellis(space)

    for values in (*trellis.attributes, *trellis.carried):
        assert values.min() >= 0
        assert values.max() <= 1
