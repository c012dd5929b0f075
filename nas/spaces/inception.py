"""Blocks of branches (Szegedy et al., CVPR 2015 and 2016): the branch, and the slots that a list of blocks makes.

A block's branches all read what is handed to the block; its last slot puts their results together.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from nas.networks.operations import (
    IMAGE,
    Activation,
    FeatureMap,
    Kind,
    Operation,
    classifier,
    concatenation,
    convolution,
    pooling,
    strided,
)
from nas.space import Carried, Image, Slot


class Pooling(StrEnum):
    """What a branch begins with, 3×3."""

    AVERAGE = "average"
    MAX = "max"


_POOLS = {Pooling.AVERAGE: Kind.AVERAGE_POOL, Pooling.MAX: Kind.MAX_POOL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A pool, if any, then convolutions one after the other, each with its normalisation and ReLU; or nothing at all.

    The last of them strides. Branches of one slot that differ only in how large their kernels are share weights.
    """

    pooling: Pooling | None = None
    kernels: tuple[str, ...] = ()
    """Height x width of every convolution; ``1x3+3x1`` are two side by side."""
    widths: tuple[int, ...] = ()
    """Output channels of every convolution; of two side by side, of both together."""

    @property
    def is_left_out(self) -> bool:
        """Whether the block goes without this branch."""
        return self.pooling is None and not self.kernels

    @property
    def label(self) -> str:
        """Pool, kernels, and the channels of the result."""
        pool = [] if self.pooling is None else [self.pooling.value]
        width = [f"c{self.widths[-1]}"] if self.widths else []
        return "none" if self.is_left_out else " ".join([*pool, *self.kernels, *width])

    @property
    def attributes(self) -> tuple[float, ...]:
        """How many convolutions, the area of their kernels, the first and the last one's channels, which pool."""
        area = sum(height * width for kernel in self.kernels for height, width in map(_sides, kernel.split("+")))
        first, last = (self.widths[0], self.widths[-1]) if self.widths else (0, 0)
        pool = 0 if self.pooling is None else 1 + list(Pooling).index(self.pooling)
        return float(len(self.kernels)), float(area), float(first), float(last), float(pool)

    def follow(self, slot: Slot, carried: Carried) -> Carried | None:
        """Keep the branch's result; behind the block's last one, hand on all of them. One at least is not left out."""
        kept = (*carried.kept, self._output(slot, carried))
        if not slot.joins:
            return replace(carried, kept=kept)
        channels = sum(shape.channels for shape in kept)
        return Carried(channels=channels, height=kept[0].height, width=kept[0].width) if channels else None

    def operations(self, slot: Slot, carried: Carried) -> tuple[Operation, ...]:
        """List pool and convolutions, and in a block's last slot what puts its branches together."""
        number = len(carried.kept)
        listed = () if self.is_left_out else self._chain(slot, carried.features, _name(slot, number))
        if not slot.joins:
            return listed
        kept = enumerate((*carried.kept, self._output(slot, carried)))
        parts = [(_name(slot, place), shape) for place, shape in kept if shape.channels]
        return (*listed, concatenation(parts, writes=slot.writes))

    def _output(self, slot: Slot, carried: Carried) -> FeatureMap:
        """Give the shape of the branch's result; without channels where it is left out. All that strides is 3×3."""
        channels = 0 if self.is_left_out else self.widths[-1] if self.widths else carried.channels
        if slot.padded or slot.stride == 1:
            return strided(carried.features, slot.stride, channels)
        height, width = ((side - 3) // slot.stride + 1 for side in (carried.height, carried.width))
        return FeatureMap(channels=channels, height=height, width=width)

    def _chain(self, slot: Slot, source: FeatureMap, writes: str) -> tuple[Operation, ...]:
        """List pool and convolutions, which end in the tensor called ``writes``."""
        name, listed = slot.reads, list[Operation]()
        if self.pooling is not None:
            stride = 1 if self.kernels else slot.stride
            listed.append(
                pooling(
                    _POOLS[self.pooling],
                    name,
                    source,
                    writes=f"{slot.writes}_pooled" if self.kernels else writes,
                    stride=stride,
                    padded=slot.padded or stride == 1,
                )
            )
        shared = f"slot{slot.number}_{self.pooling or ''}{''.join(map(_direction, self.kernels))}"
        for place, (kernel, channels) in enumerate(zip(self.kernels, self.widths, strict=True)):
            if listed:
                name, source = listed[-1].writes, listed[-1].output
            is_last = place == len(self.kernels) - 1
            listed += _convolutions(
                kernel,
                name,
                source,
                channels=channels,
                weights=f"{shared}_{place}",
                writes=writes if is_last else f"{slot.writes}_inner",
                stride=slot.stride if is_last else 1,
                padded=slot.padded,
            )
        return tuple(listed)


LEFT_OUT = Branch()


def _convolutions(
    kernel: str, name: str, source: FeatureMap, *, channels: int, weights: str, writes: str, stride: int, padded: bool
) -> tuple[Operation, ...]:
    """List a convolution, or two side by side and what puts them together."""
    sides = kernel.split("+")
    alone = len(sides) == 1
    made = tuple(
        convolution(
            name,
            source,
            channels=channels // len(sides),
            weights=weights if alone else f"{weights}_{number}",
            writes=writes if alone else f"{writes}_side{number}",
            kernel=_sides(side),
            stride=stride,
            activation=Activation.RELU,
            padded=padded or stride == 1,
        )
        for number, side in enumerate(sides)
    )
    return made if alone else (*made, concatenation([(one.writes, one.output) for one in made], writes=writes))


def _sides(kernel: str) -> tuple[int, int]:
    """Read height and width of ``1x7``."""
    height, _, width = kernel.partition("x")
    return int(height), int(width)


def _direction(kernel: str) -> str:
    """Write a kernel without its size: p for a point, r along rows, c along columns, s for a square."""
    spread = {(False, False): "p", (False, True): "r", (True, False): "c", (True, True): "s"}
    return "".join(spread[height > 1, width > 1] for height, width in map(_sides, kernel.split("+")))


def _name(slot: Slot, place: int) -> str:
    """Name the result of a block's branch."""
    return f"{slot.writes}_branch{place}"


Chain = tuple[str, tuple[int, ...]]
"""Kernels, one after the other, and their widths by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a branch may be, as it is by hand first."""

    chains: tuple[Chain, ...] = (("", ()),)
    poolings: tuple[Pooling | None, ...] = (None,)

    def choices(self) -> tuple[Branch, ...]:
        """List every pool and chain, as wide as by hand and half as wide, and the branch that is left out."""
        made = {
            Branch(pooling=pool, kernels=tuple(kernels.split()), widths=tuple(width // part for width in widths)): None
            for pool, (kernels, widths), part in itertools.product(self.poolings, self.chains, PARTS)
        }
        return (*made, LEFT_OUT)


PARTS = (1, 2)
"""By what the widths by hand are divided."""

Branches = tuple[Place, ...]
"""What a block consists of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Blocks that work at one resolution; one that strides is alone."""

    blocks: tuple[Branches, ...]
    stride: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StemStep:
    """A convolution, or a 3×3 max pool where it has no channels."""

    channels: int = 0
    kernel: int = 3
    stride: int = 1
    padded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionStem:
    """Convolutions and pools in front of the first block."""

    steps: tuple[StemStep, ...]

    def start(self, image: Image) -> Carried:
        """Give what the first slot is handed."""
        made = self.operations(image)[-1].output
        return Carried(channels=made.channels, height=made.height, width=made.width)

    def operations(self, image: Image) -> tuple[Operation, ...]:
        """List one operation per step."""
        listed: list[Operation] = []
        name, source = IMAGE, image
        for number, step in enumerate(self.steps):
            if step.channels:
                made = convolution(
                    name,
                    source,
                    channels=step.channels,
                    weights=f"stem{number}",
                    writes="x0",
                    kernel=step.kernel,
                    stride=step.stride,
                    activation=Activation.RELU,
                    padded=step.padded,
                )
            else:
                made = pooling(Kind.MAX_POOL, name, source, writes="x0", stride=step.stride, padded=step.padded)
            listed.append(made)
            name, source = made.writes, made.output
        return tuple(listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingHead:
    """The average over the image, a score per class."""

    def operations(self, name: str, carried: Carried, classes: int) -> tuple[Operation, ...]:
        """List three operations."""
        return classifier(name, carried.features, classes)


def branch_slots(stages: Sequence[Stage], *, padded: bool) -> tuple[Slot, ...]:
    """Lay out a slot per branch. A stage loses whole blocks, from its end: no network can be written in two ways."""
    slots: list[Slot] = []
    for number, stage in enumerate(stages):
        for position, block in enumerate(stage.blocks):
            for place, branch in enumerate(block):
                choices = branch.choices()
                joins = place == len(block) - 1
                slots.append(
                    Slot(
                        number=len(slots),
                        stage=number,
                        opens=position == place == 0,
                        closes=joins and position == len(stage.blocks) - 1,
                        stride=stage.stride,
                        choices=(*choices, None) if position else choices,
                        manual=choices[0],
                        reads=f"x{number + 1}" if position else f"x{number}",
                        writes=f"x{number + 1}",
                        inside=place > 0,
                        joins=joins,
                        padded=padded,
                    )
                )
    return tuple(slots)
