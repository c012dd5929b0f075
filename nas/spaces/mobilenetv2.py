"""The MobileNetV2 space (Sandler et al., CVPR 2018)."""

from __future__ import annotations

from nas.space import Image, Space
from nas.spaces.inverted_residual import ClassifierHead, ConvolutionStem, Stage, stage_slots

SMALL_STEM_CHANNELS = 8


def mobilenetv2(image: Image, classes: int) -> Space:
    """Build the MobileNetV2 space for small images, at 1/8 of its resolution.

    Nine slots in three stages; kernel 3, 5 or 7, expansion 1, 3 or 6, half, the same or one and a half times the width
    by hand, with and without the input added; every slot but a stage's first can be dropped.
    """
    stages = (
        Stage(slots=2, stride=1, widths=(4, 8, 12), manual_width=8, manual_expansion=1),
        Stage(slots=3, stride=2, widths=(8, 16, 24), manual_width=16, manual_expansion=6),
        Stage(slots=4, stride=2, widths=(12, 24, 36), manual_width=24, manual_expansion=6),
    )
    return Space(
        name="mobilenetv2",
        image=image,
        classes=classes,
        stem=ConvolutionStem(channels=SMALL_STEM_CHANNELS, stride=2),
        slots=stage_slots(stages, stem_channels=SMALL_STEM_CHANNELS, kernel_sizes=(3, 5, 7), expansions=(1, 3, 6)),
        head=ClassifierHead(channels=48),
    )
