"""The MobileNetV2 spaces (Sandler et al., CVPR 2018): the whole backbone, and a small one for quick searches."""

from __future__ import annotations

from collections.abc import Sequence

from nas.space import Image, Space
from nas.spaces.inverted_residual import ClassifierHead, ConvolutionStem, Stage, scaled_stages, stage_slots

KERNEL_SIZES = (3, 5, 7)
EXPANSIONS = (1, 2, 3, 4, 5, 6)

LARGE_IMAGE = 96
"""Pixels from which on images are looked at as ImageNet's are."""

_LARGE = (
    Stage(slots=1, stride=1, widths=(8, 16, 24), manual_width=16, manual_expansion=1),
    Stage(slots=2, stride=2, widths=(16, 24, 32), manual_width=24, manual_expansion=6),
    Stage(slots=3, stride=2, widths=(24, 32, 40), manual_width=32, manual_expansion=6),
    Stage(slots=4, stride=2, widths=(48, 64, 80), manual_width=64, manual_expansion=6),
    Stage(slots=3, stride=1, widths=(72, 96, 120), manual_width=96, manual_expansion=6),
    Stage(slots=3, stride=2, widths=(120, 160, 200), manual_width=160, manual_expansion=6),
    Stage(slots=1, stride=1, widths=(240, 320, 400), manual_width=320, manual_expansion=6),
)
"""As published (Table 2 there): widths by hand, and about three quarters and five quarters of them."""

_SMALL = (
    Stage(slots=1, stride=1, widths=(4, 8, 12), manual_width=8, manual_expansion=1),
    Stage(slots=2, stride=1, widths=(4, 8, 12), manual_width=8, manual_expansion=6),
    Stage(slots=3, stride=2, widths=(4, 8, 12), manual_width=8, manual_expansion=6),
    Stage(slots=4, stride=1, widths=(8, 16, 24), manual_width=16, manual_expansion=6),
    Stage(slots=3, stride=1, widths=(8, 16, 24), manual_width=16, manual_expansion=6),
    Stage(slots=3, stride=2, widths=(16, 32, 48), manual_width=32, manual_expansion=6),
    Stage(slots=1, stride=1, widths=(32, 64, 96), manual_width=64, manual_expansion=6),
)
"""For small images: an eighth to a quarter of the widths, and three halvings in all instead of five."""

_TINY = (
    Stage(slots=2, stride=1, widths=(4, 8, 12), manual_width=8, manual_expansion=1),
    Stage(slots=3, stride=2, widths=(8, 16, 24), manual_width=16, manual_expansion=6),
    Stage(slots=4, stride=2, widths=(12, 24, 36), manual_width=24, manual_expansion=6),
)


def mobilenetv2(image: Image, classes: int) -> Space:
    """Build the MobileNetV2 space: seventeen slots in seven stages.

    Kernel 3, 5 or 7, expansion 1 to 6, three widths, with and without the input added; every slot but a stage's first can
    be dropped. Images of at least :data:`LARGE_IMAGE` pixels a side have the published stem and widths, smaller ones
    narrower ones that stride less.
    """
    if min(image.height, image.width) >= LARGE_IMAGE:
        return _space("mobilenetv2", image, classes, _LARGE, stem=32, head=1280)
    return _space("mobilenetv2", image, classes, _SMALL, stem=8, head=96)


def mobilenetv2_tiny(image: Image, classes: int) -> Space:
    """Build a space of nine slots in three stages with half of the choices, for small images and quick searches."""
    return _space("mobilenetv2-tiny", image, classes, _TINY, stem=8, head=48, expansions=(1, 3, 6))


def scaled_mobilenetv2(image: Image, classes: int, *, depth: float, width: float) -> Space:
    """Build a space whose design by hand is MobileNetV2, scaled; it has no choice of width.

    Args:
        image: what it looks at.
        classes: what it tells apart.
        depth: of every stage's blocks; see :func:`nas.spaces.inverted_residual.scaled_stages`.
        width: of every block's channels.
    """
    large = min(image.height, image.width) >= LARGE_IMAGE
    stages = scaled_stages(_LARGE if large else _SMALL, depth=depth, width=width)
    stem, head = (32, 1280) if large else (8, 96)
    return _space("mobilenetv2-scaled", image, classes, stages, stem=stem, head=head)


def _space(
    name: str,
    image: Image,
    classes: int,
    stages: Sequence[Stage],
    *,
    stem: int,
    head: int,
    expansions: Sequence[int] = EXPANSIONS,
) -> Space:
    return Space(
        name=name,
        image=image,
        classes=classes,
        stem=ConvolutionStem(channels=stem, stride=2),
        slots=stage_slots(stages, stem_channels=stem, kernel_sizes=KERNEL_SIZES, expansions=expansions),
        head=ClassifierHead(channels=head),
    )
