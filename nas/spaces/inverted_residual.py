"""Stages of inverted residuals (Sandler et al., CVPR 2018): the block, and the slots that a list of stages makes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nas.networks.operations import IMAGE, Activation, Operation, classifier, convolution, strided
from nas.space import Carried, Choice, Image, Slot, behind_block


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertedResidual:
    """Expand 1×1, depthwise k×k, project 1×1; it may add its input.

    Blocks of all expansion ratios share weights, and take the first so many middle channels, but for those that do not
    expand: a depthwise convolution of raw features and one of expanded features have nothing to learn from each other.
    """

    kernel_size: int
    expansion: int
    """Middle channels over input channels; the expanding convolution is absent at 1."""
    channels: int
    """Output channels."""
    idskip: bool
    """Whether the block adds its input to its output."""

    @property
    def label(self) -> str:
        """Kernel, expansion, channels, and a plus where it adds its input."""
        return f"k{self.kernel_size} e{self.expansion} c{self.channels}{' +' if self.idskip else ''}"

    @property
    def attributes(self) -> tuple[float, ...]:
        """Kernel size, expansion ratio, idskip (Section III-C.1)."""
        return float(self.kernel_size), float(self.expansion), float(self.idskip)

    def follow(self, slot: Slot, carried: Carried) -> Carried | None:
        """Give what is handed on; the input can be added only where the block keeps its shape."""
        return behind_block(slot, carried, self.channels, idskip=self.idskip)

    def operations(self, slot: Slot, carried: Carried) -> tuple[Operation, ...]:
        """List two or three convolutions, each with its normalisation."""
        source, middle = carried.features, carried.channels * self.expansion
        shared = f"slot{slot.number}" if self.expansion > 1 else f"slot{slot.number}_unexpanded"
        inner = f"{slot.writes}_middle"
        wide = replace(source, channels=middle)
        expand = convolution(
            slot.reads,
            source,
            channels=middle,
            weights=f"{shared}_expand",
            writes=inner,
            activation=Activation.RELU6,
        )
        depthwise = convolution(
            slot.reads if self.expansion == 1 else inner,
            wide,
            channels=middle,
            weights=f"{shared}_depthwise",
            writes=inner,
            kernel=self.kernel_size,
            stride=slot.stride,
            depthwise=True,
            activation=Activation.RELU6,
        )
        project = convolution(
            inner,
            depthwise.output,
            channels=self.channels,
            weights=f"{shared}_project",
            writes=slot.writes,
            residual=(slot.reads, source) if self.idskip else None,
        )
        return (depthwise, project) if self.expansion == 1 else (expand, depthwise, project)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Slots that work at one resolution; the first one strides."""

    slots: int
    stride: int
    widths: tuple[int, ...]
    manual_width: int
    manual_expansion: int


def scaled_width(channels: int, width: float) -> int:
    """Scale channels to an even number, four at least."""
    return max(4, 2 * round(channels * width / 2))


def scaled_stages(stages: Sequence[Stage], *, depth: float, width: float) -> list[Stage]:
    """Scale a design by hand, and leave it no choice of width.

    Args:
        stages: of the design.
        depth: of every stage's blocks, rounded, at least one; 1 is as by hand.
        width: of every block's channels, rounded to even numbers, at least four; 1 is as by hand.
    """
    return [
        replace(
            stage,
            slots=max(1, round(stage.slots * depth)),
            widths=(channels := scaled_width(stage.manual_width, width),),
            manual_width=channels,
        )
        for stage in stages
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionStem:
    """A convolution in front of the first slot, 3×3 unless said otherwise."""

    channels: int
    stride: int
    kernel_size: int = 3

    def start(self, image: Image) -> Carried:
        """Give what the first slot is handed."""
        made = strided(image, self.stride, self.channels)
        return Carried(channels=made.channels, height=made.height, width=made.width)

    def operations(self, image: Image) -> tuple[Operation, ...]:
        """List the convolution."""
        return (
            convolution(
                IMAGE,
                image,
                channels=self.channels,
                weights="stem",
                writes=STEM,
                kernel=self.kernel_size,
                stride=self.stride,
                activation=Activation.RELU6,
            ),
        )


STEM = "x0"
"""Name of what the stem makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierHead:
    """A 1×1 convolution, the average over the image, a score per class."""

    channels: int

    def operations(self, name: str, carried: Carried, classes: int) -> tuple[Operation, ...]:
        """List four operations."""
        features = convolution(
            name,
            carried.features,
            channels=self.channels,
            weights="head",
            writes="head",
            activation=Activation.RELU6,
        )
        return (features, *classifier("head", features.output, classes))


def stage_slots(
    stages: Sequence[Stage],
    *,
    stem_channels: int,
    kernel_sizes: Sequence[int],
    expansions: Sequence[int],
) -> tuple[Slot, ...]:
    """Lay out the slots of stages of inverted residuals.

    A slot holds any kernel, expansion and width, adding its input or not; all but a stage's first can be dropped. A stage
    shrinks from its end (after a dropped slot the rest of the stage is dropped, too), so that no network can be written
    in two ways.
    """
    slots: list[Slot] = []
    channels = stem_channels
    for number, stage in enumerate(stages):
        for position in range(stage.slots):
            opens, stride = position == 0, stage.stride if position == 0 else 1
            adding = (False, True) if stride == 1 else (False,)
            choices: list[Choice] = [
                InvertedResidual(kernel_size=kernel, expansion=expansion, channels=width, idskip=idskip)
                for kernel, expansion, width, idskip in itertools.product(
                    kernel_sizes, expansions, stage.widths, adding
                )
            ]
            manual = InvertedResidual(
                kernel_size=min(kernel_sizes),
                expansion=stage.manual_expansion,
                channels=stage.manual_width,
                idskip=stride == 1 and channels == stage.manual_width,
            )
            channels = stage.manual_width
            slots.append(
                Slot(
                    number=len(slots),
                    stage=number,
                    opens=opens,
                    closes=position == stage.slots - 1,
                    stride=stride,
                    choices=tuple(choices if opens else [*choices, None]),
                    manual=manual,
                    reads=f"x{number}" if opens else f"x{number + 1}",
                    writes=f"x{number + 1}",
                )
            )
    return tuple(slots)
