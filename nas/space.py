"""A search space as data: a stem, slots with their choices, a head; and which choices fit together.

A network of the space is one choice per slot. What a slot may hold depends on what the slots before it carry over: the
shape of the tensor that is handed on, and those of others that are still needed (finished branches of an Inception
block, what an encoder keeps for its decoder). A choice says itself what it hands on and which operations it is; the
spaces, and their kinds of choices, lie in ``nas.spaces``. This module knows neither costs nor weights.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from nas.errors import SpaceError
from nas.networks.operations import FeatureMap, Operation, in_order, strided

Image = FeatureMap
"""What a network looks at: channels, height, width."""


class Task(StrEnum):
    """What a network tells of an image."""

    CLASSIFICATION = "classification"
    """One class: scores of shape (N, classes)."""
    SEGMENTATION = "segmentation"
    """A class of every pixel: scores of shape (N, classes, H, W)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the slots so far hand over to the next one."""

    channels: int
    height: int
    width: int
    kept: tuple[FeatureMap, ...] = ()
    """Other tensors that later slots read, in the order in which they were made."""
    ended: bool = False
    """Whether the current stage has ended: a slot of it was dropped."""

    @property
    def features(self) -> FeatureMap:
        """The shape of the tensor that is handed on."""
        return FeatureMap(channels=self.channels, height=self.height, width=self.width)


def behind_block(slot: Slot, carried: Carried, channels: int, *, idskip: bool) -> Carried | None:
    """Give what a block of so many output channels hands on; it can add its input only where it keeps the shape."""
    if idskip and (slot.stride != 1 or channels != carried.channels):
        return None
    shape = strided(carried.features, slot.stride, channels)
    return replace(carried, channels=shape.channels, height=shape.height, width=shape.width)


class Block(Protocol):
    """What a slot can hold: a frozen dataclass whose fields, numbers, words or lists of them, say all about it."""

    @property
    def label(self) -> str:
        """It in a few letters."""
        ...

    @property
    def attributes(self) -> tuple[float, ...]:
        """It as numbers from 0 on, as many for each kind of block in a space: what a search knows it by."""
        ...

    def follow(self, slot: Slot, carried: Carried) -> Carried | None:
        """Give what is handed on behind it; ``None`` where it does not fit."""
        ...

    def operations(self, slot: Slot, carried: Carried) -> tuple[Operation, ...]:
        """List what it computes; it fits behind ``carried``."""
        ...


Choice = Block | None
"""What a slot holds; ``None`` drops the slot."""

Architecture = tuple[Choice, ...]
"""A network of a space: one choice per slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one block."""

    number: int
    """Its position, from 0."""
    stage: int
    opens: bool
    """Whether it is its stage's first slot, which cannot be dropped."""
    stride: int
    choices: tuple[Choice, ...]
    manual: Block
    """The backbone's block here."""
    reads: str
    """Name of the tensor that is handed to it."""
    writes: str
    """Name of the tensor that it hands on: one per stage, so that a stage's result stays where it is."""
    closes: bool = False
    """Whether it is its stage's last slot."""
    keeps: bool = False
    """Whether what it hands on is kept for a later slot, too."""
    inside: bool = False
    """Whether it goes on with what an earlier slot began (a branch of a block): dropped with that one, never alone."""
    joins: bool = False
    """Whether it puts together what the slots of its block have made."""
    padded: bool = True
    """Whether a window that strides may stand over the border, so that sides are rounded up."""


class Stem(Protocol):
    """What is in front of the first slot."""

    def start(self, image: Image) -> Carried:
        """Give what the first slot is handed."""
        ...

    def operations(self, image: Image) -> tuple[Operation, ...]:
        """List what it computes; the first operation reads ``nas.networks.operations.IMAGE``."""
        ...


