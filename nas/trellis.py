"""A search space as a graph of decisions: what may follow what, without saying what a choice means.

Slot t has nodes, one for everything that the slots before it can carry over, and a choice leads from a node of slot t to
one of slot t + 1. All that the search does (mask, potentials, drawing, encoding) happens on this graph, so that a space
of another kind, or a test's two-slot puzzle, needs nothing but its own graph.

Notation::

    T  slots        N_t  nodes in front of slot t (N_0 = 1)        A_t  choices of slot t        F  attributes of a choice
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.space import Carried, Choice, Space

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Choices = tuple[int, ...]
"""A network: the index of the choice taken in every slot."""

NOWHERE = -1
"""The successor of a choice that does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trellis:
    """Decisions in their order. Node 0 of slot 0 is where every network starts."""

    successors: tuple[IntArray, ...]
    """Per slot: the node that a choice leads to, shape (N_t, A_t); :data:`NOWHERE` where it does not fit."""
    backbone: tuple[IntArray, ...]
    """Per slot: the choice that the backbone has there, shape (N_t,)."""
    attributes: tuple[FloatArray, ...]
    """Per slot: what the layer is that a choice makes, in [0, 1], shape (N_t, A_t, F)."""
    carried: tuple[FloatArray, ...]
    """Per slot and behind the last one: what a node carries, in [0, 1], shape (N_t, G)."""

    @property
    def slots(self) -> int:
        """How many decisions make a network."""
        return len(self.successors)

    @property
    def widest(self) -> int:
        """The largest number of choices that a slot has."""
        return max(int(successor.shape[1]) for successor in self.successors)

    def nodes(self, slot: int) -> int:
        """Count the nodes in front of a slot; ``slots`` asks behind the last one."""
        return len(self.carried[slot])

    def path(self, choices: Sequence[int]) -> tuple[int, ...]:
        """Give the node in front of every slot and behind the last decided one, as far as ``choices`` go.

        Raises:
            ValueError: a choice that does not fit.
        """
        nodes = [0]
        for slot, choice in enumerate(choices):
            following = int(self.successors[slot][nodes[-1], choice])
            if following == NOWHERE:
                raise ValueError(f"choice {choice} does not fit into slot {slot}")
            nodes.append(following)
        return tuple(nodes)

    def complete(self, decided: Sequence[int]) -> Choices:
        """Finish a network as the backbone would: N_t of Algorithm 1, which is a whole network at every step."""
        choices = list(decided)
        node = self.path(decided)[-1]
        for slot in range(len(choices), self.slots):
            choice = int(self.backbone[slot][node])
            choices.append(choice)
            node = int(self.successors[slot][node, choice])
        return tuple(choices)


def space_trellis(space: Space) -> Trellis:
    """Lay a space out as a graph."""
    states = space.states()
    successors: list[IntArray] = []
    backbone: list[IntArray] = []
    for index, slot in enumerate(space.slots):
        place = {state: node for node, state in enumerate(states[index + 1])}
        rows = [[_place(place, space.follow(index, state, c)) for c in slot.choices] for state in states[index]]
        successors.append(np.array(rows, dtype=np.int64))
        backbone.append(np.array([space.backbone_choice(index, state) for state in states[index]], dtype=np.int64))
    return Trellis(
        successors=tuple(successors),
        backbone=tuple(backbone),
        attributes=_attributes(space, states),
        carried=_carried(space, states),
    )


def choices_of(space: Space, architecture: Sequence[Choice]) -> Choices:
    """Give the indices of an architecture's choices.

    Raises:
        SpaceError: choices that do not fit together.
    """
    space.carried(architecture)
    return tuple(slot.choices.index(choice) for slot, choice in zip(space.slots, architecture, strict=True))


def architecture_of(space: Space, choices: Sequence[int]) -> tuple[Choice, ...]:
    """Give the architecture that indices of choices stand for."""
    return tuple(slot.choices[index] for slot, index in zip(space.slots, choices, strict=True))


def _place(place: dict[Carried, int], state: Carried | None) -> int:
    return NOWHERE if state is None else place[state]


def _attributes(space: Space, states: Sequence[Sequence[Carried]]) -> tuple[FloatArray, ...]:
    """Describe every choice: the block's own attributes, stride, in and out channels, whether it drops the slot."""
    widest = max(carried.channels for nodes in states for carried in nodes)
    blocks = [choice.attributes for slot in space.slots for choice in slot.choices if choice is not None]
    largest = np.maximum(np.max(blocks, axis=0), 1e-9)
    described = []
    for index, slot in enumerate(space.slots):
        rows = []
        for carried in states[index]:
            for choice in slot.choices:
                following = space.follow(index, carried, choice)
                out = carried if following is None else following
                own = np.zeros(len(largest)) if choice is None else np.array(choice.attributes) / largest
                stride = 0.0 if choice is None else slot.stride / 2
                rows.append([*own, stride, carried.channels / widest, out.channels / widest, float(choice is None)])
        described.append(np.array(rows).reshape(len(states[index]), len(slot.choices), -1))
    return tuple(described)


def _carried(space: Space, states: Sequence[Sequence[Carried]]) -> tuple[FloatArray, ...]:
    """Describe what is carried: channels, height, width, whether the stage has ended, channels of what is kept."""
    widest = max(carried.channels for nodes in states for carried in nodes)
    kept = [[[item.channels for item in carried.kept] for carried in nodes] for nodes in states]
    places = max(len(channels) for nodes in kept for channels in nodes)
    largest = max((width for nodes in kept for channels in nodes for width in channels), default=1)

    def row(state: Carried, channels: Sequence[int]) -> list[float]:
        own = [state.channels / widest, state.height / space.image.height, state.width / space.image.width]
        padded = [*channels, *[0] * (places - len(channels))]
        return [*own, float(state.ended), *(width / largest for width in padded)]

    return tuple(
        np.array([row(state, channels) for state, channels in zip(nodes, listed, strict=True)])
        for nodes, listed in zip(states, kept, strict=True)
    )
