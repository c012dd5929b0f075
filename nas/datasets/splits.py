"""A data set in memory: images as bytes, brought to zero mean and unit deviation batch by batch, and its three parts.

Photographs as float32 take four times the memory, so that only what is looked at is ever turned into numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from nas.datasets.augmentation import SMALL_SHIFTS, Augmentation
from nas.errors import DataError
from nas.space import Task

Tensor = torch.Tensor
Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
"""Classes of images."""

VALIDATION_IMAGES = 5000
"""Images to choose by, where the data has them: so many that networks half a point apart can be told apart."""

_CHUNK = 1024
"""Images that are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What brings pixels to zero mean and unit deviation, one figure per channel."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, images: Tensor) -> Tensor:
        """Scale images (n, C, H, W) to float32."""
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return (images - mean) / deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images (n, C, H, W), bytes or float32; labels, classes (n,), int64, or masks (n, H, W), bytes or int64."""

    images: Tensor
    labels: Tensor
    scaling: Scaling | None = None
    """None where the images are scaled already."""
    augmentation: Augmentation = SMALL_SHIFTS
    """How images are changed when they are learned from, and only then."""
    device: str = "cpu"
    """Of torch, where batches are handed out; what they are taken from stays in the main memory."""

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, which: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Give images, scaled, channels last in memory, and their labels, int64."""
        return self._scaled(self.images[which]), self._placed(self.labels[which])

    def augmented(self, which: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Give images and their labels, both changed at random; otherwise as :meth:`batch`."""
        images, labels = self.augmentation.apply(self.images[which], self.labels[which], generator)
        return self._scaled(images), self._placed(labels)

    def _scaled(self, images: Tensor) -> Tensor:
        scaled = images if self.scaling is None else self.scaling.apply(images)
        return scaled.contiguous(memory_format=torch.channels_last).to(self.device)

    def _placed(self, labels: Tensor) -> Tensor:
        return labels.long().to(self.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A data set in three parts: to learn from, to choose by, and to report on, which no choice ever sees."""

    name: str
    classes: int
    """For masks, the background among them: it is class 0."""
    train: Split
    validation: Split
    test: Split
    task: Task = Task.CLASSIFICATION

    def on(self, device: str) -> Data:
        """Give the same data, whose batches are handed out on a device of torch."""
        train, validation, test = (replace(part, device=device) for part in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a data set as it was read: images (n, C, H, W), and classes (n,) or masks (n, H, W)."""

    images: Pixels
    labels: Labels | Pixels

    def take(self, which: list[int]) -> Part:
        """Give some of it."""
        return Part(images=self.images[which], labels=self.labels[which])


def assemble(name: str, classes: int, parts: Iterable[Part], augmentation: Augmentation) -> Data:
    """Make a data set of its three parts; all are scaled by the first, the training images, channel by channel.

    Raises:
        DataError: training images that are all of one grey.
    """
    train, validation, test = parts
    scaling = _scaling(name, train.images)
    task = Task.CLASSIFICATION if train.labels.ndim == 1 else Task.SEGMENTATION

    def split(part: Part) -> Split:
        return Split(
            images=torch.from_numpy(part.images),
            labels=torch.from_numpy(part.labels),
            scaling=scaling,
            augmentation=augmentation,
        )

    return Data(
        name=name, classes=classes, train=split(train), validation=split(validation), test=split(test), task=task
    )


def deal(labels: Labels | Pixels, *, parts: tuple[float, float], seed: int) -> tuple[list[int], list[int], list[int]]:
    """Shuffle each class by ``seed`` and deal its places out: two shares of it, and the rest.

    However small a share is, every class has one image in its part at least.

    Args:
        labels: classes, shape (n,), three images of each at least.
        parts: the two shares.
        seed: of the shuffle.
    """
    random = np.random.default_rng(seed)
    train: list[int] = []
    validation: list[int] = []
    rest: list[int] = []
    kept = 0 if sum(parts) > 1 - 1e-9 else 1
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        first = min(round(parts[0] * len(members)), len(members) - 1 - kept)
        second = min(max(round(sum(parts) * len(members)), first + 1), len(members) - kept)
        train += members[:first].tolist()
        validation += members[first:second].tolist()
        rest += members[second:].tolist()
    return train, validation, rest


def set_aside(images: int) -> float:
    """Give the share of images to choose by: :data:`VALIDATION_IMAGES` of them, but no more than a quarter."""
    return min(0.25, VALIDATION_IMAGES / images)


def _scaling(name: str, images: Pixels) -> Scaling:
    """Work out mean and deviation per channel, by counting values: exact, and without a copy in float."""
    counts = np.zeros((images.shape[1], 256))
    for start in range(0, len(images), _CHUNK):
        for channel in range(len(counts)):
            counts[channel] += np.bincount(images[start : start + _CHUNK, channel].ravel(), minlength=256)
    values = np.arange(256)
    share = counts / counts.sum(1, keepdims=True)
    mean = share @ values
    deviation = np.sqrt(np.sum(share * (values - mean[:, None]) ** 2, axis=1))
    if not deviation.any():
        raise DataError(f"Every pixel of {name}'s training images is the same: nothing can be learned from them.")
    # A channel that is empty stays empty.
    return Scaling(mean=tuple(mean.tolist()), deviation=tuple(np.where(deviation > 0, deviation, 1.0).tolist()))