class Head(Protocol):
    """What is behind the last slot."""

    def operations(self, name: str, carried: Carried, classes: int) -> tuple[Operation, ...]:
        """List what it computes from the tensor called ``name``; the last operation writes the scores."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Stem, slots, head."""

    name: str
    image: Image
    classes: int
    stem: Stem
    slots: tuple[Slot, ...]
    head: Head
    task: Task = Task.CLASSIFICATION

    def start(self) -> Carried:
        """Give what the stem hands to the first slot."""
        return self.stem.start(self.image)

    def follow(self, index: int, carried: Carried, choice: Choice) -> Carried | None:
        """Give what slot ``index`` hands over when it holds ``choice``; ``None`` where the choice does not fit."""
        slot = self.slots[index]
        if choice is None:
            stays = slot.opens or (slot.inside and not carried.ended)
            following = None if stays else replace(carried, ended=True)
        elif carried.ended and not slot.opens:
            return None
        else:
            following = choice.follow(slot, replace(carried, ended=False) if carried.ended else carried)
        if following is None or not slot.keeps:
            return following
        return replace(following, kept=(*following.kept, following.features))

    def carried(self, architecture: Sequence[Choice]) -> tuple[Carried, ...]:
        """Give what is carried into every slot, and out of the last one: slots + 1 values.

        Raises:
            SpaceError: a wrong number of choices, or one that does not fit behind those before it.
        """
        if len(architecture) != len(self.slots):
            raise SpaceError(f"{self.name} has {len(self.slots)} slots, not {len(architecture)}.")
        states = [self.start()]
        for index, choice in enumerate(architecture):
            following = self.follow(index, states[-1], choice)
            if choice not in self.slots[index].choices or following is None:
                raise SpaceError(f"Slot {index + 1} of {self.name} cannot hold '{choice_label(choice)}' here.")
            states.append(following)
        return tuple(states)

    def states(self) -> tuple[tuple[Carried, ...], ...]:
        """List what can be carried into every slot, and out of the last one, in a fixed order."""
        states: list[tuple[Carried, ...]] = [(self.start(),)]
        for index, slot in enumerate(self.slots):
            reached = {self.follow(index, carried, choice): None for carried in states[-1] for choice in slot.choices}
            states.append(tuple(state for state in reached if state is not None))
        return tuple(states)

    def count(self) -> int:
        """Count the networks of the space."""
        ways = Counter([self.start()])
        for index, slot in enumerate(self.slots):
            behind: Counter[Carried] = Counter()
            for carried, choice in itertools.product(ways, slot.choices):
                following = self.follow(index, carried, choice)
                if following is not None:
                    behind[following] += ways[carried]
            ways = behind
        return ways.total()

    def manual(self) -> Architecture:
        """Give the hand-made design that the space is built around."""
        return tuple(slot.manual for slot in self.slots)

    def backbone_choice(self, index: int, carried: Carried) -> int:
        """Give the index of the choice that is closest to the backbone's block and fits behind ``carried``."""
        slot = self.slots[index]
        fitting = [i for i, choice in enumerate(slot.choices) if self.follow(index, carried, choice) is not None]
        return min(fitting, key=lambda i: _distance(slot.choices[i], slot.manual))

    def stem_operations(self) -> tuple[Operation, ...]:
        """List the operations in front of the first slot."""
        return self.stem.operations(self.image)

    def slot_operations(self, index: int, carried: Carried, choice: Choice) -> tuple[Operation, ...]:
        """List the operations of one slot; none where it is dropped.

        Raises:
            ValueError: a choice that does not fit behind ``carried``.
        """
        if self.follow(index, carried, choice) is None:
            raise ValueError(f"slot {index} cannot hold {choice} behind {carried}")
        return () if choice is None else choice.operations(self.slots[index], replace(carried, ended=False))

    def head_operations(self, carried: Carried) -> tuple[Operation, ...]:
        """List the operations behind the last slot."""
        return self.head.operations(self.slots[-1].writes, carried, self.classes)

    def operations(self, architecture: Sequence[Choice]) -> tuple[Operation, ...]:
        """List a network's operations in the order in which they run.

        Raises:
            SpaceError: choices that do not fit together.
        """
        states = self.carried(architecture)
        listed = [*self.stem_operations()]
        for index, choice in enumerate(architecture):
            listed += self.slot_operations(index, states[index], choice)
        return in_order([*listed, *self.head_operations(states[-1])])

    def every_operation(self) -> Iterator[Operation]:
        """Walk through all operations that a network of the space can hold; some come up more than once."""
        yield from self.stem_operations()
        states = self.states()
        for index, slot in enumerate(self.slots):
            for carried in states[index]:
                for choice in slot.choices:
                    if self.follow(index, carried, choice) is not None:
                        yield from self.slot_operations(index, carried, choice)
        for carried in states[-1]:
            yield from self.head_operations(carried)


def choice_label(choice: Choice) -> str:
    """Write a choice in a few letters, as ``k5 e3 c24 +`` or ``drop``."""
    return "drop" if choice is None else choice.label


def architecture_to_json(architecture: Sequence[Choice]) -> str:
    """Write an architecture as a JSON list with one object per slot; a dropped slot is null."""
    return json.dumps([_fields(choice) for choice in architecture], separators=(",", ":"))


def architecture_from_json(text: str, space: Space) -> Architecture:
    """Read what :func:`architecture_to_json` wrote.

    Raises:
        SpaceError: text that is no such list, or no network of the space.
    """
    try:
        written = json.loads(text)
    except json.JSONDecodeError as exc:
        raise SpaceError(f"Not an architecture: {exc}. It is a JSON list with one block, or null, per slot.") from exc
    if not isinstance(written, list) or len(written) != len(space.slots):
        raise SpaceError(
            f"Not an architecture of {space.name}: it is a JSON list of {len(space.slots)} blocks or nulls."
        )
    choices: list[Choice] = []
    for slot, fields in zip(space.slots, written, strict=True):
        matching = [choice for choice in slot.choices if _fields(choice) == fields]
        if not matching:
            raise SpaceError(f"Slot {slot.number + 1} of {space.name} has no choice {json.dumps(fields)}.")
        choices.append(matching[0])
    architecture = tuple(choices)
    space.carried(architecture)
    return architecture


def _fields(choice: Choice) -> object:
    """Write a choice as JSON has it: tuples become lists."""
    if choice is None:
        return None
    assert dataclasses.is_dataclass(choice)  # noqa: S101 - the Protocol cannot say it
    return json.loads(json.dumps(dataclasses.asdict(choice)))


def _distance(choice: Choice, manual: Block) -> tuple[bool, ...]:
    """Order choices by how far they are from the backbone's: what is carried on counts most, dropping the slot last."""
    if choice is None or type(choice) is not type(manual):
        return (True,)
    wanted, found = _fields(manual), _fields(choice)
    assert isinstance(wanted, dict)  # noqa: S101
    assert isinstance(found, dict)  # noqa: S101
    names = sorted(wanted, key=lambda name: name != "channels")
    return (False, *(found[name] != wanted[name] for name in names))
