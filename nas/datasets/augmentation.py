"""How training images are changed at random, a batch at a time; masks move with their images.

Contrast and brightness change as in the paper (Section IV-A), by as much as the project's own bounds say: the paper gives
none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

Tensor = torch.Tensor

SHIFT = 2
"""Pixels that small images move each way at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What changes from one look at an image to the next."""

    shift: int = 0
    """Pixels each way at most; what comes in from outside repeats the border."""
    flips: bool = False
    """Whether half of the images are mirrored, left to right."""
    contrast: tuple[float, float] = (1.0, 1.0)
    """Factors of a pixel's distance from its image's mean, from the least to the most."""
    brightness: float = 0.0
    """Of 255; added or taken away at most."""

    def apply(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Change each image of a batch on its own.

        Args:
            images: (n, C, H, W), bytes, or anything where contrast and brightness stay.
            labels: (n,) or masks (n, H, W).
            generator: of all that is random.
        """
        if self.shift:
            images, labels = shifted(images, labels, self.shift, generator)
        if self.flips:
            images, labels = flipped(images, labels, generator)
        if self.contrast != (1.0, 1.0) or self.brightness:
            images = self._relit(images, generator)
        return images, labels

    def _relit(self, images: Tensor, generator: torch.Generator) -> Tensor:
        least, most = self.contrast
        factor, lift = torch.rand(2, len(images), 1, 1, 1, generator=generator)
        return relit(images, least + (most - least) * factor, self.brightness * (2 * lift - 1))


SMALL_SHIFTS = Augmentation(shift=SHIFT)
"""For small drawings."""

CONTRAST = (0.6, 1.4)
BRIGHTNESS = 40.0


def photographs(side: int) -> Augmentation:
    """Give what photographs of so many pixels a side go through."""
    return Augmentation(shift=max(SHIFT, side // 14), flips=True, contrast=CONTRAST, brightness=BRIGHTNESS)


def shifted(images: Tensor, labels: Tensor, most: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Move every image, and its mask, by up to ``most`` pixels each way; what comes in from outside repeats the border."""
    n, _, height, width = images.shape
    down, right = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator) - most
    rows = (down + torch.arange(height)).clamp(0, height - 1)[:, :, None]
    columns = (right + torch.arange(width)).clamp(0, width - 1)[:, None, :]
    which = torch.arange(n)[:, None, None]
    moved = images[which, :, rows, columns].permute(0, 3, 1, 2)
    return moved, labels[which, rows, columns] if labels.ndim == 3 else labels


def flipped(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror half of the images, with their masks, left to right."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images, torch.where(mirrored[:, None, None], labels.flip(2), labels) if labels.ndim == 3 else labels


def relit(images: Tensor, factor: Tensor, lift: Tensor) -> Tensor:
    """Change contrast and brightness: float32 within [0, 255].

    Args:
        images: (n, C, H, W), bytes.
        factor: of the distance from the image's mean, (n, 1, 1, 1).
        lift: what is added, (n, 1, 1, 1).
    """
    pixels = images.float()
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return ((pixels - mean) * factor + mean + lift).clamp_(0, 255)
