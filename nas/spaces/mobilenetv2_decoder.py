"""Segmentation by a MobileNetV2 encoder and a decoder of transposed convolutions.

The encoder's stages halve the image, the decoder doubles it again, level by level; a level may look at what the encoder
made at its size (Ronneberger et al., MICCAI 2015), the last one at the image itself.
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
    Operation,
    concatenation,
    convolution,
    deconvolution,
    separable_convolution,
)
from nas.space import Carried, Image, Slot, Space, Task
from nas.spaces.inverted_residual import ConvolutionStem, Stage, scaled_stages, scaled_width, stage_slots
from nas.spaces.mobilenetv2 import EXPANSIONS, KERNEL_SIZES, LARGE_IMAGE

DECONVOLUTION_KERNEL_SIZES = (3, 5)


class Skip(StrEnum):
    """What a level does with what the encoder made at its size."""

    CONCATENATE = "concatenate"
    ADD = "add"
    """A 1×1 convolution of it."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Double the sides, take in what the encoder made at that size, convolve 3×3."""

    kernel_size: int
    """Of the transposed convolution."""
    channels: int
    """Of all convolutions."""
    skip: Skip
    separable: bool
    """Whether the 3×3 convolution is a depthwise and a 1×1 one."""

    @property
    def label(self) -> str:
        """Kernel, channels, what is done with the encoder's tensor, and whether the convolution is separable."""
        return f"up{self.kernel_size} c{self.channels} {self.skip}{' separable' if self.separable else ''}"

    @property
    def attributes(self) -> tuple[float, ...]:
        """Kernel size, skip, separable: as many as an inverted residual has."""
        return float(self.kernel_size), float(list(Skip).index(self.skip)), float(self.separable)

    def follow(self, slot: Slot, carried: Carried) -> Carried | None:  # noqa: ARG002 - the Protocol's
        """Grow to the size of the tensor that was kept last, which nobody needs any more."""
        size = carried.kept[-1]
        return replace(carried, channels=self.channels, height=size.height, width=size.width, kept=carried.kept[:-1])

    def operations(self, slot: Slot, carried: Carried) -> tuple[Operation, ...]:
        """List the transposed convolution, what takes the encoder's tensor in, and the convolution."""
        grown = deconvolution(
            slot.reads,
            carried.features,
            channels=self.channels,
            size=carried.kept[-1],
            weights=f"slot{slot.number}_up",
            writes=f"{slot.writes}_up",
            kernel=self.kernel_size,
            activation=Activation.RELU6,
        )
        taken = self._take_in(slot, carried, grown)
        made = (taken or (grown,))[-1]
        return (grown, *taken, *self._convolve(slot, made.writes, made.output))

    def _take_in(self, slot: Slot, carried: Carried, grown: Operation) -> tuple[Operation, ...]:
        name, kept = _kept_last(carried)
        match self.skip:
            case Skip.NONE:
                return ()
            case Skip.CONCATENATE:
                parts = [(grown.writes, grown.output), (name, kept)]
                return (concatenation(parts, writes=f"{slot.writes}_both"),)
            case Skip.ADD:
                projected = convolution(
                    name,
                    kept,
                    channels=self.channels,
                    weights=f"slot{slot.number}_skip",
                    writes=f"{slot.writes}_both",
                    residual=(grown.writes, grown.output),
                )
                return (projected,)

    def _convolve(self, slot: Slot, name: str, source: FeatureMap) -> tuple[Operation, ...]:
        shared = f"slot{slot.number}_{self.skip}"
        if not self.separable:
            return (
                convolution(
                    name,
                    source,
                    channels=self.channels,
                    weights=f"{shared}_full",
                    writes=slot.writes,
                    kernel=3,
                    activation=Activation.RELU6,
                ),
            )
        return separable_convolution(
            name,
            source,
            channels=self.channels,
            weights=shared,
            writes=slot.writes,
            kernel=3,
            activation=Activation.RELU6,
        )


