"""A search space as data: a stem, slots with their choices, a head; and which choices fit together.

A network of the space is one choice per slot, an inverted residual or nothing. What a slot may hold depends on what the
slots before it carry over: a block adds its input only where shapes agree, and a stage shrinks from its end (after a
dropped slot the rest of the stage is dropped too), so that no network can be written in two ways. This module knows
neither costs nor weights: ``nas.layers`` and ``nas.network`` build a network's layers and its torch module from here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from nas.errors import SpaceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One choice for a slot: expand 1×1, depthwise k×k, project 1×1 (MobileNetV2's inverted residual)."""

    kernel_size: int
    expansion: int
    """Middle channels over input channels; the expanding convolution is absent at 1."""
    channels: int
    """Output channels."""
    idskip: bool
    """Whether the block adds its input to its output."""


Choice = Block | None
"""What a slot holds; ``None`` drops the slot."""

Architecture = tuple[Choice, ...]
"""A network of a space: one choice per slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a network looks at."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the slots so far hand over to the next one."""

    channels: int
    height: int
    width: int
    ended: bool = False
    """Whether the current stage has ended: a slot of it was dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one block."""

    stage: int
    opens: bool
    """Whether it is its stage's first slot, which cannot be dropped."""
    stride: int
    choices: tuple[Choice, ...]
    manual: Block
    """The backbone's block here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Slots that work at one resolution; the first one strides."""

    slots: int
    stride: int
    widths: tuple[int, ...]
    manual_width: int
    manual_expansion: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Stem (3×3, stride 2), slots, head (1×1, global average, classifier)."""

    name: str
    image: Image
    classes: int
    stem_channels: int
    slots: tuple[Slot, ...]
    head_channels: int

    def start(self) -> Carried:
        """Give what the stem hands to the first slot."""
        return Carried(
            channels=self.stem_channels,
            height=_strided(self.image.height, 2),
            width=_strided(self.image.width, 2),
        )

    def follow(self, index: int, carried: Carried, choice: Choice) -> Carried | None:
        """Give what slot ``index`` hands over when it holds ``choice``; ``None`` where the choice does not fit."""
        slot = self.slots[index]
        if choice is None:
            return None if slot.opens else replace(carried, ended=True)
        if carried.ended and not slot.opens:
            return None
        if choice.idskip and (slot.stride != 1 or choice.channels != carried.channels):
            return None
        return Carried(
            channels=choice.channels,
            height=_strided(carried.height, slot.stride),
            width=_strided(carried.width, slot.stride),
        )

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

    def manual(self) -> Architecture:
        """Give the hand-made design that the space is built around: MobileNetV2 at this size."""
        return tuple(slot.manual for slot in self.slots)

    def backbone_choice(self, index: int, carried: Carried) -> int:
        """Give the index of the choice that is closest to the backbone's block and fits behind ``carried``."""
        slot = self.slots[index]
        fitting = [i for i, choice in enumerate(slot.choices) if self.follow(index, carried, choice) is not None]
        return min(fitting, key=lambda i: _distance(slot.choices[i], slot.manual))


def mobilenetv2(image: Image, classes: int) -> Space:
    """Build the MobileNetV2 space for small images (Sandler et al., CVPR 2018, at 1/8 of its resolution).

    Nine slots in three stages; kernel 3, 5 or 7, expansion 1, 3 or 6, half, the same or one and a half times the width
    by hand, with and without the input added; every slot but a stage's first can be dropped.
    """
    stages = (
        Stage(slots=2, stride=1, widths=(4, 8, 12), manual_width=8, manual_expansion=1),
        Stage(slots=3, stride=2, widths=(8, 16, 24), manual_width=16, manual_expansion=6),
        Stage(slots=4, stride=2, widths=(12, 24, 36), manual_width=24, manual_expansion=6),
    )
    return inverted_residual_space(
        "mobilenetv2",
        image=image,
        classes=classes,
        stem_channels=8,
        stages=stages,
        kernel_sizes=(3, 5, 7),
        expansions=(1, 3, 6),
        head_channels=48,
    )


SPACES: Mapping[str, Callable[[Image, int], Space]] = MappingProxyType({"mobilenetv2": mobilenetv2})
"""Spaces by name; each takes the data's image size and number of classes."""


def make_space(name: str, *, image: Image, classes: int) -> Space:
    """Build a space by its name.

    Raises:
        SpaceError: no space of that name.
    """
    if name not in SPACES:
        raise SpaceError(f"No search space {name!r}. Known: {', '.join(sorted(SPACES))}.")
    return SPACES[name](image, classes)


def inverted_residual_space(
    name: str,
    *,
    image: Image,
    classes: int,
    stem_channels: int,
    stages: Sequence[Stage],
    kernel_sizes: Sequence[int],
    expansions: Sequence[int],
    head_channels: int,
) -> Space:
    """Lay out a space of inverted residuals from its stages."""
    slots: list[Slot] = []
    channels = stem_channels
    for number, stage in enumerate(stages):
        for position in range(stage.slots):
            opens, stride = position == 0, stage.stride if position == 0 else 1
            blocks = itertools.product(
                kernel_sizes, expansions, stage.widths, (False, True) if stride == 1 else (False,)
            )
            choices: list[Choice] = [
                Block(kernel_size=kernel, expansion=expansion, channels=width, idskip=idskip)
                for kernel, expansion, width, idskip in blocks
            ]
            manual = Block(
                kernel_size=min(kernel_sizes),
                expansion=stage.manual_expansion,
                channels=stage.manual_width,
                idskip=stride == 1 and channels == stage.manual_width,
            )
            channels = stage.manual_width
            choices += [] if opens else [None]
            slots.append(Slot(stage=number, opens=opens, stride=stride, choices=tuple(choices), manual=manual))
    return Space(
        name=name,
        image=image,
        classes=classes,
        stem_channels=stem_channels,
        slots=tuple(slots),
        head_channels=head_channels,
    )


def choice_label(choice: Choice) -> str:
    """Write a choice in a few letters: ``k5 e3 c24 +`` (kernel, expansion, channels, adds its input) or ``drop``."""
    if choice is None:
        return "drop"
    return f"k{choice.kernel_size} e{choice.expansion} c{choice.channels}{' +' if choice.idskip else ''}"


def architecture_to_json(architecture: Architecture) -> str:
    """Write an architecture as a JSON list with one object per slot; a dropped slot is null."""
    blocks = [
        choice
        and {
            "kernel_size": choice.kernel_size,
            "expansion": choice.expansion,
            "channels": choice.channels,
            "idskip": choice.idskip,
        }
        for choice in architecture
    ]
    return json.dumps(blocks, separators=(",", ":"))


def architecture_from_json(text: str) -> Architecture:
    """Read what :func:`architecture_to_json` wrote.

    Raises:
        SpaceError: text that is no such list.
    """
    try:
        return tuple(None if block is None else Block(**block) for block in json.loads(text))
    except (TypeError, json.JSONDecodeError) as exc:
        raise SpaceError(f"Not an architecture: {exc}. It is a JSON list with one block, or null, per slot.") from exc


def _strided(side: int, stride: int) -> int:
    return -(-side // stride)


def _distance(choice: Choice, manual: Block) -> tuple[bool, ...]:
    """Order choices by how far they are from the backbone's: what is carried on counts most, dropping the slot last."""
    if choice is None:
        return (True,) * 5
    return (
        False,
        choice.channels != manual.channels,
        choice.expansion != manual.expansion,
        choice.kernel_size != manual.kernel_size,
        choice.idskip != manual.idskip,
    )
