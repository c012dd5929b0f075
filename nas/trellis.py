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


def space_states(space: Space) -> tuple[tuple[Carried, ...], ...]:
    """List what can be carried into every slot, and out of the last one, in a fixed order."""
    states: list[tuple[Carried, ...]] = [(space.start(),)]
    for index, slot in enumerate(space.slots):
        reached = {space.follow(index, carried, choice): None for carried in states[-1] for choice in slot.choices}
        states.append(tuple(state for state in reached if state is not None))
    return tuple(states)


def space_trellis(space: Space) -> Trellis:
    """Lay a space out as a graph."""
    states = space_states(space)
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
        attributes=tuple(_attributes(space, index, states[index]) for index in range(len(space.slots))),
        carried=tuple(_carried(space, nodes) for nodes in states),
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


def _attributes(space: Space, index: int, states: Sequence[Carried]) -> FloatArray:
    """Describe every choice by the paper's attributes: kernel, stride, expansion, idskip, in and out channels; dropped?"""
    slot = space.slots[index]
    blocks = [choice for other in space.slots for choice in other.choices if choice is not None]
    kernel = max(block.kernel_size for block in blocks)
    expansion = max(block.expansion for block in blocks)
    channels = max(space.stem_channels, *(block.channels for block in blocks))
    rows = []
    for state in states:
        for choice in slot.choices:
            if choice is None:
                rows.append([0.0, 0.0, 0.0, 0.0, state.channels / channels, state.channels / channels, 1.0])
            else:
                rows.append(
                    [
                        choice.kernel_size / kernel,
                        slot.stride / 2,
                        choice.expansion / expansion,
                        float(choice.idskip),
                        state.channels / channels,
                        choice.channels / channels,
                        0.0,
                    ]
                )
    return np.array(rows).reshape(len(states), len(slot.choices), -1)


def _carried(space: Space, states: Sequence[Carried]) -> FloatArray:
    """Describe what is carried: channels, height, width, whether the stage has ended."""
    widest = max(carried.channels for nodes in space_states(space) for carried in nodes)
    rows = [
        [
            state.channels / widest,
            state.height / space.image.height,
            state.width / space.image.width,
            float(state.ended),
        ]
        for state in states
    ]
    return np.array(rows)