def _kept_last(carried: Carried) -> tuple[str, FeatureMap]:
    """Give name and shape of what was kept last: the image, then the result of every stage but the deepest."""
    number = len(carried.kept) - 1
    return (f"x{number}" if number else IMAGE), carried.kept[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingStem:
    """A convolution in front of the encoder; the image is kept for the last level."""

    convolution: ConvolutionStem

    def start(self, image: Image) -> Carried:
        """Give what the first slot is handed."""
        return replace(self.convolution.start(image), kept=(image,))

    def operations(self, image: Image) -> tuple[Operation, ...]:
        """List the convolution."""
        return self.convolution.operations(image)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelHead:
    """A score per pixel and class."""

    def operations(self, name: str, carried: Carried, classes: int) -> tuple[Operation, ...]:
        """List a 1×1 convolution with a bias."""
        return (
            convolution(
                name, carried.features, channels=classes, weights="classifier", writes="scores", normalised=False
            ),
        )


_LARGE = (
    Stage(slots=1, stride=1, widths=(8, 16, 24), manual_width=16, manual_expansion=1),
    Stage(slots=2, stride=2, widths=(16, 24, 32), manual_width=24, manual_expansion=6),
    Stage(slots=3, stride=2, widths=(24, 32, 40), manual_width=32, manual_expansion=6),
    Stage(slots=5, stride=2, widths=(72, 96, 120), manual_width=96, manual_expansion=6),
    Stage(slots=3, stride=2, widths=(120, 160, 200), manual_width=160, manual_expansion=6),
)
"""MobileNetV2's stages, those of one resolution as one."""

_SMALL = (
    Stage(slots=1, stride=1, widths=(4, 6, 8), manual_width=6, manual_expansion=1),
    Stage(slots=2, stride=2, widths=(8, 12, 16), manual_width=12, manual_expansion=3),
    Stage(slots=2, stride=2, widths=(16, 24, 32), manual_width=24, manual_expansion=3),
    Stage(slots=2, stride=2, widths=(24, 32, 40), manual_width=32, manual_expansion=3),
)
"""For small images: a fifth to a half of the widths, half of the expansion."""


def mobilenetv2_decoder(image: Image, classes: int) -> Space:
    """Build the space of encoders and decoders: images to scores of every pixel.

    An encoder's slot holds what a slot of ``mobilenetv2`` does. A decoder's level has a kernel of 3 or 5, three widths, the
    encoder's tensor concatenated, added or left alone (the last level's, the image, is not added), and a full or a
    separable convolution. Images of at least :data:`nas.spaces.mobilenetv2.LARGE_IMAGE` pixels a side have MobileNetV2's
    widths and five halvings, smaller ones narrower stages and four.
    """
    if min(image.height, image.width) >= LARGE_IMAGE:
        return _space(image, classes, _LARGE, stem=32, last=(4, 8, 12))
    return _space(image, classes, _SMALL, stem=8, last=(2, 4, 6))


def scaled_mobilenetv2_decoder(image: Image, classes: int, *, depth: float, width: float) -> Space:
    """Build a space whose design by hand is that of :func:`mobilenetv2_decoder`, scaled; it has no choice of width.

    Args:
        image: what it looks at.
        classes: what it tells apart, the background among them.
        depth: of every stage's blocks; see :func:`nas.spaces.inverted_residual.scaled_stages`.
        width: of every block's and level's channels.
    """
    large = min(image.height, image.width) >= LARGE_IMAGE
    stages = scaled_stages(_LARGE if large else _SMALL, depth=depth, width=width)
    last = scaled_width(8 if large else 4, width)
    return _space(image, classes, stages, stem=32 if large else 8, last=(last,))


def _space(image: Image, classes: int, stages: Sequence[Stage], *, stem: int, last: tuple[int, ...]) -> Space:
    encoder = stage_slots(stages, stem_channels=stem, kernel_sizes=KERNEL_SIZES, expansions=EXPANSIONS)
    widths = (*(stage.widths for stage in reversed(stages[:-1])), last)
    return Space(
        name="mobilenetv2-decoder",
        image=image,
        classes=classes,
        stem=KeepingStem(convolution=ConvolutionStem(channels=stem, stride=2)),
        slots=with_decoder(encoder, widths),
        head=PixelHead(),
        task=Task.SEGMENTATION,
    )


def with_decoder(
    encoder: Sequence[Slot],
    widths: Sequence[tuple[int, ...]],
    kernel_sizes: Sequence[int] = DECONVOLUTION_KERNEL_SIZES,
) -> tuple[Slot, ...]:
    """Let an encoder keep what its stages make, and lay out a decoder behind it, the deepest level first.

    Args:
        encoder: behind a :class:`KeepingStem` that halves the image; every stage but the first halves it, too.
        widths: of every level, as many as the encoder has stages; the last level looks at the image.
        kernel_sizes: of the transposed convolutions.
    """
    deepest = encoder[-1].stage
    kept = [replace(slot, keeps=slot.closes and slot.stage < deepest) for slot in encoder]
    return (*kept, *_levels(widths, kernel_sizes, number=len(encoder), stage=deepest + 1))


def _levels(
    widths: Sequence[tuple[int, ...]], kernel_sizes: Sequence[int], *, number: int, stage: int
) -> tuple[Slot, ...]:
    """Lay out the decoder's slots."""
    slots = []
    for level, wide in enumerate(widths):
        skips = [skip for skip in Skip if skip is not Skip.ADD or level < len(widths) - 1]
        choices = tuple(
            Level(kernel_size=kernel, channels=channels, skip=skip, separable=separable)
            for kernel, channels, skip, separable in itertools.product(kernel_sizes, wide, skips, (True, False))
        )
        slots.append(
            Slot(
                number=number + level,
                stage=stage + level,
                opens=True,
                closes=True,
                stride=1,
                choices=choices,
                manual=Level(
                    kernel_size=min(kernel_sizes),
                    channels=sorted(wide)[len(wide) // 2],
                    skip=Skip.CONCATENATE,
                    separable=True,
                ),
                reads=f"x{stage + level}",
                writes=f"x{stage + level + 1}",
            )
        )
    return tuple(slots)
