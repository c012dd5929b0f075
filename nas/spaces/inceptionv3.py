"""The Inception v3 space (Szegedy et al., CVPR 2016): the whole backbone, and a small one for small images.

By hand, blocks are those of the paper's Figures 5 to 7 and 10, in the form that was published, without the auxiliary
classifier.
"""

from __future__ import annotations

from nas.space import Image, Space
from nas.spaces.inception import Branches, InceptionStem, Place, Pooling, PoolingHead, Stage, StemStep, branch_slots

LARGE_IMAGE = 75
"""Pixels from which on images are looked at as ImageNet's are; below, the published stem leaves nothing of them."""

MIDDLE_IMAGE = 48
"""Pixels from which on the small stem halves images twice."""


_POOLINGS = (Pooling.AVERAGE, Pooling.MAX)


def block_a(*, point: int, five: tuple[int, int], three: tuple[int, int], pool: int) -> Branches:
    """Give the block of Figure 5: a 5×5 window and two 3×3 ones; of what is two numbers, the first is the 1×1's width."""
    (inner, wide), (before, behind) = five, three
    return (
        Place(chains=(("1x1", (point,)),)),
        Place(
            chains=(
                ("1x1 5x5", (inner, wide)),
                ("1x1 3x3 3x3", (inner, inner, wide)),
                ("1x1 1x5 5x1", (inner, inner, wide)),
            )
        ),
        Place(
            chains=(
                ("1x1 3x3 3x3", (before, behind, behind)),
                ("1x1 3x3", (before, behind)),
                ("1x1 1x3 3x1 1x3 3x1", (before, before, behind, behind, behind)),
            )
        ),
        Place(chains=(("1x1", (pool,)),), poolings=_POOLINGS),
    )


def block_b(*, three: int, twice: tuple[int, int]) -> Branches:
    """Give the block that halves the image behind the first stage (Figure 10)."""
    inner, wide = twice
    return (
        Place(chains=(("3x3", (three,)), ("1x1 3x3", (inner, three)))),
        Place(chains=(("1x1 3x3 3x3", (inner, wide, wide)), ("1x1 1x3 3x1 3x3", (inner, inner, wide, wide)))),
        Place(poolings=(Pooling.MAX, Pooling.AVERAGE)),
    )


def block_c(*, inner: int, wide: int) -> Branches:
    """Give the block of Figure 6: windows of 7×7 as rows and columns, or of 5×5 or 3×3."""
    return (
        Place(chains=(("1x1", (wide,)),)),
        Place(chains=tuple((f"1x1 1x{k} {k}x1", (inner, inner, wide)) for k in (7, 5, 3))),
        Place(chains=tuple((f"1x1 {k}x1 1x{k} {k}x1 1x{k}", (*[inner] * 4, wide)) for k in (7, 5, 3))),
        Place(chains=(("1x1", (wide,)),), poolings=_POOLINGS),
    )


def block_d(*, inner: int, three: int) -> Branches:
    """Give the block that halves the image behind the second stage."""
    return (
        Place(chains=(("1x1 3x3", (inner, three)),)),
        Place(chains=tuple((f"1x1 1x{k} {k}x1 3x3", (inner,) * 4) for k in (7, 5, 3))),
        Place(poolings=(Pooling.MAX, Pooling.AVERAGE)),
    )


def block_e(*, point: int, split: int, before: int, pool: int) -> Branches:
    """Give the block of Figure 7: its rows and columns stand side by side; ``before`` is the 1×1's in front of the 3×3."""
    both = 2 * split
    return (
        Place(chains=(("1x1", (point,)),)),
        Place(
            chains=(
                ("1x1 1x3+3x1", (split, both)),
                ("1x1 3x3", (split, both)),
                ("1x1 1x3 3x1", (split, split, both)),
            )
        ),
        Place(
            chains=(
                ("1x1 3x3 1x3+3x1", (before, split, both)),
                ("1x1 3x3 3x3", (before, split, both)),
                ("1x1 1x3 3x1 1x3+3x1", (before, before, split, both)),
            )
        ),
        Place(chains=(("1x1", (pool,)),), poolings=_POOLINGS),
    )


_LARGE_STEM = (
    StemStep(channels=32, stride=2, padded=False),
    StemStep(channels=32, padded=False),
    StemStep(channels=64),
    StemStep(stride=2, padded=False),
    StemStep(channels=80, kernel=1),
    StemStep(channels=192, padded=False),
    StemStep(stride=2, padded=False),
)

_LARGE = (
    Stage(blocks=tuple(block_a(point=64, five=(48, 64), three=(64, 96), pool=pool) for pool in (32, 64, 64))),
    Stage(blocks=(block_b(three=384, twice=(64, 96)),), stride=2),
    Stage(blocks=tuple(block_c(inner=inner, wide=192) for inner in (128, 160, 160, 192))),
    Stage(blocks=(block_d(inner=192, three=320),), stride=2),
    Stage(blocks=(block_e(point=320, split=384, before=448, pool=192),) * 2),
)
"""As published; its code holds the widths that the paper leaves out."""

_SMALL_STEM = (StemStep(channels=8, stride=2), StemStep(channels=8))
_MIDDLE_STEM = (StemStep(channels=8, stride=2), StemStep(channels=8, stride=2))

_SMALL = (
    Stage(blocks=(block_a(point=8, five=(4, 8), three=(4, 8), pool=8),) * 2),
    Stage(blocks=(block_b(three=24, twice=(4, 8)),), stride=2),
    Stage(blocks=(block_c(inner=8, wide=16),) * 2),
    Stage(blocks=(block_d(inner=16, three=24),), stride=2),
    Stage(blocks=(block_e(point=32, split=24, before=32, pool=16),)),
)
"""For small images: six blocks of a tenth of the widths, and a stem without pools."""


def inceptionv3(image: Image, classes: int) -> Space:
    """Build the Inception v3 space: a slot per branch, in blocks of three or four.

    A branch has its kernels factorised in up to three ways, the width by hand or half of it, the average or the maximum
    where it pools, or is left out; every block has at least one. A stage loses whole blocks, from its end. A block's
    branches never have a form in common, so that no network can be written in two ways. Images of at least
    :data:`LARGE_IMAGE` pixels a side have the published stem and widths.
    """
    side = min(image.height, image.width)
    large = side >= LARGE_IMAGE
    stem = _LARGE_STEM if large else _MIDDLE_STEM if side >= MIDDLE_IMAGE else _SMALL_STEM
    return Space(
        name="inceptionv3",
        image=image,
        classes=classes,
        stem=InceptionStem(steps=stem),
        slots=branch_slots(_LARGE if large else _SMALL, padded=not large),
        head=PoolingHead(),
    )
